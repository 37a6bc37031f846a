//! All queues and their file: every change is a step of the journal, and replaying the journal makes the same changes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::fifo::Fifo;
use super::journal::{Journal, Step};
use super::message::Message;
use super::{SendError, Sent, millis};
use crate::http::system;
use crate::template::{self, DeadLetterPolicy, Template};

pub(super) struct State {
    queues: BTreeMap<String, Queue>,
    journal: Journal,
    /// The last sequence number.
    sequence: u64,
}

struct Queue {
    fifo: Fifo,
    visibility_ms: u64,
    retention_ms: u64,
    dead_letters: Option<DeadLetterPolicy>,
    counts: Counts,
}

/// Counts since the start.
#[derive(Default)]
struct Counts {
    sent: u64,
    duplicates: u64,
    handled: u64,
    failed: u64,
    given_up: u64,
}

impl State {
    /// `scaled` is a visibility timeout in the time of this run.
    pub(super) fn open(
        template: &Template,
        scaled: impl Fn(Duration) -> u64,
        data_dir: &Path,
        now: u64,
    ) -> io::Result<Self> {
        let queue = |queue: &template::Queue| {
            let fifo = Fifo::new(queue.fifo?.deduplication);
            let (visibility_ms, retention_ms) = (scaled(queue.visibility), millis(queue.retention));
            let dead_letters = queue.dead_letters.clone();
            let queue_state = Queue { fifo, visibility_ms, retention_ms, dead_letters, counts: Counts::default() };
            Some((queue.name.clone(), queue_state))
        };
        let (journal, steps) = Journal::open(data_dir)?;
        let mut state = Self { queues: template.queues.iter().filter_map(queue).collect(), journal, sequence: 0 };
        for step in steps {
            state.apply(step);
        }
        state.rewrite(now)?;
        Ok(state)
    }

    /// Steps of queues that the template no longer has are left out.
    fn apply(&mut self, step: Step) {
        match step {
            Step::Sent { queue, message } => {
                self.sequence = self.sequence.max(message.sequence);
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.fifo.remember(&message.group, &message.deduplication, message.sent_ms);
                    queue.fifo.push(message);
                }
            }
            Step::Numbered { sequence } => self.sequence = self.sequence.max(sequence),
            Step::Seen { queue, group, deduplication, sent_ms } => {
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.fifo.remember(&group, &deduplication, sent_ms);
                }
            }
            Step::Received { queue, ids, at_ms } => {
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.fifo.count_receipt(&ids, at_ms);
                }
            }
            Step::Done { queue, ids } => {
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.fifo.remove(&ids);
                }
            }
            Step::Moved { from, id, to, message } => {
                self.sequence = self.sequence.max(message.sequence);
                if let Some(queue) = self.queues.get_mut(&from) {
                    queue.fifo.remove(&[id]);
                }
                if let Some(queue) = self.queues.get_mut(&to) {
                    queue.fifo.push(message);
                }
            }
            Step::Purged { queue } => {
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.fifo.clear();
                }
            }
        }
    }

    /// A step that has happened, whether the disk takes it or not: at worst it happens again after a restart.
    fn record(&mut self, step: Step) {
        if let Err(error) = self.journal.write(&step) {
            tracing::error!(%error, "cannot keep a step of a queue; a restart may deliver messages again");
        }
        self.apply(step);
    }

    fn rewrite(&mut self, now: u64) -> io::Result<()> {
        let mut steps = vec![Step::Numbered { sequence: self.sequence }];
        for (name, queue) in &mut self.queues {
            let seen = queue.fifo.remembered(now).map(|(group, deduplication, sent_ms)| Step::Seen {
                queue: name.clone(),
                group: group.to_owned(),
                deduplication: deduplication.to_owned(),
                sent_ms,
            });
            steps.extend(seen);
            let sent = |message: &Message| Step::Sent { queue: name.clone(), message: message.clone() };
            steps.extend(queue.fifo.messages().into_iter().map(sent));
        }
        self.journal.rewrite(&steps)
    }

    /// In most runs this never happens: it is for one that goes on for days.
    fn rewrite_if_long(&mut self, now: u64) {
        let remembered = |queue: &mut Queue| queue.fifo.remembered(now).count() + queue.fifo.messages().len();
        let lines = self.queues.values_mut().map(remembered).sum();
        if self.journal.is_long(lines)
            && let Err(error) = self.rewrite(now)
        {
            tracing::warn!(%error, "cannot rewrite the file of the queues");
        }
    }

    /// Grows also where a file of an earlier version has not kept the last number.
    fn next_sequence(&mut self, now: u64) -> u64 {
        self.sequence = self.sequence.saturating_add(1).max(now.saturating_mul(1000));
        self.sequence
    }

    pub(super) fn send(
        &mut self,
        name: &str,
        group: &str,
        deduplication: &str,
        body: &str,
        now: u64,
    ) -> Result<Sent, SendError> {
        let queue = self.queues.get_mut(name).ok_or_else(|| SendError::Unknown(name.to_owned()))?;
        if queue.fifo.is_duplicate(group, deduplication, now) {
            queue.counts.duplicates += 1;
            return Ok(Sent::Duplicate);
        }
        let message = Message {
            id: system::uuid().to_string(),
            group: group.to_owned(),
            deduplication: deduplication.to_owned(),
            body: body.to_owned(),
            sequence: self.next_sequence(now),
            sent_ms: now,
            receives: 0,
            first_received_ms: None,
            source: None,
        };
        let step = Step::Sent { queue: name.to_owned(), message };
        // Here the disk has to take it: the sender forgets the message.
        self.journal.write(&step)?;
        self.apply(step);
        if let Some(queue) = self.queues.get_mut(name) {
            queue.counts.sent += 1;
        }
        Ok(Sent::New)
    }

    pub(super) fn receive(&mut self, name: &str, most: usize, now: u64) -> Option<Vec<Message>> {
        self.expire(name, now);
        self.give_up(name, now);
        let queue = self.queues.get(name)?;
        let group = queue.fifo.next(now)?.group.clone();
        let ids = queue.fifo.next_batch(most, queue.max_receives(), now);
        let count = ids.len();
        self.record(Step::Received { queue: name.to_owned(), ids, at_ms: now });
        Some(self.queues.get_mut(name)?.fifo.begin(&group, count, now))
    }

    /// Moves what was received too often, as SQS does when somebody asks for it once more.
    fn give_up(&mut self, name: &str, now: u64) {
        while let Some((message, to)) = self.given_up(name, now) {
            let id = message.id.clone();
            tracing::warn!(queue = name, message = id, receives = message.receives, "a message is a dead letter");
            let message = Message { source: Some(name.to_owned()), sent_ms: now, ..message };
            self.record(Step::Moved { from: name.to_owned(), id, to, message });
            if let Some(queue) = self.queues.get_mut(name) {
                queue.counts.given_up += 1;
            }
        }
    }

    fn given_up(&self, name: &str, now: u64) -> Option<(Message, String)> {
        let queue = self.queues.get(name)?;
        let policy = queue.dead_letters.as_ref()?;
        let message = queue.fifo.next(now).filter(|message| message.receives >= policy.max_receives)?;
        Some((message.clone(), policy.queue.clone()))
    }

    fn expire(&mut self, name: &str, now: u64) {
        let expired = self.queues.get(name).map(|queue| queue.fifo.expired(now.saturating_sub(queue.retention_ms)));
        if let Some(ids) = expired.filter(|ids| !ids.is_empty()) {
            tracing::warn!(queue = name, messages = ids.len(), "messages got too old and are thrown away");
            self.record(Step::Done { queue: name.to_owned(), ids });
        }
    }

    pub(super) fn settle(&mut self, name: &str, batch: &[Message], taken: usize, now: u64) {
        let flies = |first: &&Message| self.queues.get(name).is_some_and(|queue| queue.fifo.flies(first));
        let Some(first) = batch.first().filter(flies) else {
            return;
        };
        let ids: Vec<String> = batch.iter().take(taken).map(|message| message.id.clone()).collect();
        if !ids.is_empty() {
            self.record(Step::Done { queue: name.to_owned(), ids });
        }
        if let Some(queue) = self.queues.get_mut(name) {
            queue.fifo.end(&first.group, queue.visibility_ms);
            queue.counts.handled += taken as u64;
            queue.counts.failed += batch.len().saturating_sub(taken) as u64;
        }
        self.rewrite_if_long(now);
    }

    #[cfg(test)]
    pub(super) fn bodies(&self, name: &str) -> Vec<String> {
        let messages = self.queues.get(name).map(|queue| queue.fifo.messages()).unwrap_or_default();
        messages.into_iter().map(|message| message.body.clone()).collect()
    }

    pub(super) fn visibility_ms(&self, name: &str) -> u64 {
        self.queues.get(name).map_or(0, |queue| queue.visibility_ms)
    }

    pub(super) fn next_due(&self, name: &str, now: u64) -> Option<u64> {
        self.queues.get(name)?.fifo.next_due(now)
    }

    /// `None` if there is no such dead-letter queue.
    pub(super) fn redrive(&mut self, name: &str, now: u64) -> Option<usize> {
        if !self.is_dead_letter_queue(name) {
            return None;
        }
        let letters: Vec<Message> = self.queues.get(name)?.fifo.messages().into_iter().cloned().collect();
        let mut moved = 0;
        for letter in letters {
            let Some(to) = letter.source.clone().filter(|source| self.queues.contains_key(source)) else {
                continue;
            };
            // A new message in all but its content, as on AWS.
            let message = Message {
                id: system::uuid().to_string(),
                sequence: self.next_sequence(now),
                sent_ms: now,
                receives: 0,
                first_received_ms: None,
                source: None,
                ..letter.clone()
            };
            self.record(Step::Moved { from: name.to_owned(), id: letter.id, to, message });
            moved += 1;
        }
        Some(moved)
    }

    /// `None` if there is no such queue.
    pub(super) fn purge(&mut self, name: &str) -> Option<usize> {
        let count = self.queues.get(name)?.fifo.messages().len();
        self.record(Step::Purged { queue: name.to_owned() });
        Some(count)
    }

    fn is_dead_letter_queue(&self, name: &str) -> bool {
        self.queues.values().filter_map(|queue| queue.dead_letters.as_ref()).any(|policy| policy.queue == name)
    }

    pub(super) fn counts(&self, now: u64) -> Value {
        let counts = |(name, queue): (&String, &Queue)| {
            let (sizes, counts) = (queue.fifo.sizes(now), &queue.counts);
            let json = json!({
                "sent": counts.sent,
                "duplicates": counts.duplicates,
                "handled": counts.handled,
                "failed": counts.failed,
                "given_up": counts.given_up,
                "waiting": sizes.waiting,
                "in_flight": sizes.in_flight,
                "delayed": sizes.delayed,
            });
            (name.clone(), json)
        };
        self.queues.iter().map(counts).collect::<Map<_, _>>().into()
    }

    /// The dead letters of a queue stand both with it and with their own queue.
    pub(super) fn list(&mut self, now: u64) -> Value {
        let names: Vec<String> = self.queues.keys().cloned().collect();
        for name in &names {
            self.expire(name, now);
        }
        self.queues.iter().map(|(name, queue)| self.shown(name, queue, now)).collect()
    }

    fn shown(&self, name: &str, queue: &Queue, now: u64) -> Value {
        let sizes = queue.fifo.sizes(now);
        let target = queue.dead_letters.as_ref().map(|policy| policy.queue.as_str());
        let all = self.is_dead_letter_queue(name);
        let holder = if all { Some(queue) } else { target.and_then(|target| self.queues.get(target)) };
        let messages = holder.map(|holder| holder.fifo.messages()).unwrap_or_default();
        let own = |message: &&&Message| all || message.source.as_deref() == Some(name);
        let letters: Vec<Value> = messages.iter().filter(own).map(|message| message.json(now)).collect();
        json!({
            "name": name,
            "waiting": sizes.waiting,
            "in_flight": sizes.in_flight,
            "delayed": sizes.delayed,
            "dead_letter_queue": target,
            "dead_letters": letters,
        })
    }
}

impl Queue {
    fn max_receives(&self) -> u32 {
        self.dead_letters.as_ref().map_or(u32::MAX, |policy| policy.max_receives)
    }
}
