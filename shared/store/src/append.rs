//! Appending to the log: one transaction per append, so that numbers have no gap and a reader that has seen number n
//! has seen everything before it (U1, datastore.md 4.2).
//!
//! The transaction replaces the heads of the conversation and of the contact's timeline on the condition that nobody
//! appended since they were read. Because a conversation changes only by appends, every rule checked on the state that
//! was read ([`Append::guard`]) still holds at commit.

use crate::error::StoreError;
use crate::item::{Item, event_item, from_item, n, s, to_item};
use crate::keys;
use crate::table::{action, cancellation, is_busy, pause, put_new};
use crate::{Tenant, leases, now, outgoing};
use aws_sdk_dynamodb::types::{CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use domain::contact::Timeline;
use domain::conversation::{Conversation, Status};
use domain::event::{Event, EventBody};
use domain::ids::ConversationId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Most events of one append: each is written twice (conversation and timeline), maybe with a record of its delivery,
/// beside five other records, and a transaction holds 100 actions.
pub const MAX_EVENTS: usize = 30;

/// Twelve writers in one conversation need four attempts at the median; a transaction that still loses after this many
/// meets something else than other writers.
const MAX_ATTEMPTS: u32 = 100;

/// Markers outlive every provider's retries.
const MARKER_SECONDS: i64 = 30 * 86_400;

/// What an append is claimed by, so that a second delivery of the same thing changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Whose id it is, such as `twilio`.
    pub source: &'static str,
    /// The provider's id of the delivery.
    pub id: String,
}

/// Why a guard refuses an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The conversation is over.
    Ended,
    /// A person is in control.
    UnderHumanControl,
    /// Nobody is in control.
    NotUnderControl,
    /// Somebody else is in control.
    NotInControl,
    /// What the append was begun on has changed: newer messages, or a takeover in between.
    Outdated,
}

/// A rule on the conversation and on the contact's timeline that an append builds on. Both are as they will be at commit.
pub type Guard<'a> = &'a (dyn Fn(&Conversation, &Timeline) -> Result<(), Refused> + Sync);

/// Events to append.
pub struct Append<'a> {
    /// What happened, and when, in order; at most [`MAX_EVENTS`].
    pub entries: Vec<(Timestamp, EventBody)>,
    /// What it is claimed by.
    pub marker: Option<Marker>,
    /// A rule on the state that the append builds on.
    pub guard: Guard<'a>,
}

impl Append<'static> {
    /// Events of one moment that may always be appended.
    pub fn new(bodies: Vec<EventBody>, at: Timestamp) -> Self {
        Self::timed(bodies.into_iter().map(|body| (at, body)).collect())
    }

    /// Events of different moments that may always be appended.
    pub fn timed(entries: Vec<(Timestamp, EventBody)>) -> Self {
        Self { entries, marker: None, guard: &|_, _| Ok(()) }
    }
}

impl Append<'_> {
    /// The same, claimed by a marker.
    pub fn once(self, source: &'static str, id: impl Into<String>) -> Self {
        Self { marker: Some(Marker { source, id: id.into() }), ..self }
    }

    /// The same, only where a rule holds.
    pub fn only_if<'a>(self, guard: Guard<'a>) -> Append<'a>
    where
        Self: 'a,
    {
        Append { entries: self.entries, marker: self.marker, guard }
    }

    /// When the first of them happened.
    pub(crate) fn at(&self) -> Timestamp {
        self.entries.first().map_or(Timestamp::from_millis(0), |(at, _)| *at)
    }
}

/// What became of an append.
#[derive(Debug)]
pub enum Appended {
    /// It is in the log.
    New {
        /// The conversation just after it.
        conversation: Box<Conversation>,
        /// The events, numbered.
        events: Vec<Event>,
    },
    /// It was there already.
    Duplicate {
        /// Where.
        conversation_id: ConversationId,
        /// From which number on.
        seq: u64,
    },
    /// The guard said no.
    Refused(Refused),
}

#[derive(Serialize, Deserialize)]
struct MarkerRecord {
    conversation_id: ConversationId,
    seq: u64,
    ttl: i64,
}

/// What an append builds on.
pub(crate) struct Heads {
    pub(crate) conversation: Conversation,
    pub(crate) timeline: Timeline,
}

impl Tenant {
    /// Appends to a conversation. `None` when there is none of that id.
    pub async fn append(&self, id: &ConversationId, append: Append<'_>) -> Result<Option<Appended>, StoreError> {
        let Some(conversation) = self.conversation(id).await? else { return Ok(None) };
        let timeline = self.timeline(&conversation.contact_id).await?;
        self.append_to(Heads { conversation, timeline }, append).await.map(Some)
    }

    /// Appends onto heads that were just read (or, with `last_seq` 0, begin a conversation).
    pub(crate) async fn append_to(&self, mut heads: Heads, append: Append<'_>) -> Result<Appended, StoreError> {
        if append.entries.is_empty() || append.entries.len() > MAX_EVENTS {
            return Err(StoreError::TooLarge);
        }
        for attempt in 0..MAX_ATTEMPTS {
            if let Err(refused) = (append.guard)(&heads.conversation, &heads.timeline) {
                return Ok(Appended::Refused(refused));
            }
            let draft = Draft::make(&heads, &append);
            match self.commit(&heads, &draft, append.marker.as_ref()).await? {
                Commit::Done => {
                    return Ok(Appended::New { conversation: Box::new(draft.conversation), events: draft.events });
                }
                Commit::Duplicate(at) => {
                    return Ok(Appended::Duplicate { conversation_id: at.conversation_id, seq: at.seq });
                }
                // A conversation that was to begin: somebody else began it, or another one, or its id is taken.
                // Only the caller knows what to do then.
                Commit::Moved { .. } | Commit::Taken if heads.conversation.last_seq == 0 => {
                    return Err(StoreError::Conflict);
                }
                Commit::Moved { conversation, timeline } => {
                    heads.conversation = conversation.map_or(heads.conversation, |conversation| *conversation);
                    heads.timeline = timeline.unwrap_or(heads.timeline);
                    // At once: what was learned grows old while one waits, so that a pause would only let others pass.
                }
                Commit::Busy | Commit::Taken => pause(attempt).await,
            }
        }
        Err(StoreError::Conflict)
    }

    async fn commit(&self, heads: &Heads, draft: &Draft, marker: Option<&Marker>) -> Result<Commit, StoreError> {
        let plan = self.plan(heads, draft, marker)?;
        let request = self.store.client.transact_write_items().set_transact_items(Some(plan.actions));
        let Err(error) = request.send().await else { return Ok(Commit::Done) };
        let Some(reasons) = cancellation(&error) else {
            let error = StoreError::from(error);
            return if matches!(error, StoreError::Conflict) { Ok(Commit::Busy) } else { Err(error) };
        };
        let failed = |index: usize| reasons.get(index).filter(|reason| reason.code() == Some("ConditionalCheckFailed"));
        if let (Some(index), Some(marker)) = (plan.marker, marker)
            && failed(index).is_some()
        {
            return self.duplicate(marker).await;
        }
        if plan.owner.is_some_and(|index| failed(index).is_some()) {
            return Ok(Commit::Taken);
        }
        if failed(CONVERSATION).is_some() || failed(TIMELINE).is_some() {
            return Ok(Commit::Moved {
                conversation: old_image(failed(CONVERSATION))?.map(Box::new),
                timeline: old_image(failed(TIMELINE))?,
            });
        }
        if reasons.iter().any(is_busy) { Ok(Commit::Busy) } else { Err(StoreError::from(error)) }
    }

    async fn duplicate(&self, marker: &Marker) -> Result<Commit, StoreError> {
        let key = keys::marker(&self.organization_id, marker.source, &marker.id);
        let item = self.store.get(self.store.ephemeral(), &key).await?;
        // A marker that expired between the two calls frees its id: the append may try again.
        item.map_or(Ok(Commit::Busy), |item| from_item(item).map(Commit::Duplicate))
    }

    fn plan(&self, heads: &Heads, draft: &Draft, marker: Option<&Marker>) -> Result<Plan, StoreError> {
        let store = &self.store;
        let org = &self.organization_id;
        let conversation = &draft.conversation;
        let contact = &conversation.contact_id;
        let mut actions = vec![
            put_if_unmoved(store.core(), conversation_item(org, conversation)?, heads.conversation.last_seq)?,
            put_if_unmoved(
                store.core(),
                to_item(&keys::timeline_head(org, contact), "timeline", &draft.timeline)?,
                heads.timeline.last_seq,
            )?,
        ];
        let marker = match (marker, draft.events.first()) {
            (Some(marker), Some(first)) => {
                let record = MarkerRecord {
                    conversation_id: conversation.id.clone(),
                    seq: first.seq,
                    ttl: now().plus_seconds(MARKER_SECONDS).seconds(),
                };
                let key = keys::marker(org, marker.source, &marker.id);
                actions.push(put_new(store.ephemeral(), to_item(&key, "marker", &record)?)?);
                Some(actions.len() - 1)
            }
            _ => None,
        };
        let owner = (heads.conversation.last_seq == 0).then_some(actions.len());
        if owner.is_some() {
            let mut owner = keys::conversation_owner(&conversation.id).attributes();
            owner.insert("etype".to_owned(), s("owner"));
            owner.insert("organization_id".to_owned(), s(org.as_str()));
            actions.push(put_new(store.core(), owner)?);
        }
        for event in &draft.events {
            let mut item = event_item(&keys::event(org, &conversation.id, event.seq), event)?;
            if event.body.needs_follow_up() {
                item.insert(keys::FOLLOW_UP.to_owned(), s(conversation.id.log_id()));
            }
            actions.push(put_new(store.core(), item)?);
            let entry = keys::timeline_entry(org, contact, event.contact_seq);
            actions.push(put_new(store.core(), event_item(&entry, event)?)?);
            actions.extend(outgoing::record(store.core(), event, conversation.epoch)?);
        }
        actions.extend(leases::change(store.core(), &heads.conversation, draft)?);
        Ok(Plan { actions, marker, owner })
    }
}

struct Plan {
    actions: Vec<TransactWriteItem>,
    marker: Option<usize>,
    owner: Option<usize>,
}

/// Positions of the two heads in the transaction.
const CONVERSATION: usize = 0;
const TIMELINE: usize = 1;

enum Commit {
    Done,
    Duplicate(MarkerRecord),
    Moved { conversation: Option<Box<Conversation>>, timeline: Option<Timeline> },
    Taken,
    Busy,
}

/// The records as they will be.
pub(crate) struct Draft {
    pub(crate) conversation: Conversation,
    timeline: Timeline,
    pub(crate) events: Vec<Event>,
}

impl Draft {
    fn make(heads: &Heads, append: &Append<'_>) -> Self {
        let mut conversation = heads.conversation.clone();
        let mut timeline = heads.timeline.clone();
        let events = append
            .entries
            .iter()
            .map(|(at, body)| {
                timeline.last_seq += 1;
                let event = conversation.apply(body.clone(), *at, timeline.last_seq);
                timeline.take(&conversation, body);
                event
            })
            .collect();
        Self { conversation, timeline, events }
    }
}

/// A conversation's head with its place in the index.
fn conversation_item(org: &domain::ids::OrganizationId, conversation: &Conversation) -> Result<Item, StoreError> {
    let mut item = to_item(&keys::conversation_head(org, &conversation.id), "conversation", conversation)?;
    let index = match conversation.status() {
        Status::Ended => keys::ended_index(org),
        Status::Active | Status::TakenOver => keys::live_index(org),
    };
    item.insert("gsi1pk".to_owned(), s(index));
    let sort = keys::index_sort(conversation.started_at.millis(), conversation.id.as_str());
    item.insert("gsi1sk".to_owned(), s(sort));
    Ok(item)
}

fn put_if_unmoved(table: &str, item: Item, last_seq: u64) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    action(if last_seq == 0 {
        put.condition_expression("attribute_not_exists(pk)")
    } else {
        put.condition_expression("last_seq = :last").expression_attribute_values(":last", n(last_seq))
    })
}

fn old_image<T: serde::de::DeserializeOwned>(reason: Option<&CancellationReason>) -> Result<Option<T>, StoreError> {
    reason.and_then(CancellationReason::item).map(|item| from_item(item.clone())).transpose()
}
