//! The `ai` package's chats (G10): the same exchanges in another framing.

use crate::conversation::refusal;
use crate::feed::{Encoding, Feed};
use crate::interaction::{Stopping, own, stopping};
use crate::ui_message::{self, ChatRequest, Encoder, HEADER, Intent};
use crate::{State, media, respond};
use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use conversations::chat::{Ask, By, Place, Replaces, Update, View, fingerprint, running};
use domain::chat::{Ending, Exchange, MediaFile, Question};
use domain::ids::ChatId;
use domain::time::Timestamp;
use http::{HeaderName, HeaderValue, StatusCode};
use web::extract::Body;
use web::{ApiError, Caller, Code, StreamCaller, sse};

/// `POST /api/chat`: asks the last user message, and streams the answer. The history is ours, not the client's.
pub(crate) async fn send(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Body(request): Body<ChatRequest>,
) -> Result<Response, ApiError> {
    let asked = request.ask().map_err(|error| ApiError::invalid(error.to_string()))?;
    let chat = ChatId::parse(&asked.chat_id).map_err(|_| ApiError::invalid("id is not an id"))?;
    let files = asked.media.into_iter().enumerate();
    let files = files.map(|(number, file)| MediaFile { id: number.to_string(), url: Some(file.url) }).collect();
    let replaces = match asked.intent {
        Intent::New => Replaces::Nothing,
        Intent::Edit => Replaces::Question,
        Intent::Regenerate { .. } => Replaces::Answer,
    };
    // A message that is sent again has the same id; so has one that is edited, but another text.
    let key = asked.message_id.filter(|_| replaces != Replaces::Answer);
    let key = key.map(|id| format!("ui:{}", fingerprint(&[&asked.chat_id, &id, &asked.text])));
    let ask = Ask {
        organization_id: &caller.organization_id,
        user_id: &caller.user_id,
        place: Place::Either(&chat),
        message: &asked.text,
        message_type: "chat",
        media: media::read(&state, files).await?,
        max_tokens: None,
        key: key.as_deref(),
        cache: true,
        replaces,
        by: By::Caller,
    };
    let begun = Box::pin(state.chats.ask(ask)).await.map_err(refusal)?;
    let (exchange, view, making) = respond::view(&state, begun);
    Ok(answer(|encoding, first| Feed::new(state, caller, view, making, encoding, first), &exchange))
}

/// `GET /api/chat/{id}/stream`: the answer under way, from its start; 204 when there is none, also in a chat that has not
/// begun: a page asks before the first message.
pub(crate) async fn resume(
    Shared(state): Shared<State>,
    StreamCaller(caller): StreamCaller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let tenant = state.chats.store.tenant(&caller.organization_id);
    let none = || StatusCode::NO_CONTENT.into_response();
    let Ok(id) = ChatId::parse(&id) else { return Ok(none()) };
    let Some(chat) = tenant.chat(&caller.user_id, &id).await? else { return Ok(none()) };
    let Some(exchange) = running(&tenant, &chat).await? else { return Ok(none()) };
    let view = View::saved(tenant, exchange.question.clone(), 0);
    Ok(answer(|encoding, first| Feed::new(state, caller, view, None, encoding, first), &exchange))
}

/// `POST /api/chat/{id}/stop`: a stop of the client's own only ends its reading.
pub(crate) async fn stop(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Stopping>), ApiError> {
    let tenant = state.chats.store.tenant(&caller.organization_id);
    let chat = own(&tenant, &caller, &id).await?;
    stopping(&state, &tenant, &chat).await
}

fn answer(feed: impl FnOnce(UiMessages, Vec<Bytes>) -> Feed<UiMessages>, exchange: &Exchange) -> Response {
    let mut encoding = UiMessages(Encoder::default());
    let begun = ui_message::Update::Begun { message_id: exchange.question.id.as_str().to_owned(), model: None };
    let first = vec![encoding.0.encode(&begun)];
    let mut response = sse::response(feed(encoding, first).blocks());
    let (name, value) = HEADER;
    response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    response
}

/// The UI message stream.
struct UiMessages(Encoder);

impl Encoding for UiMessages {
    fn update(&mut self, _: &Question, update: &Update) -> Vec<Bytes> {
        let update = match update {
            Update::Token { text, .. } => ui_message::Update::Text(text.clone()),
            Update::Ended(exchange) => ended(exchange),
        };
        vec![self.0.encode(&update)].into_iter().filter(|block| !block.is_empty()).collect()
    }

    fn refused(&mut self, error: &ApiError, _: Timestamp) -> Vec<Bytes> {
        vec![self.0.encode(&failed(error))]
    }
}

fn ended(exchange: &Exchange) -> ui_message::Update {
    let Some(outcome) = &exchange.outcome else { return failed(&Code::Internal.into()) };
    match outcome.ending {
        Ending::Complete(finish) => ui_message::Update::Complete {
            finish: finish.as_str(),
            tokens_used: outcome.tokens_used,
            points_cost: outcome.points_cost,
            cached: outcome.cached,
        },
        Ending::Failed(failure) => failed(&Code::from(failure).into()),
    }
}

fn failed(error: &ApiError) -> ui_message::Update {
    ui_message::Update::Failed { message: error.body("").detail.to_owned() }
}
