//! Chats with the model over the socket (E01-E06, E14, E20): something said, an answer stopped, and coming back to one.
//!
//! A question is kept here and answered by `chat`; what becomes of it is told by `fanout`, on all of the person's
//! connections, so that it arrives whoever dies on the way. Only `typing`, which must come before it, is posted from here.

use crate::State;
use crate::frames::{Said, Session};
use crate::message::{Refused, deliver};
use conversations::chat::{Ask, AskError, By, Place, Replaces, frames, running};
use domain::chat::Chat;
use domain::ids::ChatId;
use runtime::metrics;
use store::{Connection, StoreError, Tenant};
use web::{ApiError, Code};

/// What a message is where its sender does not say.
const MESSAGE_TYPE: &str = "chat";
/// Most characters of the sender's word for it.
const MESSAGE_TYPE_CHARS: usize = 100;
/// Most characters of the sender's id of a message.
const KEY_CHARS: usize = 128;

/// Takes a message, in the chat it names or in a new one.
pub(crate) async fn say(state: &State, connection: &Connection, said: &Said) -> Result<(), Refused> {
    let tenant = tenant(state, connection);
    if said.stream == Some(true) {
        tenant.wish_tokens(&connection.principal.user_id, &connection.id).await?;
    }
    let named = said.session_id.as_deref().filter(|id| !id.is_empty());
    let session = named.map(session_id).transpose()?;
    let asked = ask(state, &tenant, connection, said, session.as_ref()).await;
    asked.map_err(|error| Refused { error, session })
}

async fn ask(
    state: &State,
    tenant: &Tenant,
    connection: &Connection,
    said: &Said,
    session: Option<&ChatId>,
) -> Result<(), ApiError> {
    let principal = &connection.principal;
    let fresh = ChatId::parse(&identity::random::new_id()).map_err(|_| Code::Internal)?;
    let kind = said.message_type.as_deref().unwrap_or(MESSAGE_TYPE);
    let kind: String = kind.chars().take(MESSAGE_TYPE_CHARS).collect();
    let key = said.client_message_id.as_deref().map(key).transpose()?;
    let ask = Ask {
        organization_id: &principal.organization_id,
        user_id: &principal.user_id,
        place: session.map_or(Place::Fresh(&fresh), Place::Existing),
        message: said.message.as_deref().unwrap_or_default(),
        message_type: &kind,
        media: Vec::new(),
        max_tokens: None,
        key,
        cache: true,
        replaces: Replaces::Nothing,
        by: By::Queue(connection.id.clone()),
    };
    state.chats.check(&ask).map_err(refusal)?;
    // Whoever names a chat that is not theirs is told so at once; whoever reads one frame at a time counts on it.
    if let Some(session) = session
        && tenant.chat(&principal.user_id, session).await?.is_none()
    {
        return Err(not_found());
    }
    // Before the question is kept: an answer that is quick must not overtake it.
    let known = match (key, session) {
        (Some(key), None) => tenant.known(&principal.user_id, key).await?.map(|known| known.chat_id),
        _ => None,
    };
    let place = session.or(known.as_ref()).unwrap_or(&fresh);
    deliver(state, connection, &frames::typing(place).map_err(|_| Code::Internal)?).await;
    let begun = Box::pin(state.chats.ask(ask)).await.map_err(refusal)?;
    if begun.is_repeat {
        // Nothing has changed, so nobody else tells what became of it; while it is under way, its end will be told.
        if let Some(frame) = frames::ended(&begun.exchange, web::trouble).map_err(|_| Code::Internal)? {
            deliver(state, connection, &frame).await;
        }
    } else {
        // One that was answered before to the same question; `chat` never sees it.
        metrics::answer("chat", &begun.exchange);
    }
    Ok(())
}

/// Ends a chat's answer. Its end is told like any other.
pub(crate) async fn stop(state: &State, connection: &Connection, session: &Session) -> Result<(), Refused> {
    let (tenant, chat) = own(state, connection, session).await?;
    if state.chats.stop(&tenant, &chat).await?.is_none() {
        deliver(state, connection, &frames::idle(&chat.id)?).await;
    }
    Ok(())
}

/// Comes back to a chat: to the answer under way, which `chat` tells from its beginning; else to the latest one.
pub(crate) async fn resume(state: &State, connection: &Connection, session: &Session) -> Result<(), Refused> {
    let (tenant, chat) = own(state, connection, session).await?;
    let under_way = running(&tenant, &chat).await?.is_some();
    let frame = match tenant.exchanges(&chat.id, None, 1).await?.pop() {
        None => frames::idle(&chat.id)?,
        Some(latest) => match frames::ended(&latest, web::trouble)? {
            Some(frame) if !under_way => frame,
            _ => frames::typing(&chat.id)?,
        },
    };
    deliver(state, connection, &frame).await;
    // Only now: words are not to overtake it.
    tenant.wish_tokens(&connection.principal.user_id, &connection.id).await?;
    Ok(())
}

async fn own(state: &State, connection: &Connection, session: &Session) -> Result<(Tenant, Chat), Refused> {
    let id = session_id(&session.session_id)?;
    let tenant = tenant(state, connection);
    match tenant.chat(&connection.principal.user_id, &id).await? {
        Some(chat) => Ok((tenant, chat)),
        None => Err(Refused { error: not_found(), session: Some(id) }),
    }
}

fn tenant(state: &State, connection: &Connection) -> Tenant {
    state.store.tenant(&connection.principal.organization_id)
}

/// An impossible id is that of nothing.
fn session_id(text: &str) -> Result<ChatId, ApiError> {
    ChatId::parse(text).map_err(|_| not_found())
}

fn not_found() -> ApiError {
    ApiError::with(Code::NotFound, "Session not found")
}

fn refusal(error: AskError) -> ApiError {
    match error {
        AskError::NotFound => not_found(),
        error => error.into(),
    }
}

fn key(text: &str) -> Result<&str, ApiError> {
    let fits = (1..=KEY_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text) } else { Err(ApiError::invalid("client_message_id has 1 to 128 visible ASCII characters")) }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        StoreError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii() {
        assert_eq!(key("a-1/=#"), Ok("a-1/=#"));
        for bad in ["", "a b", "a\n", "\u{e9}", &"x".repeat(KEY_CHARS + 1)] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
    }
}
