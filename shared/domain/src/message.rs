//! Messages as clients of seed A see them: the snapshot's and the stream's view of the log.

use crate::conversation::{Conversation, Medium, Status, Urgency};
use crate::event::{Actor, Event, EventBody, Media};
use crate::ids::{CallId, ContactId, ConversationId, UserId};
use crate::phone::PhoneNumber;
use crate::sms::MessageStatus;
use crate::time::Zone;
use serde::Serialize;
use std::collections::HashMap;

/// Seed A knows two roles; who exactly spoke is in `actor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    /// The contact.
    User,
    /// Our side, AI or person.
    Assistant,
}

/// One message (A06).
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// `msg_<digits>_<date>_<time>_<nnnn>`.
    pub message_id: String,
    /// Which side.
    pub role: MessageRole,
    /// What.
    pub content: String,
    /// When, in the organization's zone.
    pub timestamp: String,
    /// What an answer rests on.
    pub sources: String,
    /// The event's number: the cursor of every stream.
    pub seq: u64,
    /// Who exactly.
    pub actor: Actor,
    /// Who of our people, by shown name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// How far a text message of ours is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_status: Option<MessageStatus>,
    /// Files that came with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
}

impl Message {
    /// The message an event is, if it is one.
    pub fn of(event: &Event, zone: &Zone) -> Option<Self> {
        let number = event.message_number?;
        let (content, sources, agent_name, media) = match &event.body {
            EventBody::SmsReceived { text, media, .. } => (text, "", None, media.clone()),
            EventBody::SmsSent { text, .. } => (text, "", None, Vec::new()),
            EventBody::Message { text, sources, .. } => (text, sources.as_str(), None, Vec::new()),
            EventBody::HumanMessageSent { text, agent_name, .. } => (text, "", Some(agent_name.clone()), Vec::new()),
            _ => return None,
        };
        let actor = event.body.actor();
        Some(Self {
            message_id: event.conversation_id.message_id(number),
            role: match actor {
                Actor::Customer => MessageRole::User,
                Actor::Assistant | Actor::Agent | Actor::System => MessageRole::Assistant,
            },
            content: content.clone(),
            timestamp: event.at.iso_in(zone),
            sources: sources.to_owned(),
            seq: event.seq,
            actor,
            agent_name,
            delivery_status: None,
            media,
        })
    }
}

/// The messages among a run of events, each with the furthest delivery state that the run knows: of two states that
/// arrive at once the later one may be appended first.
pub fn messages(events: &[Event], zone: &Zone) -> Vec<Message> {
    let mut delivery: HashMap<u64, MessageStatus> = HashMap::new();
    for event in events {
        if let EventBody::SmsStatus { message_seq, status, .. } = event.body {
            let furthest = delivery.entry(message_seq).or_insert(status);
            if status.rank() > furthest.rank() {
                *furthest = status;
            }
        }
    }
    let mut messages: Vec<Message> = events.iter().filter_map(|event| Message::of(event, zone)).collect();
    for message in &mut messages {
        message.delivery_status = delivery.get(&message.seq).copied();
    }
    messages
}

/// A conversation as seed A's snapshot and `initial` event show it (A02). `call_id` and `admin_id` are present
/// as `null` when there is none.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Which.
    pub conversation_id: ConversationId,
    /// The call, for voice.
    pub call_id: Option<CallId>,
    /// With whom.
    pub worker_id: ContactId,
    /// Their number.
    pub mobile_no: PhoneNumber,
    /// How pressing.
    pub urgency: Urgency,
    /// Where it stands.
    pub status: Status,
    /// Held over what.
    pub medium: Medium,
    /// When it began, in the organization's zone.
    pub timestamp: String,
    /// Its messages, or those after the `since_seq` that was asked for.
    pub messages: Vec<Message>,
    /// How many messages it has in all.
    pub total_messages: u32,
    /// Who took it over.
    pub admin_id: Option<UserId>,
    /// Number of the latest event contained: where a stream goes on.
    pub seq: u64,
    /// When the latest event happened.
    pub updated_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Whether messages after `seq` were left out because the answer would be too large: ask again with
    /// `since_seq=<seq>`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl Snapshot {
    /// The view of a conversation whose events up to `seq` (from some number on) are `events`.
    pub fn of(conversation: &Conversation, events: &[Event], seq: u64, zone: &Zone) -> Self {
        Self {
            conversation_id: conversation.id.clone(),
            call_id: conversation.call_id.clone(),
            worker_id: conversation.contact_id.clone(),
            mobile_no: conversation.phone.clone(),
            urgency: conversation.urgency,
            status: conversation.status(),
            medium: conversation.medium,
            timestamp: conversation.started_at.iso_in(zone),
            messages: messages(events, zone),
            total_messages: conversation.messages,
            admin_id: conversation.admin_id.clone(),
            seq,
            updated_at: conversation.updated_at.iso_in(zone),
            ended_at: conversation.ended_at.map(|at| at.iso_in(zone)),
            truncated: seq < conversation.last_seq,
        }
    }
}
