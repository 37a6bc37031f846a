//! Finding, opening and listing conversations.

use crate::Tenant;
use crate::append::{Append, Appended, Heads};
use crate::error::StoreError;
use crate::item::{Item, from_item, s};
use crate::keys::{self, INDEX};
use domain::contact::Timeline;
use domain::conversation::{Conversation, Medium, NewConversation, Status, Urgency};
use domain::event::{Direction, EventBody};
use domain::ids::{CallId, ContactId, ConversationId};
use domain::time::Timestamp;
use std::collections::HashMap;

/// A text-message conversation nobody added to for this long is over; the next message opens another.
const SMS_IDLE_MILLIS: i64 = 24 * 3600 * 1000;

/// Conversations of one second and one contact, beyond the first, before giving up on finding a free id.
const MAX_COLLISIONS: u32 = 50;

/// Which conversations to list. An empty filter lists all.
#[derive(Clone, Debug, Default)]
pub struct ConversationFilter {
    /// Standing there.
    pub status: Option<Status>,
    /// As pressing as this.
    pub urgency: Option<Urgency>,
    /// Held over this.
    pub medium: Option<Medium>,
}

impl ConversationFilter {
    fn accepts(&self, conversation: &Conversation) -> bool {
        self.status.is_none_or(|status| status == conversation.status())
            && self.urgency.is_none_or(|urgency| urgency == conversation.urgency)
            && self.medium.is_none_or(|medium| medium == conversation.medium)
    }
}

/// A page of a listing, newest first.
#[derive(Debug, Default)]
pub struct ConversationPage {
    /// The conversations.
    pub conversations: Vec<Conversation>,
    /// Where the next page goes on, when there may be more.
    pub next: Option<String>,
}

impl Tenant {
    /// Begins a conversation with its first events.
    pub async fn open(&self, new: NewConversation, append: Append<'_>) -> Result<Appended, StoreError> {
        let mut bodies = Some(append);
        for collision in 0..MAX_COLLISIONS {
            let timeline = self.timeline(&new.contact_id).await?;
            let conversation = self.begin(&new, collision)?;
            let Some(append) = bodies.take() else { break };
            let again = Append { entries: append.entries.clone(), marker: append.marker.clone(), ..append };
            match self.append_to(Heads { conversation, timeline }, append).await {
                Err(StoreError::Conflict) => bodies = Some(again),
                done => return done,
            }
        }
        Err(StoreError::Conflict)
    }

    /// Begins a conversation under an id of the caller's choice, as imports and demo data do. Fails with
    /// [`StoreError::Conflict`] when the id is taken.
    pub async fn open_as(&self, conversation: Conversation, append: Append<'_>) -> Result<Appended, StoreError> {
        let timeline = self.timeline(&conversation.contact_id).await?;
        self.append_to(Heads { conversation, timeline }, append).await
    }

    /// The contact's text-message conversation that is going on.
    pub async fn open_sms(&self, contact: &ContactId) -> Result<Option<Conversation>, StoreError> {
        let Some(id) = self.timeline(contact).await?.open_sms else { return Ok(None) };
        Ok(self.conversation(&id).await?.filter(|conversation| conversation.status() != Status::Ended))
    }

    /// Appends to the contact's text-message conversation, opening one where none is going on.
    pub async fn append_sms(&self, new: NewConversation, append: Append<'_>) -> Result<Appended, StoreError> {
        for collision in 0..MAX_COLLISIONS {
            let timeline = self.timeline(&new.contact_id).await?;
            let going_on = match &timeline.open_sms {
                Some(id) => self.conversation(id).await?.filter(|c| c.status() != Status::Ended),
                None => None,
            };
            let conversation = match going_on {
                Some(idle) if is_idle(&idle, append.at()) => {
                    self.end_idle(&idle.id, append.at()).await?;
                    continue;
                }
                Some(conversation) => conversation,
                None => self.begin(&new, collision)?,
            };
            let guard = |conversation: &Conversation, timeline: &Timeline| {
                still_open(conversation)?;
                (append.guard)(conversation, timeline)
            };
            let attempt = Append { entries: append.entries.clone(), marker: append.marker.clone(), guard: &guard };
            match self.append_to(Heads { conversation, timeline }, attempt).await {
                // Somebody else opened or ended one meanwhile: look again.
                Err(StoreError::Conflict) | Ok(Appended::Refused(crate::Refused::Ended)) => {}
                done => return done,
            }
        }
        Err(StoreError::Conflict)
    }

    /// Begins a conversation with its call. `provider_id` makes a second beginning of the same call change nothing.
    pub async fn open_call(
        &self,
        new: NewConversation,
        direction: Direction,
        provider_id: Option<&str>,
    ) -> Result<Appended, StoreError> {
        for collision in 0..MAX_COLLISIONS {
            let timeline = self.timeline(&new.contact_id).await?;
            let conversation = self.begin(&new, collision)?;
            let call_id =
                conversation.call_id.clone().ok_or_else(|| StoreError::corrupt("a call on another medium"))?;
            let append = Append::new(vec![EventBody::CallInitiated { call_id, direction }], new.started_at);
            let append = match provider_id {
                Some(id) => append.once("elevenlabs-call", id),
                None => append,
            };
            match self.append_to(Heads { conversation, timeline }, append).await {
                Err(StoreError::Conflict) => {}
                done => return done,
            }
        }
        Err(StoreError::Conflict)
    }

    fn begin(&self, new: &NewConversation, collision: u32) -> Result<Conversation, StoreError> {
        let digits = new.phone.digits();
        let invalid = |error| StoreError::Corrupt(Box::new(error));
        let id = ConversationId::dated(&digits, new.started_at, collision).map_err(invalid)?;
        let call = (new.medium == Medium::Voice)
            .then(|| CallId::dated(&digits, new.started_at, collision))
            .transpose()
            .map_err(invalid)?;
        Ok(Conversation::begin(id, call, self.organization_id.clone(), new.clone()))
    }

    async fn end_idle(&self, id: &ConversationId, at: Timestamp) -> Result<(), StoreError> {
        let ended = EventBody::ConversationEnded { reason: "idle".to_owned() };
        // Somebody may have written meanwhile.
        let still_idle =
            |c: &Conversation, _: &Timeline| if is_idle(c, at) { still_open(c) } else { Err(crate::Refused::Ended) };
        self.append(id, Append::new(vec![ended], at).only_if(&still_idle)).await.map(|_| ())
    }

    /// Lists the conversations that `accept` takes too, newest first. `after` is a page's `next`.
    ///
    /// Live and ended ones stand in two partitions of the index, under sort keys that never change: a conversation that
    /// ends between two pages is neither skipped nor repeated.
    pub async fn conversations(
        &self,
        filter: &ConversationFilter,
        accept: &(dyn Fn(&Conversation) -> bool + Sync),
        after: Option<&str>,
        limit: usize,
    ) -> Result<ConversationPage, StoreError> {
        let org = &self.organization_id;
        let partitions = match filter.status {
            Some(Status::Ended) => vec![keys::ended_index(org)],
            Some(Status::Active | Status::TakenOver) => vec![keys::live_index(org)],
            None => vec![keys::live_index(org), keys::ended_index(org)],
        };
        let mut page = ConversationPage::default();
        let mut cursor = after.map(str::to_owned);
        loop {
            let mut places = Vec::new();
            let mut more = false;
            for partition in &partitions {
                let run = self.index_page(partition, cursor.as_deref(), limit).await?;
                more |= run.len() >= limit;
                places.extend(run);
            }
            // Both runs are sorted; beyond the shortest full one nothing is known, so the merged page stops at `limit`.
            places.sort_by(|a, b| b.sort.cmp(&a.sort));
            places.dedup_by(|a, b| a.sort == b.sort);
            more |= places.len() > limit;
            places.truncate(limit);
            let conversations = self.load(&places).await?;
            for place in &places {
                cursor = Some(place.sort.clone());
                let found = conversations.get(&place.pk);
                page.conversations.extend(found.filter(|c| filter.accepts(c) && accept(c)).cloned());
                if page.conversations.len() == limit {
                    page.next.clone_from(&cursor);
                    return Ok(page);
                }
            }
            if !more {
                return Ok(page);
            }
        }
    }

    async fn index_page(&self, partition: &str, below: Option<&str>, limit: usize) -> Result<Vec<Place>, StoreError> {
        let query = self
            .store
            .client
            .query()
            .table_name(self.store.core())
            .index_name(INDEX)
            .expression_attribute_values(":partition", s(partition))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let query = match below {
            Some(sort) => query
                .key_condition_expression("gsi1pk = :partition AND gsi1sk < :below")
                .expression_attribute_values(":below", s(sort)),
            None => query.key_condition_expression("gsi1pk = :partition"),
        };
        let output = query.send().await?;
        output.items.unwrap_or_default().into_iter().map(from_item).collect()
    }

    /// The conversations of index entries, as of now: the index itself may lag.
    async fn load(&self, places: &[Place]) -> Result<HashMap<String, Conversation>, StoreError> {
        let items = self.store.get_all(places.iter().map(Place::key).collect()).await?;
        let conversations = items.into_iter().map(|item| {
            let pk = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
            Ok((pk, from_item(item)?))
        });
        conversations.collect()
    }
}

/// An index entry.
#[derive(serde::Deserialize)]
struct Place {
    pk: String,
    sk: String,
    #[serde(rename = "gsi1sk")]
    sort: String,
}

impl Place {
    fn key(&self) -> Item {
        Item::from([("pk".to_owned(), s(&self.pk)), ("sk".to_owned(), s(&self.sk))])
    }
}

fn is_idle(conversation: &Conversation, at: Timestamp) -> bool {
    conversation.admin_id.is_none() && at.millis() - conversation.updated_at.millis() > SMS_IDLE_MILLIS
}

fn still_open(conversation: &Conversation) -> Result<(), crate::Refused> {
    match conversation.status() {
        Status::Ended => Err(crate::Refused::Ended),
        Status::Active | Status::TakenOver => Ok(()),
    }
}
