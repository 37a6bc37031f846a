//! A call as we keep it, read from what ElevenLabs says of it.

use super::is_id;
use super::payload::{Data, TurnData};
use super::webhook::PayloadError;
use domain::event::{Direction, Speaker};
use domain::phone::PhoneNumber;
use domain::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A call that is over.
#[derive(Clone, Default, PartialEq)]
pub struct Call {
    /// The conversation at ElevenLabs.
    pub conversation_id: String,
    /// The agent.
    pub agent_id: Option<String>,
    /// How far the processing is: `done`, `failed`.
    pub status: Option<String>,
    /// The id we gave the customer.
    pub user_id: Option<String>,
    /// What was said, in order.
    pub turns: Vec<Turn>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// How long it took.
    pub duration_seconds: Option<u32>,
    /// Who called.
    pub direction: Option<Direction>,
    /// Our number.
    pub own_number: Option<PhoneNumber>,
    /// The customer.
    pub customer: Option<PhoneNumber>,
    /// The call at Twilio.
    pub call_sid: Option<String>,
    /// `answered`, `voicemail`, `busy`, `no_answer`, `failed`.
    pub call_result: Option<String>,
    /// Why it ended.
    pub termination_reason: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// `success`, `failure`, `unknown`: what the agent's evaluation says.
    pub successful: Option<String>,
    /// The call in a few sentences.
    pub summary: Option<String>,
    /// The call in a few words.
    pub title: Option<String>,
    /// What the agent was asked to find out, by its id; what it did not find out is left out.
    pub collected: BTreeMap<String, Value>,
    /// How the agent did, by the criterion's id.
    pub criteria: BTreeMap<String, String>,
    /// The language spoken.
    pub language: Option<String>,
    /// Ours, echoed, and ElevenLabs' own `system__…`.
    pub dynamic_variables: BTreeMap<String, String>,
    /// When ElevenLabs sent it.
    pub event_timestamp: Option<Timestamp>,
}

/// Something that was said.
#[derive(Clone, PartialEq)]
pub struct Turn {
    /// By whom.
    pub speaker: Speaker,
    /// The words.
    pub text: String,
    /// When, in seconds from the start.
    pub at_seconds: f64,
}

/// A call of ours that was not answered.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The conversation at ElevenLabs.
    pub conversation_id: String,
    /// The agent.
    pub agent_id: Option<String>,
    /// `busy`, `no-answer` or `unknown`.
    pub reason: String,
    /// Our number.
    pub own_number: Option<PhoneNumber>,
    /// The customer.
    pub customer: Option<PhoneNumber>,
    /// The call at Twilio.
    pub call_sid: Option<String>,
    /// Ours, echoed, where ElevenLabs does so.
    pub dynamic_variables: BTreeMap<String, String>,
    /// When ElevenLabs sent it.
    pub event_timestamp: Option<Timestamp>,
}

impl Call {
    pub(super) fn read(data: Data, event_timestamp: Option<Timestamp>) -> Result<Self, PayloadError> {
        let (metadata, mut analysis) = (data.metadata, data.analysis);
        let (phone, sms) = (metadata.phone_call, metadata.sms);
        let variables = data.conversation_initiation_client_data.variables();
        let number = |name: &str| PhoneNumber::from_provider(variables.get(name)?).ok();
        let direction = phone.direction.direction().or_else(|| sms.direction.direction());
        // The system's caller is whoever dialled: on a call of ours that is us.
        let (ours, theirs) = match direction {
            Some(Direction::Outbound) => ("system__caller_id", "system__called_number"),
            Some(Direction::Inbound) | None => ("system__called_number", "system__caller_id"),
        };
        Ok(Self {
            conversation_id: data.conversation_id.required_id("data.conversation_id")?,
            agent_id: data.agent_id.id(),
            status: data.status.0,
            user_id: data.user_id.0,
            turns: data.transcript.into_iter().filter_map(Turn::read).collect(),
            started_at: metadata.start_time_unix_secs.and_then(moment),
            duration_seconds: metadata.call_duration_secs.and_then(|seconds| seconds.try_into().ok()),
            direction,
            own_number: phone.agent_number.phone().or_else(|| sms.agent_phone_number.phone()).or_else(|| number(ours)),
            customer: phone
                .external_number
                .phone()
                .or_else(|| sms.sms_user_phone_number.phone())
                .or_else(|| number(theirs)),
            call_sid: phone.call_sid.id().or_else(|| variables.get("system__call_sid").filter(|id| is_id(id)).cloned()),
            call_result: phone.call_result.0,
            termination_reason: metadata.termination_reason.0,
            error: metadata.error.0,
            successful: analysis.call_successful.0.take(),
            summary: analysis.transcript_summary.take().filter(|text| !text.trim().is_empty()),
            title: analysis.call_summary_title.0.take(),
            collected: analysis.collected(),
            criteria: analysis.criteria(),
            language: metadata.main_language.0,
            dynamic_variables: variables,
            event_timestamp,
        })
    }
}

impl Turn {
    /// What was said. A turn that only used a tool has no words.
    fn read(turn: TurnData) -> Option<Self> {
        let speaker = match turn.role.0.as_deref()? {
            "user" => Speaker::Customer,
            "agent" => Speaker::Assistant,
            _ => return None,
        };
        let text = turn.message.filter(|text| !text.trim().is_empty())?;
        let at_seconds = turn.time_in_call_secs.filter(|seconds| seconds.is_finite()).unwrap_or_default().max(0.0);
        Some(Self { speaker, text, at_seconds })
    }
}

impl Failure {
    pub(super) fn read(data: Data, event_timestamp: Option<Timestamp>) -> Result<Self, PayloadError> {
        let body = data.metadata.body;
        Ok(Self {
            conversation_id: data.conversation_id.required_id("data.conversation_id")?,
            agent_id: data.agent_id.id(),
            reason: data.failure_reason.0.unwrap_or_else(|| "unknown".to_owned()),
            own_number: body.from.phone().or_else(|| body.from_number.phone()),
            customer: body.to.phone().or_else(|| body.to_number.phone()),
            call_sid: body.sid.id().or_else(|| body.call_sid.id()),
            dynamic_variables: data.conversation_initiation_client_data.variables(),
            event_timestamp,
        })
    }
}

/// A moment in whole seconds; zero is none.
pub(super) fn moment(seconds: u64) -> Option<Timestamp> {
    let millis = i64::try_from(seconds).ok()?.checked_mul(1000)?;
    (millis > 0).then(|| Timestamp::from_millis(millis))
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("conversation_id", &self.conversation_id)
            .field("agent_id", &self.agent_id)
            .field("status", &self.status)
            .field("turns", &self.turns.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("speaker", &self.speaker).finish_non_exhaustive()
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("conversation_id", &self.conversation_id)
            .field("agent_id", &self.agent_id)
            .finish_non_exhaustive()
    }
}
