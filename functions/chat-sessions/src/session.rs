//! One chat with its messages (E09).

use crate::cursor::{self, List};
use crate::pages::{Room, message};
use crate::view::SessionView;
use crate::{State, own_chat};
use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::ids::ChatId;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use store::Tenant;
use web::extract::Query;
use web::{ApiError, Caller, Code, page};

/// Exchanges that are read at once.
const CHUNK: usize = 25;

#[derive(Deserialize)]
pub(crate) struct SessionQuery {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct SessionResponse {
    #[serde(flatten)]
    session: SessionView<Vec<Box<RawValue>>>,
    /// Of older messages.
    next_cursor: Option<String>,
}

/// `GET /chat/sessions/{session_id}`: the chat and its latest messages, oldest first; fewer than `limit` where more do not
/// fit into an answer.
pub(crate) async fn session(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(query): Query<SessionQuery>,
) -> Result<Json<SessionResponse>, ApiError> {
    let limit = page::limit(query.limit.or(Some(page::MAX_LIMIT)))?;
    let tenant = state.tenant(&caller);
    let chat = own_chat(&tenant, &caller, &id).await?;
    let id = chat.id.clone();
    let before = cursor::number(&caller, List::Messages(&id), query.cursor.as_deref())?;
    let (messages, next) = latest(&tenant, &id, before, limit).await?;
    Ok(Json(SessionResponse {
        session: SessionView::new(chat, messages),
        next_cursor: next.map(|before| cursor::encode(&caller, List::Messages(&id), &before.to_string())),
    }))
}

/// The latest messages before a number, oldest first, and before which number there are more.
async fn latest(
    tenant: &Tenant,
    chat: &ChatId,
    mut before: Option<u64>,
    limit: usize,
) -> Result<(Vec<Box<RawValue>>, Option<u64>), ApiError> {
    let mut room = Room::new();
    let mut messages = Vec::new();
    'reading: while messages.len() < limit && before != Some(1) {
        let chunk = tenant.exchanges(chat, before, CHUNK.min(limit - messages.len())).await?;
        if chunk.is_empty() {
            before = None;
            break;
        }
        for exchange in chunk.into_iter().rev() {
            let number = exchange.question.number;
            let view = to_raw_value(&message(tenant, exchange).await?).map_err(|_| Code::Internal)?;
            if !room.takes(view.get()) {
                break 'reading;
            }
            messages.push(view);
            before = Some(number);
        }
    }
    messages.reverse();
    Ok((messages, before.filter(|number| *number > 1)))
}
