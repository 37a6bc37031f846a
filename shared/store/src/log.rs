//! Reading the log. Readers deliver only the contiguous run of numbers, whatever a query returns.

use crate::error::StoreError;
use crate::item::{Item, event_from_item, from_item, s};
use crate::keys::{self, EVENT_PREFIX, HEAD, TIMELINE_HEAD, TIMELINE_PREFIX, numbered};
use crate::{Store, Tenant};
use domain::contact::Timeline;
use domain::conversation::Conversation;
use domain::event::Event;
use domain::ids::{ContactId, ConversationId, OrganizationId};

/// A run of events with one numbering.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Thread {
    /// A conversation's events by `seq`.
    Conversation(ConversationId),
    /// A contact's events, over all their conversations, by `contact_seq`.
    Contact(ContactId),
}

impl Thread {
    /// The event's number in this thread.
    pub fn seq_of(&self, event: &Event) -> u64 {
        match self {
            Self::Conversation(_) => event.seq,
            Self::Contact(_) => event.contact_seq,
        }
    }

    fn pk(&self, org: &OrganizationId) -> String {
        self.head_key(org).pk
    }

    pub(crate) fn head_key(&self, org: &OrganizationId) -> keys::Key {
        match self {
            Self::Conversation(id) => keys::conversation_head(org, id),
            Self::Contact(id) => keys::timeline_head(org, id),
        }
    }

    fn prefix(&self) -> &'static str {
        match self {
            Self::Conversation(_) => EVENT_PREFIX,
            Self::Contact(_) => TIMELINE_PREFIX,
        }
    }

    fn head(&self) -> &'static str {
        match self {
            Self::Conversation(_) => HEAD,
            Self::Contact(_) => TIMELINE_HEAD,
        }
    }
}

/// A conversation and a run of its events.
#[derive(Debug)]
pub struct Log {
    /// The conversation at the time of reading.
    pub conversation: Conversation,
    /// Its events after the number asked for.
    pub events: Vec<Event>,
    /// The number up to which this goes: less than the conversation's where `max_bytes` cut it.
    pub seq: u64,
}

impl Tenant {
    /// A conversation's state.
    pub async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, StoreError> {
        let key = keys::conversation_head(&self.organization_id, id);
        self.store.get(self.store.core(), &key).await?.map(from_item).transpose()
    }

    /// The head of a contact's timeline; an empty one before the first event.
    pub async fn timeline(&self, id: &ContactId) -> Result<Timeline, StoreError> {
        let key = keys::timeline_head(&self.organization_id, id);
        let item = self.store.get(self.store.core(), &key).await?;
        item.map_or_else(|| Ok(Timeline::default()), from_item)
    }

    /// A conversation with its events after `after`, in one strongly consistent query: the head sorts right behind the
    /// events. Stops before `max_bytes` of event bodies.
    pub async fn read(&self, id: &ConversationId, after: u64, max_bytes: usize) -> Result<Option<Log>, StoreError> {
        let thread = Thread::Conversation(id.clone());
        let mut run = Run::after(after, max_bytes);
        let mut conversation = None;
        let mut start = None;
        loop {
            let page = self.query(&thread, after, thread.head(), start).await?;
            for item in page.items {
                if item.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk == HEAD) {
                    conversation = Some(from_item::<Conversation>(item)?);
                } else if !run.take(&thread, &item)? {
                    break;
                }
            }
            start = page.next;
            if start.is_none() || run.full {
                break;
            }
        }
        let conversation = match conversation {
            Some(conversation) => conversation,
            None => match self.conversation(id).await? {
                Some(conversation) => conversation,
                None => return Ok(None),
            },
        };
        Ok(Some(Log { conversation, events: run.events, seq: run.last }))
    }

    /// A thread's events after `after`, oldest first, at most `limit`.
    pub async fn events_after(&self, thread: &Thread, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let last = format!("{}~", thread.prefix());
        let mut run = Run::after(after, usize::MAX);
        let mut start = None;
        loop {
            let page = self.query(thread, after, &last, start).await?;
            for item in page.items {
                if run.events.len() >= limit || !run.take(thread, &item)? {
                    return Ok(run.events);
                }
            }
            start = page.next;
            if start.is_none() {
                return Ok(run.events);
            }
        }
    }

    /// The latest events of a contact, oldest first: the window of prompts and of seed B's history (U7).
    pub async fn latest_of_contact(&self, id: &ContactId, limit: i32) -> Result<Vec<Event>, StoreError> {
        let thread = Thread::Contact(id.clone());
        let output = self
            .store
            .client
            .query()
            .table_name(self.store.core())
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(thread.pk(&self.organization_id)))
            .expression_attribute_values(":prefix", s(TIMELINE_PREFIX))
            .scan_index_forward(false)
            .limit(limit)
            .consistent_read(true)
            .send()
            .await?;
        output.items().iter().rev().map(event_from_item).collect()
    }

    async fn query(&self, thread: &Thread, after: u64, last: &str, start: Option<Item>) -> Result<Page, StoreError> {
        let output = self
            .store
            .client
            .query()
            .table_name(self.store.core())
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", s(thread.pk(&self.organization_id)))
            .expression_attribute_values(":first", s(numbered(thread.prefix(), after.saturating_add(1))))
            .expression_attribute_values(":last", s(last))
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await?;
        Ok(Page { items: output.items.unwrap_or_default(), next: output.last_evaluated_key })
    }
}

struct Page {
    items: Vec<Item>,
    next: Option<Item>,
}

/// A contiguous run of events being collected.
struct Run {
    events: Vec<Event>,
    last: u64,
    room: usize,
    full: bool,
}

impl Run {
    fn after(seq: u64, max_bytes: usize) -> Self {
        Self { events: Vec::new(), last: seq, room: max_bytes, full: false }
    }

    /// Takes the next event if its number follows; says whether to go on.
    fn take(&mut self, thread: &Thread, item: &Item) -> Result<bool, StoreError> {
        let size = item.get("body").and_then(|body| body.as_s().ok()).map_or(0, String::len);
        let event = event_from_item(item)?;
        let follows = thread.seq_of(&event) == self.last + 1;
        if !follows || size > self.room {
            self.full = true;
            return Ok(false);
        }
        self.room -= size;
        self.last += 1;
        self.events.push(event);
        Ok(true)
    }
}

impl Store {
    /// The organization that a conversation belongs to.
    pub async fn conversation_owner(&self, id: &ConversationId) -> Result<Option<OrganizationId>, StoreError> {
        #[derive(serde::Deserialize)]
        struct Owner {
            organization_id: OrganizationId,
        }
        let item = self.get(self.core(), &keys::conversation_owner(id)).await?;
        Ok(item.map(from_item::<Owner>).transpose()?.map(|owner| owner.organization_id))
    }
}
