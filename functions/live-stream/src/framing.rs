//! The two framings of one log: seed A's named events of a conversation, seed B's unnamed events of a contact.

use bytes::Bytes;
use domain::broadcast::Broadcast;
use domain::event::Event;
use domain::ids::{ConversationId, OrganizationId};
use domain::message::Message;
use domain::time::{Timestamp, Zone};
use serde::Serialize;
use web::{ApiError, Code, sse};

/// How a stream is written.
#[derive(Clone, Debug)]
pub(crate) enum Framing {
    /// Seed A: `initial`, `new_messages`, `heartbeat`, `ended`, `error`, and events that are no messages under the names of
    /// their broadcasts.
    Named {
        /// Of which conversation.
        conversation_id: ConversationId,
        /// In which times are rendered.
        zone: Zone,
    },
    /// Seed B: every block has a `type` and the `organizationId` (B03).
    Unnamed {
        /// Of which organization.
        organization_id: OrganizationId,
    },
}

#[derive(Serialize)]
struct NewMessages<'a> {
    conversation_id: &'a ConversationId,
    messages: Vec<Message>,
    total_messages: u32,
}

#[derive(Serialize)]
struct Heartbeat {
    timestamp: String,
    status: &'static str,
}

#[derive(Serialize)]
struct TypedHeartbeat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "organizationId")]
    organization_id: &'a OrganizationId,
    timestamp: String,
}

#[derive(Serialize)]
struct Ended<'a> {
    message: &'static str,
    conversation_id: &'a ConversationId,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
    conversation_id: &'a ConversationId,
    code: Code,
    hint: &'a str,
}

#[derive(Serialize)]
struct TypedFailure<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: &'a str,
    #[serde(rename = "organizationId")]
    organization_id: &'a OrganizationId,
    code: Code,
    hint: &'a str,
}

impl Framing {
    /// The blocks of a run of events.
    pub(crate) fn events(&self, events: &[Event]) -> Vec<Bytes> {
        match self {
            Self::Named { conversation_id, zone } => named(conversation_id, zone, events),
            Self::Unnamed { .. } => {
                events.iter().map(|event| sse::unnamed(&Broadcast::of(event), Some(event.contact_seq))).collect()
            }
        }
    }

    /// The contract's heartbeat (A10, B06).
    pub(crate) fn heartbeat(&self, now: Timestamp) -> Bytes {
        let timestamp = now.iso();
        match self {
            Self::Named { .. } => sse::named("heartbeat", &Heartbeat { timestamp, status: "connected" }, None),
            Self::Unnamed { organization_id } => {
                sse::unnamed(&TypedHeartbeat { kind: "heartbeat", organization_id, timestamp }, None)
            }
        }
    }

    /// The end of a conversation (A11). A contact's stream has none: they may write again.
    pub(crate) fn ended(&self, seq: u64) -> Option<Bytes> {
        match self {
            Self::Named { conversation_id, .. } => {
                let ended = Ended { message: "Conversation has ended", conversation_id };
                Some(sse::named("ended", &ended, Some(seq)))
            }
            Self::Unnamed { .. } => None,
        }
    }

    /// Why the stream ends before its time (A12). Only the public side of the error is said.
    pub(crate) fn error(&self, error: &ApiError) -> Bytes {
        let body = error.body("");
        match self {
            Self::Named { conversation_id, .. } => {
                let failure = Failure { error: body.error, conversation_id, code: body.code, hint: body.hint };
                sse::named("error", &failure, None)
            }
            Self::Unnamed { organization_id } => {
                let (kind, error) = ("error", body.error);
                sse::unnamed(&TypedFailure { kind, error, organization_id, code: body.code, hint: body.hint }, None)
            }
        }
    }
}

/// Neighbouring messages share one `new_messages`; its `id` is the last one's, so that a resume never splits it.
fn named(conversation_id: &ConversationId, zone: &Zone, events: &[Event]) -> Vec<Bytes> {
    events
        .chunk_by(|a, b| a.body.is_message() && b.body.is_message())
        .filter_map(|run| {
            let last = run.last()?;
            if !last.body.is_message() {
                let broadcast = Broadcast::of(last);
                return Some(sse::named(broadcast.detail.name(), &broadcast, Some(last.seq)));
            }
            let messages = NewMessages {
                conversation_id,
                messages: run.iter().filter_map(|event| Message::of(event, zone)).collect(),
                total_messages: last.state.messages,
            };
            Some(sse::named("new_messages", &messages, Some(last.seq)))
        })
        .collect()
}
