//! What ElevenLabs sends us: the start of an incoming call, and the news after a call (protocols.md 2.1 and 2.2).
//!
//! Every part may be absent, null or of another type than documented, and unknown ones are passed over: a call that
//! took place must not get lost over a field. Only the ids that become keys are checked.

use super::call::moment;
use super::is_id;
use super::payload::{Envelope, Initiation};
use domain::phone::PhoneNumber;
use serde::de::DeserializeOwned;
use std::fmt;

pub use super::call::{Call, Failure, Turn};

/// A body that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not a JSON object.
    #[error("the body is not a JSON object")]
    NotJson,
    /// A required part is absent.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A part does not hold what it should.
    #[error("the field {0} is not valid")]
    Invalid(&'static str),
}

/// Somebody calls: what does the agent need to know?
#[derive(Clone, Default, PartialEq, Eq)]
pub struct InitiationRequest {
    /// Who calls, as the carrier says: a number, or a word such as `anonymous`.
    pub caller_id: Option<String>,
    /// Which agent answers.
    pub agent_id: Option<String>,
    /// Our number.
    pub called_number: Option<String>,
    /// The call at Twilio.
    pub call_sid: Option<String>,
}

impl InitiationRequest {
    /// Reads the body of the webhook.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        let request: Initiation = object(body)?;
        Ok(Self {
            caller_id: request.caller_id.0,
            agent_id: request.agent_id.id(),
            called_number: request.called_number.0,
            call_sid: request.call_sid.id(),
        })
    }
}

/// News after a call.
#[derive(Clone, Debug, PartialEq)]
pub enum PostCall {
    /// A call is over: what was said, and how it went.
    Transcription(Box<Call>),
    /// A recording, which we do not keep.
    Audio {
        /// The conversation at ElevenLabs.
        conversation_id: String,
        /// The agent.
        agent_id: Option<String>,
    },
    /// A call of ours was not answered.
    InitiationFailure(Box<Failure>),
    /// Something newer than this code.
    Other {
        /// Its type.
        kind: String,
        /// The agent, which all types so far name.
        agent_id: Option<String>,
    },
}

impl PostCall {
    /// Reads the body of the webhook.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        let envelope: Envelope = object(body)?;
        let kind = envelope.kind.0.ok_or(PayloadError::Missing("type"))?;
        let at = envelope.event_timestamp.and_then(moment);
        let data = envelope.data;
        match kind.as_str() {
            "post_call_transcription" => Ok(Self::Transcription(Box::new(Call::read(data, at)?))),
            "post_call_audio" => Ok(Self::Audio {
                conversation_id: data.conversation_id.required_id("data.conversation_id")?,
                agent_id: data.agent_id.id(),
            }),
            "call_initiation_failure" => Ok(Self::InitiationFailure(Box::new(Failure::read(data, at)?))),
            _ => Ok(Self::Other { kind, agent_id: data.agent_id.id() }),
        }
    }

    /// The conversation at ElevenLabs.
    pub fn conversation_id(&self) -> Option<&str> {
        match self {
            Self::Transcription(call) => Some(&call.conversation_id),
            Self::Audio { conversation_id, .. } => Some(conversation_id),
            Self::InitiationFailure(failure) => Some(&failure.conversation_id),
            Self::Other { .. } => None,
        }
    }

    /// The agent, which decides the organization.
    pub fn agent_id(&self) -> Option<&str> {
        match self {
            Self::Transcription(call) => call.agent_id.as_deref(),
            Self::Audio { agent_id, .. } | Self::Other { agent_id, .. } => agent_id.as_deref(),
            Self::InitiationFailure(failure) => failure.agent_id.as_deref(),
        }
    }

    /// Our number, which decides the organization.
    pub fn own_number(&self) -> Option<PhoneNumber> {
        match self {
            Self::Transcription(call) => call.own_number.clone(),
            Self::InitiationFailure(failure) => failure.own_number.clone(),
            Self::Audio { .. } | Self::Other { .. } => None,
        }
    }

    /// The organization that our own dynamic variables named. Trust it only once the signature fits.
    pub fn organization_hint(&self) -> Option<&str> {
        let variables = match self {
            Self::Transcription(call) => &call.dynamic_variables,
            Self::InitiationFailure(failure) => &failure.dynamic_variables,
            Self::Audio { .. } | Self::Other { .. } => return None,
        };
        variables.get("organization_id").map(String::as_str).filter(|id| is_id(id))
    }
}

fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, PayloadError> {
    // A struct could also be read from a list, which no webhook is.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Err(PayloadError::NotJson);
    }
    serde_json::from_slice(body).map_err(|_| PayloadError::NotJson)
}

impl fmt::Debug for InitiationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitiationRequest")
            .field("agent_id", &self.agent_id)
            .field("call_sid", &self.call_sid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
