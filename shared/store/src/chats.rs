//! Chats and their exchanges: reading, listing, deleting (E07-E12).

use crate::error::StoreError;
use crate::item::{Item, from_item, s, to_item};
use crate::keys::{self, EXCHANGE_PREFIX, INDEX, numbered};
use crate::table::held;
use crate::{Store, Tenant};
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::chat::{Chat, Exchange, Outcome, Question};
use domain::ids::{ChatId, OrganizationId, UserId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Bytes of an answer that its exchange's item holds.
const INLINE_BYTES: usize = 100 * 1024;
/// The same as JSON, which makes up to six of one. An item holds 400 KB, question included.
const INLINE_JSON: usize = 150 * 1024;
/// Bytes of a further piece.
const PIECE_BYTES: usize = 300 * 1024;

/// A page of a person's chats, the latest used first.
#[derive(Debug, Default)]
pub struct ChatPage {
    /// The chats.
    pub chats: Vec<Chat>,
    /// The place of each in the list: a page after it begins with the next one.
    pub places: Vec<String>,
    /// Where the next page goes on, when there may be more.
    pub next: Option<String>,
}

/// A piece of a long answer.
#[derive(Serialize, Deserialize)]
struct Piece {
    text: String,
}

impl Tenant {
    /// A person's chat; `None` when there is none of that id, when it is somebody else's, and when it is deleted.
    pub async fn chat(&self, user: &UserId, id: &ChatId) -> Result<Option<Chat>, StoreError> {
        let chat = self.any_chat(id).await?;
        Ok(chat.filter(|chat| chat.active && chat.user_id == *user))
    }

    /// A chat, whoever's and even deleted.
    pub async fn any_chat(&self, id: &ChatId) -> Result<Option<Chat>, StoreError> {
        let key = keys::chat(&self.organization_id, id);
        self.store.get(self.store.core(), &key).await?.map(from_item).transpose()
    }

    /// One exchange, its answer whole.
    pub async fn exchange(&self, chat: &ChatId, number: u64) -> Result<Option<Exchange>, StoreError> {
        let key = keys::exchange(&self.organization_id, chat, number);
        let Some(item) = self.store.get(self.store.core(), &key).await? else { return Ok(None) };
        let (mut exchange, pieces) = exchange_from_item(&item)?;
        if pieces > 0
            && let Some(outcome) = &mut exchange.outcome
        {
            let pk = keys::answer_piece(&self.organization_id, chat, number, 0).pk;
            let pieces: Vec<Piece> = self.store.all(&pk, &format!("{}#", numbered(EXCHANGE_PREFIX, number))).await?;
            outcome.response.extend(pieces.into_iter().map(|piece| piece.text));
            outcome.cut = false;
        }
        Ok(Some(exchange))
    }

    /// The latest exchanges before a number (or all), oldest first. Of an answer of more than 100 KB the beginning.
    pub async fn exchanges(
        &self,
        chat: &ChatId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Exchange>, StoreError> {
        let first = keys::exchange(&self.organization_id, chat, 0);
        let last = numbered(EXCHANGE_PREFIX, before.map_or(999_999_999_999, |before| before.saturating_sub(1)));
        let (mut exchanges, mut start) = (Vec::new(), None);
        loop {
            let left = i32::try_from(limit.saturating_sub(exchanges.len())).unwrap_or(i32::MAX);
            let output = self
                .store
                .client
                .query()
                .table_name(self.store.core())
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", s(&first.pk))
                .expression_attribute_values(":first", s(&first.sk))
                .expression_attribute_values(":last", s(&last))
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(left)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in output.items.unwrap_or_default() {
                exchanges.push(exchange_from_item(&item)?.0);
            }
            start = output.last_evaluated_key;
            if start.is_none() || exchanges.len() >= limit {
                exchanges.reverse();
                return Ok(exchanges);
            }
        }
    }

    /// A page of a person's chats.
    pub async fn chats(&self, user: &UserId, limit: usize, after: Option<&str>) -> Result<ChatPage, StoreError> {
        let partition = keys::chats_index(&self.organization_id, user);
        let query = self
            .store
            .client
            .query()
            .table_name(self.store.core())
            .index_name(INDEX)
            .key_condition_expression("gsi1pk = :user AND gsi1sk < :after")
            .expression_attribute_values(":user", s(partition))
            .expression_attribute_values(":after", s(after.unwrap_or("~")))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let output = query.send().await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default();
        let text = |item: &Item, name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        let next = items.last().and_then(|item| text(item, "gsi1sk")).filter(|_| more);
        let listed: Vec<(String, String)> =
            items.iter().filter_map(|item| Some((text(item, "pk")?, text(item, "gsi1sk")?))).collect();
        let keys = items
            .into_iter()
            .map(|item| item.into_iter().filter(|(name, _)| matches!(name.as_str(), "pk" | "sk")).collect());
        let mut found: HashMap<String, Item> = self
            .store
            .get_all(keys.collect())
            .await?
            .into_iter()
            .filter_map(|item| Some((text(&item, "pk")?, item)))
            .collect();
        let mut page = ChatPage { next, ..ChatPage::default() };
        for (pk, place) in listed {
            let chat: Option<Chat> = found.remove(&pk).map(from_item).transpose()?;
            // The index may lag behind a removal.
            if let Some(chat) = chat.filter(|chat| chat.active) {
                page.chats.push(chat);
                page.places.push(place);
            }
        }
        Ok(page)
    }

    /// How many chats a person has.
    pub async fn count_chats(&self, user: &UserId) -> Result<u64, StoreError> {
        let (mut count, mut start) = (0, None);
        loop {
            let output = self
                .store
                .client
                .query()
                .table_name(self.store.core())
                .index_name(INDEX)
                .key_condition_expression("gsi1pk = :user")
                .expression_attribute_values(":user", s(keys::chats_index(&self.organization_id, user)))
                .select(Select::Count)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            count += u64::try_from(output.count).unwrap_or(0);
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    /// Deletes a person's chat, softly: the data stays (E10). False when there is none.
    pub async fn delete_chat(&self, user: &UserId, id: &ChatId) -> Result<bool, StoreError> {
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::chat(&self.organization_id, id).attributes()))
            .update_expression("SET #active = :no REMOVE gsi1pk, gsi1sk")
            .condition_expression("#active = :yes AND user_id = :user")
            .expression_attribute_names("#active", "active")
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":user", s(user.as_str()))
            .send()
            .await;
        held(result)
    }
}

impl Store {
    /// Exchanges asked before a moment whose answers are not over, of all organizations, the oldest.
    pub async fn running(&self, before: Timestamp, limit: i32) -> Result<Vec<Exchange>, StoreError> {
        let items = self.due(keys::RUNNING, before, limit).await?;
        let exchanges: Vec<Exchange> = items
            .iter()
            .map(|item| exchange_from_item(item).map(|(exchange, _)| exchange))
            .collect::<Result<_, _>>()?;
        // The index may lag behind the end of an answer.
        Ok(exchanges.into_iter().filter(|exchange| exchange.outcome.is_none()).collect())
    }
}

/// A chat's item, in its person's list.
pub(crate) fn chat_item(org: &OrganizationId, chat: &Chat) -> Result<Item, StoreError> {
    let mut item = to_item(&keys::chat(org, &chat.id), "chat", chat)?;
    item.insert("gsi1pk".to_owned(), s(keys::chats_index(org, &chat.user_id)));
    item.insert("gsi1sk".to_owned(), s(keys::index_sort(chat.updated_at.millis(), chat.id.as_str())));
    Ok(item)
}

/// An exchange's item. Question and outcome are one JSON text each.
pub(crate) fn question_item(question: &Question) -> Result<Item, StoreError> {
    let key = keys::exchange(&question.organization_id, &question.chat_id, question.number);
    let mut item = key.attributes();
    item.insert("etype".to_owned(), s("exchange"));
    item.insert("v".to_owned(), AttributeValue::N("1".to_owned()));
    item.insert("question".to_owned(), s(serde_json::to_string(question)?));
    Ok(item)
}

/// An outcome as an attribute, and the pieces of a long answer that do not fit into it.
pub(crate) fn outcome_text(question: &Question, outcome: &Outcome) -> Result<(String, Vec<Item>), StoreError> {
    let inline = inline(&outcome.response);
    let mut rest = outcome.response.get(inline..).unwrap_or_default();
    if rest.is_empty() {
        return Ok((serde_json::to_string(outcome)?, Vec::new()));
    }
    let head = outcome.response.get(..inline).unwrap_or_default().to_owned();
    let text = serde_json::to_string(&Outcome { response: head, cut: true, ..outcome.clone() })?;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(floor(rest, PIECE_BYTES));
        let number = u64::try_from(pieces.len()).unwrap_or(u64::MAX);
        let key = keys::answer_piece(&question.organization_id, &question.chat_id, question.number, number);
        pieces.push(to_item(&key, "answer_piece", &Piece { text: piece.to_owned() })?);
        rest = more;
    }
    Ok((text, pieces))
}

/// How much of an answer its exchange's item holds.
fn inline(response: &str) -> usize {
    let end = floor(response, INLINE_BYTES);
    let mut left = INLINE_JSON;
    let mut fits = |c: char| {
        let size = match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            '\0'..'\u{20}' => 6,
            c => c.len_utf8(),
        };
        let rest = left.checked_sub(size);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let full = response.get(..end).and_then(|head| head.find(|c| !fits(c)));
    full.unwrap_or(end)
}

/// The longest beginning of at most `max` bytes that cuts no character.
fn floor(text: &str, max: usize) -> usize {
    text.floor_char_boundary(max)
}

/// An exchange, and how many pieces of its answer are elsewhere.
pub(crate) fn exchange_from_item(item: &Item) -> Result<(Exchange, u64), StoreError> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    let question = text("question").ok_or_else(|| StoreError::corrupt("an exchange without a question"))?;
    let exchange = crate::item::exchange_from_texts(question, text("outcome"))?;
    let pieces = item.get("pieces").and_then(|value| value.as_n().ok()).and_then(|count| count.parse().ok());
    Ok((exchange, pieces.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_item_holds_of_an_answer_fits_whatever_it_is_made_of() {
        let json = |text: &str| serde_json::to_string(text).unwrap().len();
        for piece in ["a", "\n", "\"", "\u{1}", "\u{8}", "\u{7f}", "\u{e9}", "\u{1f600}", "a\u{1}"] {
            let text = piece.repeat(INLINE_BYTES);
            let end = inline(&text);
            assert!(end > 20_000 && end <= INLINE_BYTES, "{piece:?}: {end}");
            assert!(json(&text[..end]) <= INLINE_JSON + 2, "{piece:?}");
        }
        assert_eq!((inline(""), inline("short \u{1}")), (0, 7));
    }
}
