//! A question by `GET`, as `EventSource` can send it (C08). Sent again, it is known by its `Last-Event-ID`, and, where even
//! the first event was lost, by its answer still being under way.

use crate::conversation::{chat_id, key, refusal};
use crate::repeated::{Repeated, rest};
use crate::{State, respond};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use conversations::chat::{Ask, By, Place, Replaces};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use web::extract::Query;
use web::{ApiError, StreamCaller, cursor};

#[derive(Deserialize)]
pub(crate) struct SimpleQuery {
    #[serde(default)]
    message: String,
    interaction_id: Option<String>,
    key: Option<String>,
}

/// `GET /api/stream/stream-simple`: asks, and streams the answer; or streams on.
pub(crate) async fn stream(
    Shared(state): Shared<State>,
    StreamCaller(caller): StreamCaller,
    Query(query): Query<SimpleQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let chat = query.interaction_id.as_deref().filter(|id| !id.is_empty()).map(chat_id).transpose()?;
    let tenant = state.chats.store.tenant(&caller.organization_id);
    let parts = [query.interaction_id.as_deref().unwrap_or_default(), &query.message];
    let repeated = Repeated::new("simple", &parts);
    match (repeated.exchange(&tenant, &caller).await?, cursor::of(&headers, None)) {
        // Where there is nothing to tell any more, 204 is the only answer that keeps it from asking for ever.
        (known, Some(last)) => {
            let rest = known.and_then(|exchange| rest(&state, &caller, &exchange, last));
            return Ok(rest.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response()));
        }
        // Even the first event was lost.
        (Some(exchange), None) if exchange.outcome.is_none() => {
            return Ok(respond::from(state, caller, &exchange, None));
        }
        (_, None) => {}
    }
    let key = key(query.key.as_deref().map(str::as_bytes))?;
    let ask = Ask {
        organization_id: &caller.organization_id,
        user_id: &caller.user_id,
        place: chat.as_ref().map_or(Place::New, Place::Existing),
        message: &query.message,
        message_type: "chat",
        media: Vec::new(),
        max_tokens: None,
        key: key.as_deref(),
        cache: true,
        replaces: Replaces::Nothing,
        by: By::Caller,
    };
    let begun = Box::pin(state.chats.ask(ask)).await.map_err(refusal)?;
    repeated.began(&tenant, &begun.exchange.question).await?;
    Ok(respond::begun(state, caller, begun, &headers).await)
}
