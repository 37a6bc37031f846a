//! Finding words in the caller's chats (E25).
//!
//! There is no index of words: a search walks the chats, the latest used first, and each backwards. A call reads a bounded
//! number of records and says where the next one goes on, so a page may be short or empty though more follow.

use crate::State;
use crate::cursor::{self, List};
use axum::Json;
use axum::extract::State as Shared;
use domain::chat::{Chat, Exchange, NEEDLE_CHARS, Needle};
use domain::ids::{ChatId, ExchangeId, UserId};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tenant};
use web::extract::Query;
use web::{ApiError, Caller, page};

/// What one call reads at most, whichever is reached first.
const MAX_CHATS: usize = 50;
const MAX_EXCHANGES: usize = 400;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Chats and exchanges that are read at once.
const PAGE: usize = 25;

#[derive(Deserialize)]
pub(crate) struct SearchQuery {
    q: String,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct SearchResponse {
    results: Vec<Hit>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct Hit {
    session_id: ChatId,
    title: String,
    message_id: ExchangeId,
    created_at: String,
    field: Field,
    snippet: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    Message,
    Response,
}

/// `GET /chat/search?q=`: exchanges whose question or else whose answer holds the words, whatever their case.
pub(crate) async fn search(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Query(query): Query<SearchQuery>,
) -> Result<Json<SearchResponse>, ApiError> {
    let limit = page::limit(query.limit)?;
    let wrong = || ApiError::invalid(format!("q has 1 to {NEEDLE_CHARS} characters"));
    let needle = Needle::new(&query.q).ok_or_else(wrong)?;
    let start = query.cursor.map(|cursor| cursor::decode(&caller, List::Search, &cursor)).transpose()?;
    let start = start.map(|place| Place::parse(&place).ok_or_else(cursor::invalid)).transpose()?;
    let tenant = state.tenant(&caller);
    let mut walk =
        Walk { tenant: &tenant, user: &caller.user_id, needle, limit, hits: Vec::new(), read: Read::default() };
    let next = walk.from(start).await?;
    Ok(Json(SearchResponse {
        results: walk.hits,
        next_cursor: next.map(|place| cursor::encode(&caller, List::Search, &place.text())),
    }))
}

/// Where a walk goes on: in a chat, or after it.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    /// The chat's place in the list, which names the chat.
    chat: String,
    /// Before which of its exchanges.
    before: Option<u64>,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        match text.split('#').collect::<Vec<_>>().as_slice() {
            [at, chat] => Some(Self { chat: format!("{at}#{chat}"), before: None }),
            [at, chat, before] => Some(Self { chat: format!("{at}#{chat}"), before: Some(before.parse().ok()?) }),
            _ => None,
        }
    }

    fn text(&self) -> String {
        self.before.map_or_else(|| self.chat.clone(), |before| format!("{}#{before}", self.chat))
    }

    fn chat_id(&self) -> Option<ChatId> {
        self.chat.split_once('#').and_then(|(_, id)| ChatId::parse(id).ok())
    }
}

struct Walk<'a> {
    tenant: &'a Tenant,
    user: &'a UserId,
    needle: Needle,
    limit: usize,
    hits: Vec<Hit>,
    read: Read,
}

/// What a call has read.
#[derive(Default)]
struct Read {
    chats: usize,
    exchanges: usize,
    bytes: usize,
}

impl Walk<'_> {
    fn is_over(&self) -> bool {
        self.hits.len() >= self.limit
            || self.read.chats >= MAX_CHATS
            || self.read.exchanges >= MAX_EXCHANGES
            || self.read.bytes >= MAX_BYTES
    }

    /// Walks until it is over; where the next walk goes on.
    async fn from(&mut self, start: Option<Place>) -> Result<Option<Place>, StoreError> {
        let mut after = None;
        if let Some(place) = start {
            if let (Some(before), Some(id)) = (place.before, place.chat_id())
                && let Some(chat) = self.tenant.chat(self.user, &id).await?
                && let Some(before) = self.chat(&chat, Some(before)).await?
            {
                return Ok(Some(Place { before: Some(before), ..place }));
            }
            after = Some(place.chat);
        }
        loop {
            let page = self.tenant.chats(self.user, PAGE, after.as_deref()).await?;
            for (chat, place) in page.chats.into_iter().zip(page.places) {
                if self.is_over() {
                    return Ok(after.map(|chat| Place { chat, before: None }));
                }
                if let Some(before) = self.chat(&chat, None).await? {
                    return Ok(Some(Place { chat: place, before: Some(before) }));
                }
                after = Some(place);
            }
            if page.next.is_none() {
                return Ok(None);
            }
            after = page.next;
        }
    }

    /// Walks a chat backwards; before which exchange there is more of it.
    async fn chat(&mut self, chat: &Chat, mut before: Option<u64>) -> Result<Option<u64>, StoreError> {
        while before != Some(1) {
            let exchanges = self.tenant.exchanges(&chat.id, before, PAGE).await?;
            if exchanges.is_empty() {
                break;
            }
            for exchange in exchanges.into_iter().rev() {
                if before.is_some() && self.is_over() {
                    return Ok(before);
                }
                before = Some(exchange.question.number);
                self.exchange(chat, exchange).await?;
            }
        }
        self.read.chats += 1;
        Ok(None)
    }

    async fn exchange(&mut self, chat: &Chat, mut exchange: Exchange) -> Result<(), StoreError> {
        let mut found = self.find(&exchange);
        let cut = exchange.outcome.as_ref().is_some_and(|outcome| outcome.cut);
        if found.is_none()
            && cut
            && let Some(whole) = self.tenant.exchange(&chat.id, exchange.question.number).await?
        {
            exchange = whole;
            found = self.find(&exchange);
        }
        let response = exchange.outcome.as_ref().map_or(0, |outcome| outcome.response.len());
        self.read.exchanges += 1;
        self.read.bytes += exchange.question.message.len() + response;
        if let Some((field, snippet)) = found {
            self.hits.push(Hit {
                session_id: chat.id.clone(),
                title: chat.title.clone(),
                message_id: exchange.question.id,
                created_at: exchange.question.asked_at.iso_plain(),
                field,
                snippet,
            });
        }
        Ok(())
    }

    fn find(&self, exchange: &Exchange) -> Option<(Field, String)> {
        let in_message = self.needle.snippet(&exchange.question.message).map(|snippet| (Field::Message, snippet));
        in_message.or_else(|| {
            let outcome = exchange.outcome.as_ref()?;
            self.needle.snippet(&outcome.response).map(|snippet| (Field::Response, snippet))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_nonsense_does_not() {
        for text in ["1704067200000#c1", "1704067200000#c1#17"] {
            let place = Place::parse(text).unwrap();
            assert_eq!((place.text().as_str(), place.chat_id().unwrap().as_str()), (text, "c1"));
        }
        for text in ["", "x", "1#c#x", "1#c#2#3", "1#c#-1"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
