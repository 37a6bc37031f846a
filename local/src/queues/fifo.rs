//! One FIFO queue, without clock, file and tasks: time comes in as milliseconds since 1970.
//!
//! Invariant: what is in flight or hidden is the beginning of its group, and blocks the rest of it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::message::Message;
use crate::template::Deduplication;

/// How long a deduplication id is remembered. Not scaled: time that runs faster must not show a duplicate which AWS
/// would have swallowed.
pub(super) const DEDUPLICATION_MS: u64 = 5 * 60 * 1000;

/// The largest event that Lambda takes, less what stands around the bodies and what escaping adds to them.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sizes {
    /// All that are not in flight.
    pub(super) waiting: usize,
    pub(super) in_flight: usize,
    /// Those of `waiting` that failed and are still hidden.
    pub(super) delayed: usize,
}

#[derive(Debug)]
pub(super) struct Fifo {
    scope: Deduplication,
    groups: BTreeMap<String, Group>,
    /// When which id was sent.
    seen: HashMap<(String, String), u64>,
}

#[derive(Debug, Default)]
struct Group {
    messages: VecDeque<Message>,
    /// Messages of the running batch.
    in_flight: usize,
    /// When that batch was received.
    received_ms: u64,
    /// Until then the messages that failed last, now at the beginning, are hidden.
    hidden_until: u64,
    /// How many those are.
    hidden: usize,
}

impl Group {
    fn ready(&self, now: u64) -> bool {
        self.in_flight == 0 && self.hidden_until <= now && !self.messages.is_empty()
    }
}

impl Fifo {
    pub(super) fn new(scope: Deduplication) -> Self {
        Self { scope, groups: BTreeMap::new(), seen: HashMap::new() }
    }

    fn key(&self, group: &str, deduplication: &str) -> (String, String) {
        let group = match self.scope {
            Deduplication::Queue => "",
            Deduplication::Group => group,
        };
        (group.to_owned(), deduplication.to_owned())
    }

    /// Whether the same id was sent in the last five minutes.
    pub(super) fn is_duplicate(&self, group: &str, deduplication: &str, now: u64) -> bool {
        let sent = self.seen.get(&self.key(group, deduplication));
        sent.is_some_and(|sent| now < sent.saturating_add(DEDUPLICATION_MS))
    }

    pub(super) fn remember(&mut self, group: &str, deduplication: &str, sent_ms: u64) {
        self.seen.insert(self.key(group, deduplication), sent_ms);
    }

    /// Ids that are still remembered: group, deduplication id, time.
    pub(super) fn remembered(&mut self, now: u64) -> impl Iterator<Item = (&str, &str, u64)> {
        self.seen.retain(|_, sent| now < sent.saturating_add(DEDUPLICATION_MS));
        self.seen.iter().map(|((group, deduplication), sent)| (group.as_str(), deduplication.as_str(), *sent))
    }

    /// Adds a message at the end of its group.
    pub(super) fn push(&mut self, message: Message) {
        self.groups.entry(message.group.clone()).or_default().messages.push_back(message);
    }

    /// The message that would be received next.
    pub(super) fn next(&self, now: u64) -> Option<&Message> {
        let ready = self.groups.values().filter(|group| group.ready(now));
        ready.filter_map(|group| group.messages.front()).min_by_key(|message| message.sequence)
    }

    /// Ids of the next batch: the first messages of the group of [`Fifo::next`], up to one that was received
    /// `max_receives` times.
    pub(super) fn next_batch(&self, most: usize, max_receives: u32, now: u64) -> Vec<String> {
        let Some(group) = self.next(now).and_then(|message| self.groups.get(&message.group)) else {
            return Vec::new();
        };
        let mut bytes = 0;
        let fits = |message: &&Message| {
            let first = bytes == 0;
            bytes += message.body.len();
            message.receives < max_receives && (first || bytes <= MOST_BYTES)
        };
        group.messages.iter().take(most).take_while(fits).map(|message| message.id.clone()).collect()
    }

    /// Counts a receipt of these messages, wherever they are.
    pub(super) fn count_receipt(&mut self, ids: &[String], now: u64) {
        let messages = self.groups.values_mut().flat_map(|group| group.messages.iter_mut());
        for message in messages.filter(|message| ids.contains(&message.id)) {
            message.receives += 1;
            message.first_received_ms.get_or_insert(now);
        }
    }

    /// Takes a batch into flight: the first messages of the group.
    pub(super) fn begin(&mut self, group: &str, count: usize, now: u64) -> Vec<Message> {
        let Some(group) = self.groups.get_mut(group) else {
            return Vec::new();
        };
        group.in_flight = count;
        group.received_ms = now;
        group.hidden = 0;
        group.messages.iter().take(count).cloned().collect()
    }

    /// Whether the message is in flight. After a purge it is not, though its function may still run.
    pub(super) fn flies(&self, message: &Message) -> bool {
        let group = self.groups.get(&message.group);
        let flying = group.into_iter().flat_map(|group| group.messages.iter().take(group.in_flight));
        flying.into_iter().any(|one| one.id == message.id)
    }

    /// Ends the flight of a batch. What is still there stays hidden for the rest of the visibility timeout.
    pub(super) fn end(&mut self, group: &str, visibility_ms: u64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.hidden = std::mem::take(&mut group.in_flight);
            group.hidden_until = if group.hidden > 0 { group.received_ms.saturating_add(visibility_ms) } else { 0 };
        }
    }

    pub(super) fn remove(&mut self, ids: &[String]) {
        self.groups.retain(|_, group| {
            let Group { messages, in_flight, hidden, .. } = group;
            let leading = (*in_flight).max(*hidden);
            let gone = messages.iter().take(leading).filter(|message| ids.contains(&message.id)).count();
            *in_flight = in_flight.saturating_sub(gone);
            *hidden = hidden.saturating_sub(gone);
            messages.retain(|message| !ids.contains(&message.id));
            !messages.is_empty()
        });
    }

    /// All messages, oldest first.
    pub(super) fn messages(&self) -> Vec<&Message> {
        let mut messages: Vec<&Message> = self.groups.values().flat_map(|group| &group.messages).collect();
        messages.sort_by_key(|message| message.sequence);
        messages
    }

    pub(super) fn clear(&mut self) -> usize {
        let count = self.groups.values().map(|group| group.messages.len()).sum();
        self.groups.clear();
        count
    }

    /// Messages that are older than they may get, and not in flight.
    pub(super) fn expired(&self, sent_before: u64) -> Vec<String> {
        let idle = self.groups.values().filter(|group| group.in_flight == 0);
        let old = idle.flat_map(|group| group.messages.iter().take_while(|message| message.sent_ms < sent_before));
        old.map(|message| message.id.clone()).collect()
    }

    /// When the next hidden message shows itself.
    pub(super) fn next_due(&self, now: u64) -> Option<u64> {
        let hidden = self.groups.values().filter(|group| group.in_flight == 0 && group.hidden_until > now);
        hidden.map(|group| group.hidden_until).min()
    }

    pub(super) fn sizes(&self, now: u64) -> Sizes {
        let mut sizes = Sizes::default();
        for group in self.groups.values() {
            sizes.in_flight += group.in_flight;
            sizes.waiting += group.messages.len() - group.in_flight.min(group.messages.len());
            if group.in_flight == 0 && group.hidden_until > now {
                sizes.delayed += group.hidden;
            }
        }
        sizes
    }
}
