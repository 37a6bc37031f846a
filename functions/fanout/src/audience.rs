//! Who is told of a conversation's new events, and telling them.

use crate::batch::Group;
use crate::desk::{Mark, Sent};
use crate::{State, Tally};
use conversations::delivery::{self, Delivery};
use conversations::{connections, frames};
use domain::access::{Sight, may_view, sight};
use domain::event::Event;
use domain::ids::ConnectionId;
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;
use store::{StoreError, Subscription, SubscriptionState, Tenant, Thread, Topic, now};

/// Connections posted to at once, per conversation: enough to use API Gateway's rate from one function (L10).
pub(crate) const PARALLEL_CONNECTIONS: usize = 200;

/// How much the stream's clock, which counts seconds, may be behind ours.
const CLOCKS: i64 = 2000;

/// Most events read to close a gap.
const GAP: usize = 1000;

/// Tells everybody who reads the conversation, its contact or the inbox.
pub(crate) async fn tell(state: &State, group: &Group) -> Tally {
    match readers(state, group).await {
        Ok(readers) => {
            let posts = stream::iter(readers)
                .map(|(id, subscriptions)| tell_connection(state, group, id, subscriptions))
                .buffer_unordered(PARALLEL_CONNECTIONS);
            posts
                .fold(Tally::default(), |mut total, tally| async move {
                    total.add(tally);
                    total
                })
                .await
        }
        Err(error) => failed(&error),
    }
}

pub(crate) fn failed(error: &StoreError) -> Tally {
    tracing::error!(error = error as &dyn std::error::Error, "events could not be told");
    Tally { failed: true, ..Tally::default() }
}

type Readers = BTreeMap<ConnectionId, Vec<(Topic, Subscription)>>;

async fn readers(state: &State, group: &Group) -> Result<Readers, StoreError> {
    let mut readers = Readers::new();
    let Some(first) = group.events.first() else { return Ok(readers) };
    let tenant = state.store.tenant(&first.organization_id);
    let topics =
        [Topic::Conversation(first.conversation_id.clone()), Topic::Contact(first.contact_id.clone()), Topic::Inbox];
    for topic in topics {
        for subscription in tenant.subscribers(&topic).await? {
            readers.entry(subscription.connection_id.clone()).or_default().push((topic.clone(), subscription));
        }
    }
    Ok(readers)
}

async fn tell_connection(
    state: &State,
    group: &Group,
    id: ConnectionId,
    subscriptions: Vec<(Topic, Subscription)>,
) -> Tally {
    let memory = state.desk.of(&id);
    let mut sent = memory.lock().await;
    let mut total = Tally::default();
    for (topic, subscription) in subscriptions {
        let reader = Reader { state, topic: &topic, subscription: &subscription };
        match reader.tell(group, &mut sent).await {
            Ok(tally) => total.add(tally),
            Err(error) => total.add(failed(&error)),
        }
        if total.gone > 0 {
            break;
        }
    }
    total
}

/// Posts one frame to whoever reads.
pub(crate) async fn post(state: &State, reader: &Subscription, frame: &[u8]) -> Result<Tally, StoreError> {
    match delivery::tell(&state.store, &state.push, reader, frame).await? {
        Delivery::Sent => Ok(Tally { posts: 1, ..Tally::default() }),
        Delivery::Gone | Delivery::TooSlow => {
            state.desk.forget(&reader.connection_id);
            Ok(Tally { gone: 1, ..Tally::default() })
        }
        // Too young to tell: not remembered as sent, so the next event brings this one too.
        Delivery::NotYet => Ok(Tally::default()),
        Delivery::Failed => Ok(Tally { failed: true, ..Tally::default() }),
    }
}

/// One subscription being served.
struct Reader<'a> {
    state: &'a State,
    topic: &'a Topic,
    subscription: &'a Subscription,
}

impl Reader<'_> {
    async fn tell(&self, group: &Group, sent: &mut Sent) -> Result<Tally, StoreError> {
        if self.subscription.principal.expires_at <= now().seconds() {
            return self.drop_connection().await;
        }
        let Some(thread) = self.topic.thread() else { return self.tell_inbox(group, sent).await };
        let Some(last) = group.events.last() else { return Ok(Tally::default()) };
        let tenant = self.tenant(last);
        let mut reached = self.subscription.reached;
        if self.subscription.state == SubscriptionState::CatchingUp {
            match tenant.leave_pending(self.topic, &self.subscription.connection_id, thread.seq_of(last)).await? {
                Some(live) => reached = live.reached,
                None => return Ok(Tally::default()),
            }
        }
        let mark = Mark::Thread(thread.clone());
        let known = sent.get(&mark).copied();
        let certain = known.is_some() || self.subscription.since >= self.state.desk.remembers_since();
        let base = known.map_or(reached, |seq| seq.max(reached));
        let events = self.next_events(&tenant, &thread, group, base, certain).await?;
        if events.is_empty() {
            return Ok(Tally { repeats: 1, ..Tally::default() });
        }
        let (tally, told) = self.post_events(&tenant, &thread, &events).await?;
        if let Some(told) = told {
            sent.insert(mark, told);
        }
        Ok(tally)
    }

    /// The events after `base`; what the batch does not hold is read from the log. After a cold start `base` may be long
    /// past: then only what the batch itself shows to be missing is read, and clients know repeats by their numbers.
    async fn next_events<'g>(
        &self,
        tenant: &Tenant,
        thread: &Thread,
        group: &'g Group,
        base: u64,
        certain: bool,
    ) -> Result<std::borrow::Cow<'g, [Event]>, StoreError> {
        let start = group.events.partition_point(|event| thread.seq_of(event) <= base);
        let new = group.events.get(start..).unwrap_or_default();
        let Some(first) = new.first() else { return Ok((&[]).into()) };
        let base = if certain { base } else { thread.seq_of(first) - 1 };
        if new.iter().zip(base + 1..).all(|(event, seq)| thread.seq_of(event) == seq) {
            return Ok(new.into());
        }
        Ok(tenant.events_after(thread, base, GAP).await?.into())
    }

    /// One short frame about the latest event. A repeat of a batch brings no newer one.
    async fn tell_inbox(&self, group: &Group, sent: &mut Sent) -> Result<Tally, StoreError> {
        let Some(last) = group.events.last() else { return Ok(Tally::default()) };
        let mark = Mark::Inbox(last.conversation_id.clone());
        let repeat = match sent.get(&mark) {
            Some(seq) => *seq >= last.seq,
            // Older than the subscription: whoever subscribes reads the list, and knows.
            None => group.written_millis.is_some_and(|at| at + CLOCKS < self.subscription.since.millis()),
        };
        if repeat {
            return Ok(Tally { repeats: 1, ..Tally::default() });
        }
        let frame = frames::inbox(last, &self.subscription.principal)?;
        let tally = self.post(&frame).await?;
        if tally.posts > 0 {
            sent.insert(mark, last.seq);
        }
        Ok(tally)
    }

    /// Posts until something does not arrive; gives the number up to which all did.
    async fn post_events(
        &self,
        tenant: &Tenant,
        thread: &Thread,
        events: &[Event],
    ) -> Result<(Tally, Option<u64>), StoreError> {
        let (mut total, mut told) = (Tally::default(), None);
        // A19, asked again of every event: what somebody else took over is not told to this viewer.
        let end = events.iter().position(|event| self.sight(event) == Sight::Closed).unwrap_or(events.len());
        let alike = |a: &Event, b: &Event| a.conversation_id == b.conversation_id && self.sight(a) == self.sight(b);
        for run in events.get(..end).unwrap_or_default().chunk_by(alike) {
            if run.first().is_some_and(|event| self.sight(event) == Sight::Hidden) {
                told = run.last().map(|event| thread.seq_of(event));
                continue;
            }
            for frame in frames::of_events(run)? {
                let tally = self.post(&frame).await?;
                total.add(tally);
                if tally.posts == 0 {
                    return Ok((total, told));
                }
            }
            told = run.last().map(|event| thread.seq_of(event));
        }
        if let Some(denied) = events.get(end) {
            total.add(self.post(&frames::access_ended(denied)?).await?);
            tenant.unsubscribe(self.topic, &self.subscription.connection_id).await?;
            told = events.last().map(|event| thread.seq_of(event));
        }
        Ok((total, told))
    }

    fn sight(&self, event: &Event) -> Sight {
        let viewer = &self.subscription.principal;
        match self.topic {
            Topic::Contact(_) => sight(viewer, event),
            _ if may_view(viewer, &event.organization_id, event.state.admin_id.as_ref()).is_ok() => Sight::Seen,
            _ => Sight::Closed,
        }
    }

    async fn post(&self, frame: &[u8]) -> Result<Tally, StoreError> {
        post(self.state, self.subscription, frame).await
    }

    async fn drop_connection(&self) -> Result<Tally, StoreError> {
        let State { store, push, desk } = self.state;
        let id = &self.subscription.connection_id;
        connections::end(store, push, id).await?;
        desk.forget(id);
        Ok(Tally { gone: 1, ..Tally::default() })
    }

    fn tenant(&self, event: &Event) -> Tenant {
        self.state.store.tenant(&event.organization_id)
    }
}
