//! Taking a chat home (E26): the same chat always makes the same file.

use crate::cursor::{self, List};
use crate::pages::{Room, is_too_large, message};
use crate::view::SessionView;
use crate::{State, markdown, own_chat};
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use domain::chat::{Chat, Exchange};
use domain::ids::ChatId;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{StoreError, Tenant};
use web::extract::Query;
use web::{ApiError, Caller, Code};

/// Exchanges that are read at once.
const CHUNK: u64 = 50;
/// Bytes that are shown of an answer that alone is too much for a file.
const SHORTENED: usize = 600_000;
/// Most characters of a title in a file's name.
const NAME_CHARS: usize = 40;

#[derive(Deserialize)]
pub(crate) struct ExportQuery {
    #[serde(default)]
    format: Format,
    cursor: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Markdown,
}

#[derive(Serialize)]
struct Document {
    session: SessionView<u64>,
    messages: Vec<Box<RawValue>>,
    /// Says that the chat goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    next_cursor: Option<String>,
}

/// `GET /chat/sessions/{session_id}/export`: a file with all messages, oldest first, answers whole. What does not fit into
/// one file follows in the next, which `cursor` asks for.
pub(crate) async fn export(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, ApiError> {
    let tenant = state.tenant(&caller);
    let chat = own_chat(&tenant, &caller, &id).await?;
    let list = List::Export(&chat.id);
    let from = cursor::number(&caller, list, query.cursor.as_deref())?.unwrap_or(1);
    let (entries, next) = entries(&tenant, &chat, from, query.format).await?;
    let next_cursor = next.map(|number| cursor::encode(&caller, list, &number.to_string()));
    let name = file_name(&chat, from, query.format);
    let (media_type, body) = match query.format {
        Format::Json => ("application/json", document(chat, entries, next_cursor)?),
        Format::Markdown => {
            let more = next_cursor.as_deref().map(markdown::more);
            let parts = [markdown::head(&chat), entries.concat(), more.unwrap_or_default()];
            ("text/markdown; charset=utf-8", parts.concat())
        }
    };
    let headers = [
        (CONTENT_TYPE, media_type.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    Ok((headers, body).into_response())
}

fn document(chat: Chat, entries: Vec<String>, next_cursor: Option<String>) -> Result<String, ApiError> {
    let messages = entries.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    let number = chat.last;
    let document = Document {
        session: SessionView::new(chat, number),
        messages: messages.map_err(|_| Code::Internal)?,
        note: next_cursor.as_ref().map(|_| "This chat goes on. Ask for the rest with cursor=next_cursor."),
        next_cursor,
    };
    serde_json::to_string(&document).map_err(|_| Code::Internal.into())
}

/// As many exchanges as fit, from a number on, and the number of the next one.
async fn entries(
    tenant: &Tenant,
    chat: &Chat,
    mut from: u64,
    format: Format,
) -> Result<(Vec<String>, Option<u64>), ApiError> {
    let mut room = Room::new();
    let mut entries = Vec::new();
    while from <= chat.last {
        // Numbers have no gaps: so many before the end of them are exactly the next ones.
        let count = CHUNK.min(chat.last - from + 1);
        let next = from + count;
        for exchange in tenant.exchanges(&chat.id, Some(next), usize::try_from(count).unwrap_or(1)).await? {
            let number = exchange.question.number;
            let mut exchange = whole(tenant, &chat.id, exchange).await?;
            let mut entry = entry(tenant, exchange.clone(), format).await?;
            if is_too_large(&entry) {
                shorten(&mut exchange);
                entry = self::entry(tenant, exchange, format).await?;
            }
            if !room.takes(&entry) {
                return Ok((entries, Some(number)));
            }
            entries.push(entry);
        }
        from = next;
    }
    Ok((entries, None))
}

async fn entry(tenant: &Tenant, exchange: Exchange, format: Format) -> Result<String, ApiError> {
    match format {
        Format::Markdown => Ok(markdown::exchange(&exchange)),
        Format::Json => serde_json::to_string(&message(tenant, exchange).await?).map_err(|_| Code::Internal.into()),
    }
}

/// The same exchange with all of its answer.
async fn whole(tenant: &Tenant, chat: &ChatId, exchange: Exchange) -> Result<Exchange, StoreError> {
    if !exchange.outcome.as_ref().is_some_and(|outcome| outcome.cut) {
        return Ok(exchange);
    }
    let whole = tenant.exchange(chat, exchange.question.number).await?;
    Ok(whole.unwrap_or(exchange))
}

fn shorten(exchange: &mut Exchange) {
    if let Some(outcome) = &mut exchange.outcome {
        let end = outcome.response.floor_char_boundary(SHORTENED);
        outcome.response.truncate(end);
        outcome.cut = true;
    }
}

/// Letters and digits of the title, so that every system takes the name and no header is left by it.
fn file_name(chat: &Chat, from: u64, format: Format) -> String {
    let words: Vec<String> = chat
        .title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let title: String = words.join("-").chars().take(NAME_CHARS).collect();
    let mut parts = vec!["chat".to_owned(), chat.created_at.day()];
    parts.extend(Some(title.trim_end_matches('-').to_owned()).filter(|title| !title.is_empty()));
    parts.extend((from > 1).then(|| format!("from-{from}")));
    let extension = match format {
        Format::Json => "json",
        Format::Markdown => "md",
    };
    format!("{}.{extension}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn file_names_are_plain_whatever_the_title() {
        let name = |title: &str, from| {
            let chat = Chat { title: title.to_owned(), ..samples::chat(3) };
            file_name(&chat, from, Format::Markdown)
        };
        assert_eq!(name("What is 2+2?", 1), "chat-20240101-what-is-2-2.md");
        assert_eq!(name("\"; filename=\"../x\r\n", 7), "chat-20240101-filename-x-from-7.md");
        assert_eq!(name("\u{4f60}\u{597d}", 1), "chat-20240101.md");
        assert_eq!(name(&format!("{} b", "a".repeat(39)), 1), format!("chat-20240101-{}.md", "a".repeat(39)));
    }

    #[test]
    fn a_shortened_answer_says_so() {
        let mut exchange = samples::exchange(1, "hello", Some(&"\u{e4}".repeat(SHORTENED)));
        shorten(&mut exchange);
        let outcome = exchange.outcome.unwrap();
        assert!(outcome.cut && outcome.response.len() == SHORTENED);
    }
}
