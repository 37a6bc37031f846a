//! A conversation's state: what its events add up to.

use crate::event::{Event, EventBody, Notice};
use crate::ids::{CallId, ContactId, ConversationId, OrganizationId, UserId};
use crate::phone::PhoneNumber;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How pressing a conversation is (A04).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Urgency {
    /// Can wait.
    Low,
    /// The usual.
    Medium,
    /// Soon.
    High,
    /// Now.
    Critical,
}

/// Where a conversation stands (A04).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Going on, the AI in control.
    Active,
    /// Going on, a person in control.
    TakenOver,
    /// Over; its history stays.
    Ended,
}

/// What it is held over (A04).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Medium {
    /// A telephone call.
    Voice,
    /// Text messages.
    #[serde(rename = "SMS")]
    Sms,
    /// Chat in an app.
    Chat,
    /// Chat on a web page.
    Web,
}

/// A filter value outside its set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not one of the known values")]
pub struct UnknownValue;

macro_rules! from_str_by_serde {
    ($($name:ident),*) => {$(
        impl FromStr for $name {
            type Err = UnknownValue;
            fn from_str(text: &str) -> Result<Self, UnknownValue> {
                serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_| UnknownValue)
            }
        }
    )*};
}
from_str_by_serde!(Urgency, Status, Medium);

/// A conversation, as its events have made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Which.
    pub id: ConversationId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// With whom.
    pub contact_id: ContactId,
    /// Their number.
    pub phone: PhoneNumber,
    /// The call, for voice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// Held over what.
    pub medium: Medium,
    /// How pressing.
    pub urgency: Urgency,
    /// When it began.
    pub started_at: Timestamp,
    /// When the latest event happened.
    pub updated_at: Timestamp,
    /// When it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who took it over, also after its end (A19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_id: Option<UserId>,
    /// Number of the latest event, 0 before the first.
    pub last_seq: u64,
    /// How many of the events are messages.
    pub messages: u32,
    /// The person in control now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// How many times people took it over. A reply holds only in the epoch it was begun in (G4).
    #[serde(default)]
    pub epoch: u32,
    /// Number of the latest customer's message that asks for an answer, 0 for none.
    #[serde(default)]
    pub asked: u64,
    /// Number up to which customers' messages are answered, or need no answer any more.
    #[serde(default)]
    pub answered: u64,
    /// The number of ours that the customer wrote to last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_number: Option<PhoneNumber>,
}

/// A person's control of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Who.
    pub agent_id: UserId,
    /// Their shown name.
    pub agent_name: String,
    /// Since when.
    pub since: Timestamp,
    /// Number of the event by which it began.
    pub seq: u64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What every event says about the conversation just after it, so that viewers need no second read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// How pressing.
    pub urgency: Urgency,
    /// Held over what.
    pub medium: Medium,
    /// Who took it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_id: Option<UserId>,
    /// How many messages it has.
    pub messages: u32,
}

/// A new conversation, before its first event.
#[derive(Clone, Debug)]
pub struct NewConversation {
    /// With whom.
    pub contact_id: ContactId,
    /// Their number.
    pub phone: PhoneNumber,
    /// Held over what.
    pub medium: Medium,
    /// How pressing.
    pub urgency: Urgency,
    /// When it begins.
    pub started_at: Timestamp,
}

impl NewConversation {
    /// A conversation of the usual urgency.
    pub fn usual(contact_id: ContactId, phone: PhoneNumber, medium: Medium, started_at: Timestamp) -> Self {
        Self { contact_id, phone, medium, urgency: Urgency::Medium, started_at }
    }
}

impl Conversation {
    /// A conversation with no event yet.
    pub fn begin(
        id: ConversationId,
        call_id: Option<CallId>,
        organization_id: OrganizationId,
        new: NewConversation,
    ) -> Self {
        Self {
            id,
            organization_id,
            contact_id: new.contact_id,
            phone: new.phone,
            call_id,
            medium: new.medium,
            urgency: new.urgency,
            started_at: new.started_at,
            updated_at: new.started_at,
            ended_at: None,
            admin_id: None,
            last_seq: 0,
            messages: 0,
            control: None,
            epoch: 0,
            asked: 0,
            answered: 0,
            own_number: None,
        }
    }

    /// Whether the AI owes the customer an answer now.
    pub fn wants_reply(&self) -> bool {
        self.status() == Status::Active && self.asked > self.answered
    }

    /// Where it stands, which follows from who controls it and whether it ended.
    pub fn status(&self) -> Status {
        match (self.ended_at, &self.admin_id) {
            (Some(_), _) => Status::Ended,
            (None, Some(_)) => Status::TakenOver,
            (None, None) => Status::Active,
        }
    }

    /// What events say of the conversation.
    pub fn state(&self) -> State {
        State {
            status: self.status(),
            urgency: self.urgency,
            medium: self.medium,
            admin_id: self.admin_id.clone(),
            messages: self.messages,
        }
    }

    /// Takes in the next event and numbers it; `contact_seq` is its number on the contact's timeline.
    pub fn apply(&mut self, body: EventBody, at: Timestamp, contact_seq: u64) -> Event {
        self.last_seq += 1;
        self.updated_at = self.updated_at.max(at);
        let message_number = body.is_message().then(|| {
            self.messages += 1;
            self.messages
        });
        self.take(&body, at);
        Event {
            organization_id: self.organization_id.clone(),
            conversation_id: self.id.clone(),
            contact_id: self.contact_id.clone(),
            phone: self.phone.clone(),
            seq: self.last_seq,
            contact_seq,
            at,
            message_number,
            state: self.state(),
            body,
        }
    }

    fn take(&mut self, body: &EventBody, at: Timestamp) {
        match body {
            EventBody::SmsReceived { to, opt_out, .. } => {
                self.own_number = Some(to.clone());
                if opt_out.is_none() {
                    self.asked = self.last_seq;
                }
            }
            EventBody::SmsSent { answers, .. } => self.answered = self.answered.max(*answers),
            EventBody::HumanMessageSent { .. }
            // Opted out, they get no answers; opted in again, they are not answered what they wrote in between.
            | EventBody::OptOutChanged { .. }
            | EventBody::System { notice: Notice::LlmNotConfigured | Notice::RepliesPaused, .. } => {
                self.answered = self.asked;
            }
            EventBody::HumanControlStarted { agent_id, agent_name, reason, .. } => {
                self.epoch += 1;
                self.admin_id = Some(agent_id.clone());
                self.control = Some(Control {
                    agent_id: agent_id.clone(),
                    agent_name: agent_name.clone(),
                    since: at,
                    seq: self.last_seq,
                    reason: reason.clone(),
                });
            }
            EventBody::HumanControlEnded { answer_pending, .. } => {
                self.admin_id = None;
                self.control = None;
                if !answer_pending {
                    self.answered = self.asked;
                }
            }
            EventBody::CallEnded { .. } | EventBody::ConversationEnded { .. } => {
                self.ended_at.get_or_insert(at);
                self.control = None;
            }
            EventBody::Message { .. }
            | EventBody::SmsStatus { .. }
            | EventBody::CallInitiated { .. }
            | EventBody::System { notice: Notice::ReplyFailed, .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ControlEnd;
    use proptest::prelude::*;

    fn conversation() -> Conversation {
        let at = Timestamp::from_millis(1_759_472_884_000);
        let new = NewConversation {
            contact_id: ContactId::parse("worker_1").unwrap(),
            phone: PhoneNumber::from_provider("+14155550100").unwrap(),
            medium: Medium::Sms,
            urgency: Urgency::Medium,
            started_at: at,
        };
        let id = ConversationId::parse("conv_1").unwrap();
        Conversation::begin(id, None, OrganizationId::parse("org").unwrap(), new)
    }

    fn any_body() -> impl Strategy<Value = EventBody> {
        let agent_id = UserId::parse("u1").unwrap();
        prop_oneof![
            any::<bool>().prop_map(|opted_out| EventBody::OptOutChanged { opted_out }),
            "\\PC{0,20}".prop_map(|text| EventBody::Message {
                role: crate::event::Speaker::Assistant,
                text,
                sources: String::new()
            }),
            Just(EventBody::HumanControlStarted {
                agent_id: agent_id.clone(),
                agent_name: "Ada".into(),
                reason: None,
                lease_seconds: 60
            }),
            any::<bool>().prop_map(move |answer_pending| EventBody::HumanControlEnded {
                agent_id: agent_id.clone(),
                ended_by: ControlEnd::Left,
                summary: None,
                next_steps: Vec::new(),
                handoff_success: None,
                answer_pending
            }),
            Just(EventBody::ConversationEnded { reason: "done".into() }),
        ]
    }

    proptest! {
        #[test]
        fn numbers_have_no_gap_and_state_follows_the_events(bodies in proptest::collection::vec(any_body(), 0..40)) {
            let mut conversation = conversation();
            let mut messages = 0;
            let mut ended = false;
            for (index, body) in bodies.into_iter().enumerate() {
                messages += u32::from(body.is_message());
                ended |= matches!(body, EventBody::ConversationEnded { .. });
                let at = Timestamp::from_millis(1_759_472_885_000 + index as i64);
                let event = conversation.apply(body, at, index as u64 + 9);
                prop_assert_eq!(event.seq, index as u64 + 1);
                prop_assert_eq!(event.message_number.is_some(), event.body.is_message());
                prop_assert_eq!(&event.state, &conversation.state());
            }
            prop_assert_eq!(conversation.messages, messages);
            prop_assert_eq!(conversation.status() == Status::Ended, ended);
        }
    }

    #[test]
    fn filter_values_are_the_contracts_words() {
        assert_eq!("CRITICAL".parse(), Ok(Urgency::Critical));
        assert_eq!("TAKEN_OVER".parse(), Ok(Status::TakenOver));
        assert_eq!("SMS".parse(), Ok(Medium::Sms));
        assert_eq!("urgent".parse::<Urgency>(), Err(UnknownValue));
    }
}
