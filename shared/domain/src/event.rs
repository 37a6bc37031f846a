//! What happens in a conversation: the one enum that every projection is made of.

use crate::conversation::State;
use crate::ids::{CallId, ContactId, ConversationId, OrganizationId, UserId};
use crate::phone::PhoneNumber;
use crate::sms::{MessageStatus, OptOut};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One entry of a conversation's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// In which conversation.
    pub conversation_id: ConversationId,
    /// With whom.
    pub contact_id: ContactId,
    /// Their number.
    pub phone: PhoneNumber,
    /// Its number in the conversation: 1, 2, 3, with no gap.
    pub seq: u64,
    /// Its number on the contact's timeline, with no gap either.
    pub contact_seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Which message of the conversation this is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_number: Option<u32>,
    /// The conversation just after it.
    pub state: State,
    /// What happened.
    pub body: EventBody,
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The contact.
    Customer,
    /// The AI.
    Assistant,
    /// A person of the organization.
    Agent,
    /// Switchboard or a provider.
    System,
}

/// Who speaks in a transcript or chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The contact.
    Customer,
    /// The AI.
    Assistant,
}

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// They called.
    Inbound,
    /// We called.
    Outbound,
}

/// A file that came with a message, at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Where the provider keeps it; needs the provider's credentials.
    pub url: String,
    /// MIME type.
    pub content_type: String,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventBody {
    /// A text message came in (B12, B26).
    SmsReceived {
        /// Its text, maybe empty.
        text: String,
        /// The number it was sent to.
        to: PhoneNumber,
        /// The provider's id of it.
        provider_id: String,
        /// Files that came with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        media: Vec<Media>,
        /// What it asks for, when it is an opt-out word: such a message is never answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opt_out: Option<OptOut>,
    },
    /// The AI answered by text message.
    SmsSent {
        /// Its text.
        text: String,
        /// The number it was sent from.
        from: PhoneNumber,
        /// The provider's id of it.
        provider_id: String,
    },
    /// Something was said on a call or written in a chat.
    Message {
        /// By whom.
        role: Speaker,
        /// What.
        text: String,
        /// What the answer rests on (A06).
        #[serde(default)]
        sources: String,
    },
    /// A person of the organization wrote to the contact (B14).
    HumanMessageSent {
        /// What.
        text: String,
        /// Who.
        agent_id: UserId,
        /// Their shown name.
        agent_name: String,
        /// The provider's id, where it went out as a text message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_id: Option<String>,
    },
    /// A message of ours got further on its way.
    SmsStatus {
        /// The provider's id of the message.
        provider_id: String,
        /// The event that is the message.
        message_seq: u64,
        /// How far it is.
        status: MessageStatus,
        /// The provider's reason, when it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_code: Option<u32>,
    },
    /// A call began (B13).
    CallInitiated {
        /// Which.
        call_id: CallId,
        /// Who called.
        direction: Direction,
    },
    /// A call ended (B13), and with it the conversation.
    CallEnded {
        /// Which.
        call_id: CallId,
        /// How it ended.
        outcome: String,
        /// How long it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_seconds: Option<u32>,
    },
    /// A person took over (B14).
    HumanControlStarted {
        /// Who.
        agent_id: UserId,
        /// Their shown name.
        agent_name: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The AI is in control again (B14).
    HumanControlEnded {
        /// Who handed back.
        agent_id: UserId,
        /// What they left behind.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
    },
    /// The contact asked for no more messages, or for messages again.
    OptOutChanged {
        /// Whether they want none.
        opted_out: bool,
    },
    /// The conversation is over.
    ConversationEnded {
        /// Why.
        reason: String,
    },
}

impl EventBody {
    /// Whether this is something said or written, which the snapshot lists and counts.
    pub fn is_message(&self) -> bool {
        matches!(
            self,
            Self::SmsReceived { .. } | Self::SmsSent { .. } | Self::Message { .. } | Self::HumanMessageSent { .. }
        )
    }

    /// Who did it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::SmsReceived { .. } | Self::OptOutChanged { .. } => Actor::Customer,
            Self::SmsSent { .. } => Actor::Assistant,
            Self::Message { role: Speaker::Customer, .. } => Actor::Customer,
            Self::Message { role: Speaker::Assistant, .. } => Actor::Assistant,
            Self::HumanMessageSent { .. } | Self::HumanControlStarted { .. } | Self::HumanControlEnded { .. } => {
                Actor::Agent
            }
            Self::SmsStatus { .. }
            | Self::CallInitiated { .. }
            | Self::CallEnded { .. }
            | Self::ConversationEnded { .. } => Actor::System,
        }
    }

    /// The kind's name, as stored and as viewers are told.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SmsReceived { .. } => "sms_received",
            Self::SmsSent { .. } => "sms_sent",
            Self::Message { .. } => "message",
            Self::HumanMessageSent { .. } => "human_message_sent",
            Self::SmsStatus { .. } => "sms_status",
            Self::CallInitiated { .. } => "call_initiated",
            Self::CallEnded { .. } => "call_ended",
            Self::HumanControlStarted { .. } => "human_control_started",
            Self::HumanControlEnded { .. } => "human_control_ended",
            Self::OptOutChanged { .. } => "opt_out_changed",
            Self::ConversationEnded { .. } => "conversation_ended",
        }
    }

    /// The provider's id of the text message this event sent.
    pub fn sent_provider_id(&self) -> Option<&str> {
        match self {
            Self::SmsSent { provider_id, .. } => Some(provider_id),
            Self::HumanMessageSent { provider_id, .. } => provider_id.as_deref(),
            _ => None,
        }
    }
}

/// Says the kind only: texts and numbers must not reach a log.
impl fmt::Debug for EventBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventBody({})", self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_text() {
        let body = EventBody::Message { role: Speaker::Customer, text: "my secret".into(), sources: String::new() };
        assert_eq!(format!("{body:?}"), "EventBody(message)");
        assert_eq!(serde_json::to_value(&body).unwrap()["kind"], body.kind());
    }
}
