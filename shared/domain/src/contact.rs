//! A person we talk with: worker (A), lead (B).

use crate::conversation::{Conversation, Medium, Status};
use crate::event::EventBody;
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
    /// Which of their conversations a person has taken over and not handed back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over: Option<ConversationId>,
    /// Who has taken over their text-message conversation: the contact's stream is theirs alone until they hand back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_id: Option<UserId>,
    /// How many messages their conversations have together.
    #[serde(default)]
    pub messages: u32,
    /// Whether they asked for no more messages.
    #[serde(default)]
    pub opted_out: bool,
}

impl Timeline {
    /// Takes in the next event, with the conversation as it is just after.
    pub fn take(&mut self, conversation: &Conversation, body: &EventBody) {
        self.messages += u32::from(body.is_message());
        if let EventBody::OptOutChanged { opted_out } = body {
            self.opted_out = *opted_out;
        }
        let over = conversation.status() == Status::Ended;
        if conversation.control.is_some() {
            self.taken_over = Some(conversation.id.clone());
        } else if self.taken_over.as_ref() == Some(&conversation.id) {
            self.taken_over = None;
        }
        if conversation.medium == Medium::Sms {
            self.admin_id = conversation.admin_id.clone().filter(|_| !over);
            if !over {
                self.open_sms = Some(conversation.id.clone());
            } else if self.open_sms.as_ref() == Some(&conversation.id) {
                self.open_sms = None;
            }
        }
    }
}

/// What a call with a contact is told about them, ready before the phone rings (B15, G44).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Briefing {
    /// What was said and agreed so far.
    pub summary: String,
    /// The latest messages.
    pub context: String,
    /// How many messages there are in all.
    pub messages: u32,
    /// Number of the contact's latest event that is in it.
    pub upto: u64,
    /// Number of the contact's latest event that a model's summary covers.
    #[serde(default)]
    pub summarised: u64,
}
