//! A person we talk with: worker (A), lead (B).

use crate::ids::{ContactId, ConversationId, OrganizationId, UserId};
use crate::phone::PhoneNumber;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A contact's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contact {
    /// Which.
    pub id: ContactId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Their number.
    pub phone: PhoneNumber,
    /// Shown name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where they stand as a lead, free text such as `Returning Customer` (B15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_status: Option<String>,
    /// When the record was made.
    pub created_at: Timestamp,
}

/// Head of a contact's timeline: every event of all their conversations, in one gap-free order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Number of the latest event, 0 before the first.
    pub last_seq: u64,
    /// The text-message conversation that is going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_sms: Option<ConversationId>,
    /// Who took over the contact's latest conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_id: Option<UserId>,
    /// Whether they asked for no more messages.
    #[serde(default)]
    pub opted_out: bool,
}
