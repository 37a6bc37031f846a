//! Coming back to an answer, and stopping it (G9).

use crate::conversation::{chat_id, not_found};
use crate::repeated::rest;
use crate::{State, respond};
use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use conversations::chat::running;
use domain::chat::{Chat, place};
use domain::ids::ExchangeId;
use domain::user::Principal;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use store::Tenant;
use web::extract::Query;
use web::{ApiError, Caller, StreamCaller, cursor};

#[derive(Deserialize)]
pub(crate) struct ResumeQuery {
    /// As `Last-Event-ID`, for clients that cannot send it.
    after: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct Stopping {
    stopping: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<ExchangeId>,
}

/// `GET /api/stream/interactions/{interaction_id}`: what came after `Last-Event-ID`, and what comes.
pub(crate) async fn resume(
    Shared(state): Shared<State>,
    StreamCaller(caller): StreamCaller,
    Path(id): Path<String>,
    Query(query): Query<ResumeQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tenant = state.chats.store.tenant(&caller.organization_id);
    let chat = own(&tenant, &caller, &id).await?;
    let last = cursor::of(&headers, query.after);
    let exchange = match last {
        Some(last) => tenant.exchange(&chat.id, place(last).0).await?,
        None => None,
    };
    if let (Some(exchange), Some(last)) = (&exchange, last)
        && let Some(rest) = rest(&state, &caller, exchange, last)
    {
        return Ok(rest);
    }
    // Of one that was told whole there is nothing, but there may be a later one.
    let told = exchange.map_or(0, |exchange| exchange.question.number);
    Ok(match running(&tenant, &chat).await? {
        Some(later) if later.question.number > told => respond::from(state, caller, &later, None),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
}

/// `POST /api/stream/interactions/{interaction_id}/stop`: ends the answer under way, from wherever.
pub(crate) async fn stop(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let tenant = state.chats.store.tenant(&caller.organization_id);
    let chat = own(&tenant, &caller, &id).await?;
    Ok(stopping(&state, &tenant, &chat).await?.into_response())
}

/// Wishes the chat's answer to stop, and says whether there was one.
pub(crate) async fn stopping(
    state: &State,
    tenant: &Tenant,
    chat: &Chat,
) -> Result<(StatusCode, Json<Stopping>), ApiError> {
    let stopped = state.chats.stop(tenant, chat).await?;
    let status = if stopped.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let stopping = Stopping { stopping: stopped.is_some(), message_id: stopped.map(|exchange| exchange.question.id) };
    Ok((status, Json(stopping)))
}

pub(crate) async fn own(tenant: &Tenant, caller: &Principal, id: &str) -> Result<Chat, ApiError> {
    tenant.chat(&caller.user_id, &chat_id(id)?).await?.ok_or_else(not_found)
}
