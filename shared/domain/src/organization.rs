//! A tenant and its settings.

use crate::ids::OrganizationId;
use crate::phone::{PhoneNumber, Region};
use crate::points::AiSettings;
use crate::secret::Secret;
use crate::time::{Timestamp, Zone};
use serde::{Deserialize, Serialize};

/// An organization's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Organization {
    /// Which.
    pub id: OrganizationId,
    /// Shown name.
    pub name: String,
    /// Zone in which times are rendered (A05).
    pub timezone: Zone,
    /// Region in which national numbers are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Whether a password alone signs in (A16), or a code by e-mail is needed too (U14).
    #[serde(default)]
    pub sign_in_code_required: bool,
    /// Whether anybody may sign up as an end user.
    #[serde(default)]
    pub open_sign_up: bool,
    /// When the record was made.
    pub created_at: Timestamp,
    /// Numbers that customers reach the organization by.
    #[serde(default)]
    pub phone_numbers: Vec<PhoneNumber>,
    /// The organization's own Twilio account, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twilio: Option<TwilioAccount>,
    /// The organization's own voice agent, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elevenlabs: Option<VoiceAgent>,
    /// What the AI is told beside the conversation: who it speaks for, opening hours, tone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// How its people may use the model.
    #[serde(default)]
    pub ai: AiSettings,
}

/// Credentials of a Twilio account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TwilioAccount {
    /// `AC…`
    pub account_sid: String,
    /// Signs Twilio's webhooks and opens its API.
    pub auth_token: Secret,
}

/// A voice agent at ElevenLabs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VoiceAgent {
    /// `agent_…`
    pub agent_id: String,
    /// The number it calls from, `phnum_…`
    pub phone_number_id: String,
    /// Opens the API.
    pub api_key: Secret,
    /// Comes with each initiation webhook.
    pub initiation_secret: Secret,
    /// Signs post-call webhooks.
    pub post_call_secret: Secret,
}
