//! `$default`: requests of a connected client.

use crate::frames::{Answer, Frame, Named, Request, Subject};
use crate::{State, catch_up, chat, status};
use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use conversations::chat::frames::{self, Trouble};
use conversations::delivery::{self, Delivery};
use domain::access::may_view;
use domain::ids::{ChatId, ConnectionId};
use domain::user::Permission;
use std::time::Duration;
use store::{Connection, Greeting, Tenant, Topic};
use web::{ApiError, Code, access};

/// `connected` comes before any other frame (E02).
const CONNECTED: &[u8] = br#"{"type":"connected"}"#;
/// How often to look whether it was posted: two seconds in all, longer than a post to a young connection takes.
const GREETING_LOOKS: u32 = 80;
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// A frame that is not done as wished.
pub(crate) struct Refused {
    pub(crate) error: ApiError,
    /// In which chat, if it was about one.
    pub(crate) session: Option<ChatId>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, session: None }
    }
}

pub(crate) async fn receive(state: &State, id: &ConnectionId, body: &str) -> ApiGatewayProxyResponse {
    let connection = match state.store.connection(id).await {
        Ok(Some(connection)) => connection,
        // The gateway knows the connection and we do not: its time is over.
        Ok(None) => {
            close(state, id).await;
            return status(410);
        }
        Err(error) => return status(ApiError::from(error).code.status().as_u16()),
    };
    tracing::Span::current().record("organization", connection.principal.organization_id.as_str());
    match answer(state, &connection, body).await {
        Ok(()) => status(200),
        Err(Refused { error, session }) => {
            tracing::info!(code = error.code.as_str(), "refused");
            match frames::refused(session.as_ref(), &Trouble::from(&error)) {
                Ok(frame) => {
                    deliver(state, &connection, &frame).await;
                }
                Err(error) => tracing::error!(%error, "a refusal could not be written"),
            }
            if error.code == Code::InvalidToken {
                close(state, id).await;
            }
            status(200)
        }
    }
}

async fn answer(state: &State, connection: &Connection, body: &str) -> Result<(), Refused> {
    greet(state, connection).await?;
    if !state.store.token_stands(&connection.principal).await? {
        return Err(ApiError::from(Code::InvalidToken).into());
    }
    let frame = Frame::read(body).ok_or_else(|| ApiError::invalid("Not one of the frames this API knows"))?;
    match frame {
        Frame::Said(said) => chat::say(state, connection, &said).await?,
        Frame::Request(Request::Stop(session)) => chat::stop(state, connection, &session).await?,
        Frame::Request(Request::Resume(session)) => chat::resume(state, connection, &session).await?,
        Frame::Request(Request::Ping) => send(state, connection, &Answer::Pong).await,
        Frame::Request(Request::Subscribe(subject)) => subscribe(state, connection, subject).await?,
        Frame::Request(Request::Unsubscribe(subject)) => {
            let (topic, named) = topic(subject)?;
            state.store.tenant(&connection.principal.organization_id).unsubscribe(&topic, &connection.id).await?;
            send(state, connection, &Answer::Unsubscribed { subject: &named }).await;
        }
    }
    Ok(())
}

/// Sees to it that `connected` comes before any other frame (E02): posts it, or waits until whoever is about to has.
async fn greet(state: &State, connection: &Connection) -> Result<(), ApiError> {
    if connection.greeting == Greeting::Sent {
        return Ok(());
    }
    if connection.greeting == Greeting::Due && state.store.claim_greeting(&connection.id).await? {
        deliver(state, connection, CONNECTED).await;
        state.store.greeting_sent(&connection.id).await?;
        return Ok(());
    }
    for _ in 0..GREETING_LOOKS {
        let greeting = state.store.connection(&connection.id).await?.map(|connection| connection.greeting);
        if greeting.is_none_or(|greeting| greeting == Greeting::Sent) {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(())
}

async fn subscribe(state: &State, connection: &Connection, subject: Subject) -> Result<(), ApiError> {
    if !connection.principal.may(Permission::ConversationsRead) {
        return Err(Code::Forbidden.into());
    }
    let tenant = state.store.tenant(&connection.principal.organization_id);
    let after = subject.after_seq;
    let (topic, named) = topic(subject)?;
    let last = last_seq(state, connection, &tenant, &topic).await?;
    let from = after.map_or(last, |after| after.min(last));
    let subscribed = tenant.subscribe(connection, &topic, from).await?;
    let subscription = subscribed.ok_or_else(|| ApiError::with(Code::Conflict, "Too many subscriptions"))?;
    let Some(thread) = topic.thread() else {
        send(state, connection, &Answer::Subscribed { subject: &named, seq: 0 }).await;
        return Ok(());
    };
    let caught_up = catch_up::run(state, &tenant, &subscription, &topic, &thread, &named).await;
    if caught_up.is_err() {
        // Nobody would ever post to it.
        tenant.unsubscribe(&topic, &connection.id).await?;
    }
    caught_up
}

/// Number of the topic's latest event, once the caller may read it.
async fn last_seq(state: &State, connection: &Connection, tenant: &Tenant, topic: &Topic) -> Result<u64, ApiError> {
    let viewer = &connection.principal;
    match topic {
        Topic::Conversation(id) => Ok(access::visible(&state.store, viewer, id).await?.last_seq),
        Topic::Contact(id) => {
            let timeline = tenant.timeline(id).await?;
            may_view(viewer, &viewer.organization_id, timeline.admin_id.as_ref())?;
            Ok(timeline.last_seq)
        }
        Topic::Inbox | Topic::User(_) => Ok(0),
    }
}

fn topic(subject: Subject) -> Result<(Topic, Named), ApiError> {
    match (subject.conversation_id, subject.lead_id, subject.inbox) {
        (Some(id), None, false) => Ok((Topic::Conversation(id.clone()), Named::Conversation { conversation_id: id })),
        (None, Some(id), false) => Ok((Topic::Contact(id.clone()), Named::Contact { lead_id: id })),
        (None, None, true) => Ok((Topic::Inbox, Named::Inbox { inbox: true })),
        _ => Err(ApiError::invalid("Name one of conversation_id, lead_id or inbox")),
    }
}

pub(crate) async fn send(state: &State, connection: &Connection, answer: &Answer<'_>) {
    match serde_json::to_vec(answer) {
        Ok(frame) => {
            deliver(state, connection, &frame).await;
        }
        Err(error) => tracing::error!(%error, "an answer could not be written"),
    }
}

/// Posts a frame; false when the connection is of no more use.
pub(crate) async fn deliver(state: &State, connection: &Connection, frame: &[u8]) -> bool {
    match delivery::post(&state.push, &connection.id, connection.connected_at, frame).await {
        Delivery::Sent => true,
        Delivery::Gone => {
            if let Err(error) = state.store.remove_connection(&connection.id).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a gone connection stays on record");
            }
            false
        }
        Delivery::NotYet | Delivery::TooSlow | Delivery::Failed => {
            close(state, &connection.id).await;
            false
        }
    }
}

async fn close(state: &State, id: &ConnectionId) {
    // It may be closed already; either way the client finds out and resumes.
    if let Err(error) = state.push.close(id).await {
        tracing::debug!(%error, "a connection could not be closed");
    }
}
