//! One-time tickets for `EventSource` and WebSocket, which can send no header (U5).

use crate::State;
use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use domain::ids::{ChatId, ContactId, ConversationId};
use identity::ticket;
use serde::{Deserialize, Serialize};
use store::{Ticket, now};
use web::{ApiError, Caller};

/// The WebSocket, which is opened when nothing else is named.
const WEBSOCKET: &str = "/chat/ws";

/// What to open: one of these, or nothing.
#[derive(Debug, Default, Deserialize)]
struct TicketRequest {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    conversation_id: Option<ConversationId>,
    #[serde(default)]
    lead_id: Option<ContactId>,
}

#[derive(Serialize)]
pub(crate) struct TicketResponse {
    ticket: String,
    expires_in: i64,
    path: String,
}

/// `POST /api/stream/ticket`: a ticket for one stream, good once and for a minute. What the caller may see there is
/// decided when it is opened.
pub(crate) async fn issue(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    body: Bytes,
) -> Result<Json<TicketResponse>, ApiError> {
    let path = read(&body)?.path()?;
    let text = ticket::new_ticket();
    // Rounded up: the check counts whole seconds, and a ticket lives at least as long as it says.
    let ttl = now().plus_seconds(state.ticket_seconds).seconds().saturating_add(1);
    let record = Ticket { principal: caller, path: path.clone(), ttl };
    state.store.put_ticket(&ticket::lookup_key(text.expose()), &record).await?;
    Ok(Json(TicketResponse { ticket: text.expose().to_owned(), expires_in: state.ticket_seconds, path }))
}

/// The body may be left out, with or without its content type.
fn read(body: &[u8]) -> Result<TicketRequest, ApiError> {
    if body.is_empty() {
        return Ok(TicketRequest::default());
    }
    serde_json::from_slice(body)
        .map_err(|_| ApiError::invalid("Name a path, a conversation_id or a lead_id, in a JSON object"))
}

impl TicketRequest {
    /// The path that is opened, in the text that the router will see: ids need no percent-encoding.
    fn path(self) -> Result<String, ApiError> {
        match (self.path, self.conversation_id, self.lead_id) {
            (None, None, None) => Ok(WEBSOCKET.to_owned()),
            (Some(path), None, None) if is_stream(&path) => Ok(path),
            (Some(_), None, None) => Err(ApiError::invalid("There is no stream at this path")),
            (None, Some(id), None) => Ok(format!("/api/conversation/{id}/stream")),
            (None, None, Some(id)) => Ok(format!("/api/stream/conversation/{id}")),
            _ => Err(ApiError::invalid("Name only one of path, conversation_id and lead_id")),
        }
    }
}

fn is_stream(path: &str) -> bool {
    let of = |prefix, suffix| path.strip_prefix(prefix).and_then(|rest: &str| rest.strip_suffix(suffix));
    path == WEBSOCKET
        || of("/api/conversation/", "/stream").is_some_and(|id| ConversationId::parse(id).is_ok())
        || of("/api/stream/conversation/", "").is_some_and(|id| ContactId::parse(id).is_ok())
        || path == "/api/stream/stream-simple"
        || of("/api/stream/interactions/", "").is_some_and(|id| ChatId::parse(id).is_ok())
        || of("/api/chat/", "/stream").is_some_and(|id| ChatId::parse(id).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(body: &str) -> Option<String> {
        read(body.as_bytes()).and_then(TicketRequest::path).ok()
    }

    #[test]
    fn each_form_opens_its_stream() {
        for (body, expected) in [
            ("", "/chat/ws"),
            ("{}", "/chat/ws"),
            (r#"{"path": "/chat/ws"}"#, "/chat/ws"),
            (r#"{"path": "/api/conversation/conv_1/stream"}"#, "/api/conversation/conv_1/stream"),
            (r#"{"path": "/api/stream/conversation/+14155550100"}"#, "/api/stream/conversation/+14155550100"),
            (r#"{"conversation_id": "conv_1"}"#, "/api/conversation/conv_1/stream"),
            (r#"{"lead_id": "worker_1"}"#, "/api/stream/conversation/worker_1"),
        ] {
            assert_eq!(path(body).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn nothing_else_is_opened() {
        for body in [
            "null",
            "[1]",
            "{",
            r#"{"path": "/api/me"}"#,
            r#"{"path": "/api/conversation//stream"}"#,
            r#"{"path": "/api/conversation/a/b/stream"}"#,
            r#"{"path": "/api/conversation/a%2Fb/stream"}"#,
            r#"{"path": "/api/conversation/a/stream?x=1"}"#,
            r#"{"path": "/api/stream/conversation/"}"#,
            r#"{"path": "/v1/chat/ws"}"#,
            r#"{"conversation_id": "a/../b"}"#,
            r#"{"conversation_id": "a", "lead_id": "b"}"#,
        ] {
            assert_eq!(path(body), None, "{body}");
        }
    }
}
