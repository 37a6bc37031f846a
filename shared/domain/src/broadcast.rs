//! What viewers are told of an event, in seed B's names: the frames of its SSE stream and of the WebSocket.
//!
//! This file is the one place where event kinds become broadcast types (B11-B14).

use crate::conversation::{Medium, Status, Urgency};
use crate::event::{Actor, CallReport, ControlEnd, Direction, Event, EventBody, Media, Notice};
use crate::ids::{CallId, ContactId, ConversationId, OrganizationId, UserId};
use crate::message::Message;
use crate::phone::PhoneNumber;
use crate::sms::{MessageStatus, OptOut};
use crate::time::Zone;
use serde::Serialize;

/// A frame about one event. `organizationId` is in every frame, because seed B's client drops frames without it (B03).
#[derive(Clone, Debug, Serialize)]
pub struct Broadcast<'a> {
    /// Which kind of frame, and what only that kind has.
    #[serde(flatten)]
    pub detail: Detail<'a>,
    /// Of which organization.
    #[serde(rename = "organizationId")]
    pub organization_id: &'a OrganizationId,
    /// In which conversation.
    pub conversation_id: &'a ConversationId,
    /// With whom.
    #[serde(rename = "leadId")]
    pub lead_id: &'a ContactId,
    /// Their number.
    #[serde(rename = "phoneNumber")]
    pub phone_number: &'a PhoneNumber,
    /// The event's number in its conversation: the cursor of conversation streams.
    pub seq: u64,
    /// The event's number on the contact's timeline: the cursor of contact streams.
    pub contact_seq: u64,
    /// When, in UTC.
    pub timestamp: String,
    /// Who did it.
    pub actor: Actor,
    /// Where the conversation stands just after it.
    pub status: Status,
    /// How pressing it is.
    pub urgency: Urgency,
    /// Held over what.
    pub medium: Medium,
    /// Who has taken it over.
    pub admin_id: Option<&'a UserId>,
    /// How many messages it has.
    pub total_messages: u32,
    /// The message's id, where the event is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// The kinds of frames and what each adds.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Detail<'a> {
    /// A text message came in; `message` is its text (B12).
    SmsReceived {
        /// Its text.
        message: &'a str,
        /// The number it was sent to.
        to: &'a PhoneNumber,
        /// Files that came with it.
        #[serde(skip_serializing_if = "<[Media]>::is_empty")]
        media: &'a [Media],
        /// The opt-out word it is.
        #[serde(rename = "optOut", skip_serializing_if = "Option::is_none")]
        opt_out: Option<OptOut>,
    },
    /// The AI answered by text message.
    SmsSent {
        /// Its text.
        message: &'a str,
    },
    /// Something was said or written on another medium.
    Message {
        /// Its text.
        message: &'a str,
        /// What an answer rests on.
        sources: &'a str,
    },
    /// A person of the organization wrote.
    HumanMessageSent {
        /// Its text.
        message: &'a str,
        /// Who.
        #[serde(rename = "agentId")]
        agent_id: &'a UserId,
        /// Their shown name.
        #[serde(rename = "agentName")]
        agent_name: &'a str,
    },
    /// A message of ours got further.
    SmsStatusUpdate {
        /// The event that is the message.
        #[serde(rename = "messageSeq")]
        message_seq: u64,
        /// How far it is.
        #[serde(rename = "messageStatus")]
        message_status: MessageStatus,
        /// The provider's reason, when it failed.
        #[serde(rename = "errorCode", skip_serializing_if = "Option::is_none")]
        error_code: Option<u32>,
    },
    /// A call began.
    CallInitiated {
        /// Which.
        call_id: &'a CallId,
        /// Who called.
        direction: Direction,
    },
    /// A call ended.
    CallEnded {
        /// Which.
        call_id: &'a CallId,
        /// How.
        outcome: &'a str,
        /// How long it was.
        #[serde(rename = "durationSeconds", skip_serializing_if = "Option::is_none")]
        duration_seconds: Option<u32>,
        /// What the provider found out about it.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        report: Option<&'a CallReport>,
    },
    /// A person took over.
    HumanControlStarted {
        /// Who.
        #[serde(rename = "agentId")]
        agent_id: &'a UserId,
        /// Their shown name.
        #[serde(rename = "agentName")]
        agent_name: &'a str,
        /// Why.
        #[serde(rename = "handoffReason", skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// The AI is in control again.
    HumanControlEnded {
        /// Who handed back.
        #[serde(rename = "agentId")]
        agent_id: &'a UserId,
        /// What they left behind.
        #[serde(skip_serializing_if = "Option::is_none")]
        summary: Option<&'a str>,
        /// What is to be done.
        #[serde(rename = "nextSteps", skip_serializing_if = "<[String]>::is_empty")]
        next_steps: &'a [String],
        /// Whether they call it a success.
        #[serde(rename = "handoffSuccess", skip_serializing_if = "Option::is_none")]
        handoff_success: Option<bool>,
        /// `left`, or `timed_out` when they gave no sign of life.
        #[serde(rename = "endedBy")]
        ended_by: ControlEnd,
    },
    /// Something that operators should know.
    System {
        /// What it is about.
        notice: Notice,
        /// In a sentence.
        message: &'a str,
    },
    /// The contact opted out, or in again.
    OptOutChanged {
        /// Whether they want no messages.
        #[serde(rename = "optedOut")]
        opted_out: bool,
    },
    /// The conversation is over.
    ConversationEnded {
        /// Why.
        reason: &'a str,
    },
}

impl<'a> Broadcast<'a> {
    /// The frame of an event.
    pub fn of(event: &'a Event) -> Self {
        Self {
            detail: Detail::of(&event.body),
            organization_id: &event.organization_id,
            conversation_id: &event.conversation_id,
            lead_id: &event.contact_id,
            phone_number: &event.phone,
            seq: event.seq,
            contact_seq: event.contact_seq,
            timestamp: event.at.iso(),
            actor: event.body.actor(),
            status: event.state.status,
            urgency: event.state.urgency,
            medium: event.state.medium,
            admin_id: event.state.admin_id.as_ref(),
            total_messages: event.state.messages,
            message_id: event.message_number.map(|n| event.conversation_id.message_id(n)),
        }
    }
}

impl<'a> Detail<'a> {
    fn of(body: &'a EventBody) -> Self {
        match body {
            EventBody::SmsReceived { text, to, media, opt_out, .. } => {
                Self::SmsReceived { message: text, to, media, opt_out: *opt_out }
            }
            EventBody::SmsSent { text, .. } => Self::SmsSent { message: text },
            EventBody::Message { text, sources, .. } => Self::Message { message: text, sources },
            EventBody::HumanMessageSent { text, agent_id, agent_name, .. } => {
                Self::HumanMessageSent { message: text, agent_id, agent_name }
            }
            EventBody::SmsStatus { message_seq, status, error_code, .. } => {
                Self::SmsStatusUpdate { message_seq: *message_seq, message_status: *status, error_code: *error_code }
            }
            EventBody::CallInitiated { call_id, direction } => Self::CallInitiated { call_id, direction: *direction },
            EventBody::CallEnded { call_id, outcome, duration_seconds, report } => {
                Self::CallEnded { call_id, outcome, duration_seconds: *duration_seconds, report: report.as_deref() }
            }
            EventBody::HumanControlStarted { agent_id, agent_name, reason, .. } => {
                Self::HumanControlStarted { agent_id, agent_name, reason: reason.as_deref() }
            }
            EventBody::HumanControlEnded { agent_id, ended_by, summary, next_steps, handoff_success, .. } => {
                Self::HumanControlEnded {
                    agent_id,
                    summary: summary.as_deref(),
                    next_steps,
                    handoff_success: *handoff_success,
                    ended_by: *ended_by,
                }
            }
            EventBody::System { notice, text } => Self::System { notice: *notice, message: text },
            EventBody::OptOutChanged { opted_out } => Self::OptOutChanged { opted_out: *opted_out },
            EventBody::ConversationEnded { reason } => Self::ConversationEnded { reason },
        }
    }

    /// The frame's `type`, which is also the event name on seed A's stream.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SmsReceived { .. } => "sms_received",
            Self::SmsSent { .. } => "sms_sent",
            Self::Message { .. } => "message",
            Self::HumanMessageSent { .. } => "human_message_sent",
            Self::SmsStatusUpdate { .. } => "sms_status_update",
            Self::CallInitiated { .. } => "call_initiated",
            Self::CallEnded { .. } => "call_ended",
            Self::HumanControlStarted { .. } => "human_control_started",
            Self::HumanControlEnded { .. } => "human_control_ended",
            Self::System { .. } => "system",
            Self::OptOutChanged { .. } => "opt_out_changed",
            Self::ConversationEnded { .. } => "conversation_ended",
        }
    }
}

/// The first frame of seed B's stream when it asks for history (B04, B08, B11).
#[derive(Clone, Debug, Serialize)]
pub struct ConversationHistory<'a> {
    /// Always `conversation_history`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Of which organization.
    #[serde(rename = "organizationId")]
    pub organization_id: &'a OrganizationId,
    /// With whom.
    #[serde(rename = "leadId")]
    pub lead_id: &'a ContactId,
    /// Their number.
    #[serde(rename = "phoneNumber")]
    pub phone_number: &'a PhoneNumber,
    /// The latest messages, at most [`HISTORY_LIMIT`].
    pub messages: Vec<HistoryMessage>,
    /// Number of the latest event on the contact's timeline.
    pub contact_seq: u64,
}

/// How many messages seed B's history holds (B08, U7).
pub const HISTORY_LIMIT: usize = 50;

/// A message of the history: seed A's fields and seed B's names for them.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryMessage {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// In which conversation.
    pub conversation_id: ConversationId,
    /// `user`, `agent` (the AI), `human_agent` or `system` (B09).
    #[serde(rename = "sentBy")]
    pub sent_by: &'static str,
    /// `text` or `voice` (B09).
    #[serde(rename = "messageType")]
    pub message_type: &'static str,
}

impl<'a> ConversationHistory<'a> {
    /// The latest messages of a run of the contact's events.
    pub fn of(
        organization_id: &'a OrganizationId,
        lead_id: &'a ContactId,
        phone_number: &'a PhoneNumber,
        events: &[Event],
        contact_seq: u64,
        zone: &Zone,
    ) -> Self {
        let mut messages: Vec<HistoryMessage> =
            events.iter().filter_map(|event| HistoryMessage::of(event, zone)).collect();
        let surplus = messages.len().saturating_sub(HISTORY_LIMIT);
        messages.drain(..surplus);
        Self { kind: "conversation_history", organization_id, lead_id, phone_number, messages, contact_seq }
    }
}

impl HistoryMessage {
    fn of(event: &Event, zone: &Zone) -> Option<Self> {
        Some(Self {
            message: Message::of(event, zone)?,
            conversation_id: event.conversation_id.clone(),
            sent_by: match event.body.actor() {
                Actor::Customer => "user",
                Actor::Assistant => "agent",
                Actor::Agent => "human_agent",
                Actor::System => "system",
            },
            message_type: match event.state.medium {
                Medium::Voice => "voice",
                Medium::Sms | Medium::Chat | Medium::Web => "text",
            },
        })
    }
}
