//! What happens in a conversation: the one enum that every projection is made of.

use crate::conversation::State;
use crate::ids::{CallId, ContactId, ConversationId, OrganizationId, UserId};
use crate::phone::PhoneNumber;
use crate::sms::{MessageStatus, OptOut};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
        /// The number it is sent from.
        from: PhoneNumber,
        /// The provider's id, where it was known at once; else delivery finds it (`store::Outgoing`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_id: Option<String>,
        /// Number of the latest customer's message that it answers.
        #[serde(default)]
        answers: u64,
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
        /// The number it is sent from, where it goes out as a text message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<PhoneNumber>,
        /// The provider's id, where it was known at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_id: Option<String>,
    },
    /// A message of ours got further on its way.
    SmsStatus {
        /// The provider's id of the message; none when the provider never took it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_id: Option<String>,
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
        /// What the provider found out about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<Box<CallReport>>,
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
        /// How long it lasts without a sign of life from them.
        #[serde(default = "default_lease")]
        lease_seconds: u32,
    },
    /// The AI is in control again (B14).
    HumanControlEnded {
        /// Who was in control.
        agent_id: UserId,
        /// How it came.
        #[serde(default)]
        ended_by: ControlEnd,
        /// What they left behind (B18).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
        /// What is to be done (B18).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        next_steps: Vec<String>,
        /// Whether they call it a success (B18).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handoff_success: Option<bool>,
        /// Whether the AI is to answer what the customer wrote meanwhile and nobody answered.
        #[serde(default)]
        answer_pending: bool,
    },
    /// Something that operators should know.
    System {
        /// What it is about.
        notice: Notice,
        /// In a sentence, without a customer's words.
        text: String,
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

/// How a person's control ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlEnd {
    /// They handed back.
    #[default]
    Left,
    /// They gave no sign of life for the time of their lease.
    TimedOut,
}

/// What a notice to operators is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The AI did not answer, after all attempts.
    ReplyFailed,
    /// There is no model to answer.
    LlmNotConfigured,
    /// Too many answers in a short time: perhaps two machines talk.
    RepliesPaused,
}

/// What a voice provider found out about a call.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallReport {
    /// In short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// In a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `success`, `failure` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful: Option<String>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_reason: Option<String>,
    /// Main language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What was asked to be collected, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub collected: BTreeMap<String, serde_json::Value>,
    /// Results of the evaluation, by criterion.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub criteria: BTreeMap<String, String>,
}

impl fmt::Debug for CallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallReport")
    }
}

/// Two hours without a sign of life (B21).
pub const CONTROL_LEASE_SECONDS: u32 = 7200;

fn default_lease() -> u32 {
    CONTROL_LEASE_SECONDS
}

/// A text message that an event says we send.
#[derive(Clone, Copy)]
pub struct SentText<'a> {
    /// From which number of ours.
    pub from: &'a PhoneNumber,
    /// What.
    pub text: &'a str,
    /// The provider's id, where it is known at once: nothing is left to send then.
    pub provider_id: Option<&'a str>,
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
            Self::HumanControlEnded { ended_by: ControlEnd::TimedOut, .. } => Actor::System,
            Self::HumanMessageSent { .. } | Self::HumanControlStarted { .. } | Self::HumanControlEnded { .. } => {
                Actor::Agent
            }
            Self::SmsStatus { .. }
            | Self::CallInitiated { .. }
            | Self::CallEnded { .. }
            | Self::System { .. }
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
            Self::System { .. } => "system",
            Self::OptOutChanged { .. } => "opt_out_changed",
            Self::ConversationEnded { .. } => "conversation_ended",
        }
    }

    /// The text message this event sends.
    pub fn sent_text(&self) -> Option<SentText<'_>> {
        match self {
            Self::SmsSent { text, from, provider_id, .. }
            | Self::HumanMessageSent { text, from: Some(from), provider_id, .. } => {
                Some(SentText { from, text, provider_id: provider_id.as_deref() })
            }
            _ => None,
        }
    }

    /// Whether work follows from this event, off the request path: a reply, or news for the contact's briefing.
    pub fn needs_follow_up(&self) -> bool {
        matches!(
            self,
            Self::SmsReceived { .. }
                | Self::HumanMessageSent { .. }
                | Self::CallEnded { .. }
                | Self::HumanControlEnded { .. }
        )
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
