//! A question with everything it can have (C01, C02).

use crate::repeated::Repeated;
use crate::{State, respond};
use axum::extract::State as Shared;
use axum::response::Response;
use conversations::chat::{Ask, AskError, By, Place, Replaces};
use domain::chat::{Exchange, MediaFile, place};
use domain::ids::ChatId;
use domain::user::Principal;
use http::HeaderMap;
use serde::Deserialize;
use web::extract::Body;
use web::{ApiError, Caller, Code, cursor};

/// The header by which a repeated request is known.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    interaction_id: Option<String>,
    message: String,
    #[serde(default)]
    media_files: Option<Vec<MediaFile>>,
    #[serde(default)]
    max_tokens: Option<i64>,
    #[serde(default = "yes")]
    cache: bool,
}

fn yes() -> bool {
    true
}

/// `POST /api/stream/stream-conversation`: asks, and streams the answer.
pub(crate) async fn stream(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Body(request): Body<Request>,
) -> Result<Response, ApiError> {
    let chat = request.interaction_id.as_deref().map(chat_id).transpose()?;
    let key = key(headers.get(IDEMPOTENCY_KEY).map(http::HeaderValue::as_bytes))?;
    let tenant = state.chats.store.tenant(&caller.organization_id);
    let parts = [request.interaction_id.as_deref().unwrap_or_default(), request.message.as_str()];
    let repeated = Repeated::new("conversation", &parts);
    if let Some(last) = cursor::of(&headers, None)
        && let Some(exchange) = repeated.exchange(&tenant, &caller).await?
    {
        return Ok(again(state, caller, &exchange, last));
    }
    let ask = Ask {
        organization_id: &caller.organization_id,
        user_id: &caller.user_id,
        place: chat.as_ref().map_or(Place::New, Place::Existing),
        message: &request.message,
        message_type: "chat",
        media: crate::media::read(&state, request.media_files.unwrap_or_default()).await?,
        // Clamped further where the organization's limit is known.
        max_tokens: request.max_tokens.map(|tokens| u32::try_from(tokens.max(0)).unwrap_or(u32::MAX)),
        key: key.as_deref(),
        cache: request.cache,
        replaces: Replaces::Nothing,
        by: By::Caller,
    };
    let begun = Box::pin(state.chats.ask(ask)).await.map_err(refusal)?;
    repeated.began(&tenant, &begun.exchange.question).await?;
    Ok(respond::begun(state, caller, begun, &headers).await)
}

/// The rest of an answer, at least its end: the polyfill of seed C knows no other answer that stops it.
fn again(state: State, caller: Principal, exchange: &Exchange, last: u64) -> Response {
    let (number, token) = place(last);
    respond::from(state, caller, exchange, (number == exchange.question.number).then_some(token))
}

/// An id from a path or body. An impossible one is that of nothing.
pub(crate) fn chat_id(text: &str) -> Result<ChatId, ApiError> {
    ChatId::parse(text).map_err(|_| not_found())
}

/// The answer for an interaction that is not there, or not the caller's.
pub(crate) fn not_found() -> ApiError {
    ApiError::with(Code::NotFound, "Interaction not found")
}

pub(crate) fn refusal(error: AskError) -> ApiError {
    match error {
        AskError::Empty => ApiError::invalid("message must not be empty"),
        AskError::NotFound => not_found(),
        error => error.into(),
    }
}

/// An idempotency key: 1 to 128 visible ASCII characters.
pub(crate) fn key(text: Option<&[u8]>) -> Result<Option<String>, ApiError> {
    let Some(bytes) = text else { return Ok(None) };
    let fits = (1..=128).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(bytes) {
        Ok(text) if fits => Ok(Some(format!("key:{text}"))),
        _ => Err(ApiError::invalid("Idempotency-Key has 1 to 128 visible ASCII characters")),
    }
}
