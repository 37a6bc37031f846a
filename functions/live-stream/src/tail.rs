//! Following a log: look, deliver, wait; heartbeats in between; every look asks again whether the viewer may still see.

use crate::framing::Framing;
use bytes::Bytes;
use domain::access::{Sight, may_view, retain_visible, sight};
use domain::conversation::Status;
use domain::event::Event;
use domain::time::Timestamp;
use domain::user::Principal;
use futures_util::{Stream, stream};
use std::collections::VecDeque;
use std::time::Duration;
use store::{Head, Store, Thread, Watch, now};
use tokio::time::Instant;
use web::{ApiError, Code, sse};

/// Time between two looks while something happens.
const ACTIVE_POLL: Duration = Duration::from_millis(250);
/// How long after the last event a stream counts as active.
const ACTIVE_FOR: Duration = Duration::from_secs(10);
/// Events read at once.
const BATCH: usize = 500;
/// Failed looks in a row before the stream gives up and the client reconnects.
const MAX_FAILURES: u32 = 5;
/// What clients wait before they reconnect after a lease.
const RETRY: Duration = Duration::from_secs(1);

/// The times of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Time between two looks while nothing happens (A14).
    pub(crate) idle_poll: Duration,
    /// Time between two of the contract's heartbeats (A10).
    pub(crate) heartbeat: Duration,
    /// Time between two comments, which keep proxies awake (L4).
    pub(crate) ping: Duration,
    /// Life of one response; a Lambda never learns that its client left (L3).
    pub(crate) lease: Option<Duration>,
}

/// A stream over a thread.
pub(crate) struct Tail {
    store: Store,
    viewer: Principal,
    thread: Thread,
    framing: Framing,
    pace: Pace,
    /// The last event delivered.
    cursor: u64,
    ready: VecDeque<Bytes>,
    /// Whether the last look left events for the next one.
    behind: bool,
    done: bool,
    failures: u32,
    opened_at: Timestamp,
    active_until: Instant,
    next_look: Instant,
    next_heartbeat: Instant,
    next_ping: Instant,
    lease_end: Option<Instant>,
}

impl Tail {
    /// A stream that goes on after `cursor`, with blocks to send before it.
    pub(crate) fn new(
        store: Store,
        viewer: Principal,
        thread: Thread,
        framing: Framing,
        pace: Pace,
        cursor: u64,
        first: impl IntoIterator<Item = Bytes>,
    ) -> Self {
        let start = Instant::now();
        // A comment at once, so that the client sees an open stream even when there is nothing to say yet.
        let ready = std::iter::once(sse::comment("connected")).chain(first).collect();
        Self {
            store,
            viewer,
            thread,
            framing,
            pace,
            cursor,
            ready,
            behind: false,
            done: false,
            failures: 0,
            opened_at: now(),
            active_until: start + ACTIVE_FOR,
            next_look: start,
            next_heartbeat: start + pace.heartbeat,
            next_ping: start + pace.ping,
            lease_end: pace.lease.map(|lease| start + lease),
        }
    }

    /// The stream's blocks.
    pub(crate) fn blocks(self) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::unfold(self, |mut tail| async move {
            let block = tail.next().await?;
            Some((block, tail))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(block) = self.ready.pop_front() {
                return Some(block);
            }
            if self.done {
                return None;
            }
            self.step().await;
        }
    }

    async fn step(&mut self) {
        let timers = [Some(self.next_look), Some(self.next_heartbeat), Some(self.next_ping), self.lease_end];
        if let Some(next) = timers.into_iter().flatten().min() {
            tokio::time::sleep_until(next).await;
        }
        let time = Instant::now();
        if self.lease_end.is_some_and(|end| end <= time) {
            self.end(sse::retry(RETRY));
            return;
        }
        if self.next_look <= time {
            self.look().await;
            self.next_look = Instant::now() + self.pause(time);
            if self.done {
                // What was just said is the last of it.
                return;
            }
        }
        if self.next_heartbeat <= time {
            self.ready.push_back(self.framing.heartbeat(now()));
            self.next_heartbeat = time + self.pace.heartbeat;
        } else if self.next_ping <= time {
            self.ready.push_back(sse::comment("ping"));
        }
        if self.next_ping <= time {
            self.next_ping = time + self.pace.ping;
        }
    }

    fn pause(&self, time: Instant) -> Duration {
        match (self.behind, time < self.active_until) {
            (true, _) => Duration::ZERO,
            (false, true) => ACTIVE_POLL.min(self.pace.idle_poll),
            (false, false) => self.pace.idle_poll,
        }
    }

    async fn look(&mut self) {
        let result = match self.store.watch(&self.viewer, &self.thread).await {
            Ok(watch) => self.deliver(watch).await,
            Err(error) => Err(ApiError::from(error)),
        };
        match result {
            Ok(()) => self.failures = 0,
            // A passing fault of the table is no reason to cut a stream.
            Err(error) if error.code == Code::Unavailable && self.failures < MAX_FAILURES => self.failures += 1,
            Err(error) => {
                tracing::info!(code = error.code.as_str(), "stream ended");
                self.end(self.framing.error(&error));
            }
        }
    }

    async fn deliver(&mut self, watch: Watch) -> Result<(), ApiError> {
        if !watch.token_valid {
            return Err(Code::InvalidToken.into());
        }
        let Some(head) = watch.head else { return Ok(()) };
        let admin = match &head {
            Head::Conversation(conversation) => conversation.admin_id.as_ref(),
            Head::Contact(timeline) => timeline.admin_id.as_ref(),
        };
        may_view(&self.viewer, &self.viewer.organization_id, admin)?;
        if head.last_seq() > self.cursor {
            let tenant = self.store.tenant(&self.viewer.organization_id);
            let mut events = tenant.events_after(&self.thread, self.cursor, BATCH).await?;
            if let Some(last) = events.last() {
                // Appended after the look above, and perhaps by somebody who took over: the next look decides.
                // Of a contact's conversations some may be another's; what may not be seen is left out below.
                if matches!(self.thread, Thread::Conversation(_)) {
                    may_view(&self.viewer, &self.viewer.organization_id, last.state.admin_id.as_ref())?;
                }
                self.cursor = self.thread.seq_of(last);
                self.active_until = Instant::now() + ACTIVE_FOR;
            }
            self.behind = events.len() == BATCH;
            // A takeover of before is no reason to end a stream that began after it.
            let taken = |event: &Event| event.at >= self.opened_at && sight(&self.viewer, event) == Sight::Closed;
            let closed = match self.thread {
                Thread::Contact(_) => events.iter().position(taken),
                Thread::Conversation(_) => None,
            };
            events.truncate(closed.unwrap_or(events.len()));
            retain_visible(&self.viewer, &mut events);
            self.ready.extend(self.framing.events(&events));
            if closed.is_some() {
                return Err(Code::TakenOver.into());
            }
        }
        let over = matches!(&head, Head::Conversation(c) if c.status() == Status::Ended);
        if over
            && self.cursor >= head.last_seq()
            && let Some(ended) = self.framing.ended(self.cursor)
        {
            self.end(ended);
        }
        Ok(())
    }

    fn end(&mut self, last: Bytes) {
        self.ready.push_back(last);
        self.done = true;
    }
}
