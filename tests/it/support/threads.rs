//! Conversations that a test makes for itself, and reading their logs.

use super::backstage::said;
use super::eventually;
use domain::conversation::{Conversation, Medium, NewConversation, Urgency};
use domain::event::Event;
use domain::ids::{ContactId, ConversationId};
use domain::phone::PhoneNumber;
use domain::time::Timestamp;
use store::{Append, Tenant, Thread, now};

pub(crate) fn phone(number: &str) -> PhoneNumber {
    PhoneNumber::from_provider(number).unwrap()
}

/// The id that a contact of this number gets.
pub(crate) fn contact_of(number: &str) -> ContactId {
    ContactId::from_digits(&phone(number).digits()).unwrap()
}

pub(crate) fn new_conversation(number: &str, medium: Medium, at: Timestamp) -> NewConversation {
    let (contact_id, phone) = (contact_of(number), phone(number));
    NewConversation { contact_id, phone, medium, urgency: Urgency::Medium, started_at: at }
}

/// Begins a conversation with one message, under an id of the test's choice.
pub(crate) async fn open(tenant: &Tenant, id: &str, number: &str, medium: Medium) -> ConversationId {
    open_as(tenant, id, new_conversation(number, medium, now())).await
}

/// The same, with everything about it chosen.
pub(crate) async fn open_as(tenant: &Tenant, id: &str, new: NewConversation) -> ConversationId {
    let id = ConversationId::parse(id).unwrap();
    let at = new.started_at;
    let conversation = Conversation::begin(id.clone(), None, tenant.organization_id().clone(), new);
    tenant.open_as(conversation, Append::new(vec![said("first")], at)).await.unwrap();
    id
}

/// Everything in a thread.
pub(crate) async fn log_of(tenant: &Tenant, thread: &Thread) -> Vec<Event> {
    tenant.events_after(thread, 0, usize::MAX).await.unwrap()
}

/// Reads on and on, as a live reader does, until the thread has `count` events; what it read, in the order it read it.
pub(crate) async fn follow(tenant: &Tenant, thread: &Thread, count: u64) -> Vec<Event> {
    let mut read: Vec<Event> = Vec::new();
    loop {
        let last = read.last().map_or(0, |event| thread.seq_of(event));
        if last >= count {
            return read;
        }
        let more = eventually("more events", || async {
            let more = tenant.events_after(thread, last, 1000).await.unwrap();
            (!more.is_empty()).then_some(more)
        });
        read.extend(more.await);
    }
}
