//! The caller's chats (E08).

use crate::State;
use crate::cursor::{self, List};
use crate::view::SessionView;
use axum::Json;
use axum::extract::State as Shared;
use domain::chat::Chat;
use serde::{Deserialize, Serialize};
use web::extract::Query;
use web::{ApiError, Caller, page};

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct SessionsResponse {
    sessions: Vec<SessionView<u64>>,
    /// Of all pages.
    total: u64,
    next_cursor: Option<String>,
}

/// `GET /chat/sessions`: active ones, the latest used first. What is used while somebody pages is at the top of the next
/// listing; whatever else is there is listed once (G28).
pub(crate) async fn sessions(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<SessionsResponse>, ApiError> {
    let limit = page::limit(query.limit)?;
    let after = query.cursor.map(|cursor| cursor::decode(&caller, List::Chats, &cursor)).transpose()?;
    let tenant = state.tenant(&caller);
    let page = tenant.chats(&caller.user_id, limit, after.as_deref()).await?;
    let total = tenant.count_chats(&caller.user_id).await?;
    Ok(Json(SessionsResponse {
        sessions: page.chats.into_iter().map(summary).collect(),
        total,
        next_cursor: page.next.map(|next| cursor::encode(&caller, List::Chats, &next)),
    }))
}

fn summary(chat: Chat) -> SessionView<u64> {
    let messages = chat.last;
    SessionView::new(chat, messages)
}
