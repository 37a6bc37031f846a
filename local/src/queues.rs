//! SQS FIFO queues and the functions that consume them.
//!
//! A queue here lives between a pipe and a function, so it has no API of its own: `streams` sends, `consumer` receives,
//! and `view` shows people and tests what is there. As on AWS: messages of one group one after the other, one batch of a
//! group at a time, the same deduplication id once in five minutes, a message that failed hidden for the visibility
//! timeout and its group behind it, and a dead-letter queue for what was received too often. Not as on AWS: after a
//! restart nothing is hidden, because whoever held a message is gone; and a running invocation keeps its messages hidden
//! until it ends, however fast time runs.
//!
//! `fifo` is one queue, `state` all of them, `journal` the file they survive in.

mod consumer;
mod fifo;
mod journal;
mod message;
mod state;
#[cfg(test)]
mod tests;
mod view;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::system;
use crate::runtime_api::Functions;
use crate::settings::Settings;
use crate::streams::{self, Chaos};
use crate::template::{self, Template};

use consumer::{Consumer, Kills};
use message::Message;
use state::State;

/// Why the queues do not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be read or written.
    #[error("cannot keep the messages of the queues")]
    Journal(#[from] std::io::Error),
    /// A queue that is to be held is not there.
    #[error("--hold {queue}: the template has no such queue")]
    Unknown {
        /// The queue.
        queue: String,
    },
    /// The template names a function that is not there.
    #[error("the queue {queue} is consumed by {function}, which does not exist")]
    Missing {
        /// The queue.
        queue: String,
        /// Binary name of the function.
        function: String,
    },
}

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("there is no FIFO queue {0}")]
    Unknown(String),
    /// SQS takes up to 128 letters, digits and punctuation marks.
    #[error("the {0} of a message is not 1 to 128 letters, digits and punctuation marks")]
    Id(&'static str),
    #[error("the message could not be kept")]
    Io(#[from] std::io::Error),
}

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    New,
    /// The same id came in the last five minutes: taken, and thrown away.
    Duplicate,
}

/// All FIFO queues of the template. Cheap to clone.
#[derive(Clone)]
pub struct Queues {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queues").finish_non_exhaustive()
    }
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    clock: Clock,
}

/// Milliseconds since 1970 by the clock of the timers, so that tests can stop it and nothing comes too early.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start_ms: u64,
    start: Instant,
}

impl Clock {
    fn now(&self) -> u64 {
        self.start_ms.saturating_add(millis(self.start.elapsed()))
    }

    fn instant(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms.saturating_sub(self.start_ms))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Queues {
    /// Opens the queues of the template with the messages of earlier runs.
    ///
    /// # Errors
    ///
    /// Fails if the data folder cannot be read or written.
    pub fn open(template: &Template, settings: &Settings) -> Result<Self, Error> {
        Self::open_at(template, settings, &settings.data_dir, system::now_ms())
    }

    fn open_at(template: &Template, settings: &Settings, data_dir: &Path, now: u64) -> Result<Self, Error> {
        let clock = Clock { start_ms: now, start: Instant::now() };
        let state = State::open(template, |visibility| millis(settings.scaled(visibility)), data_dir, now)?;
        let shared = Shared { state: Mutex::new(state), changed: watch::Sender::new(0), clock };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Adds a message at the end of its group. When this returns, it will survive the process.
    pub(crate) fn send(&self, queue: &str, group: &str, deduplication: &str, body: &str) -> Result<Sent, SendError> {
        for (name, id) in [("MessageGroupId", group), ("MessageDeduplicationId", deduplication)] {
            if !(1..=128).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(SendError::Id(name));
            }
        }
        let now = self.shared.clock.now();
        let sent = self.state().send(queue, group, deduplication, body, now)?;
        if sent == Sent::New {
            self.wake();
        }
        Ok(sent)
    }

    /// Takes the next messages of one group, at most `most`; none if no group has any to give now.
    fn receive(&self, queue: &str, most: usize) -> Option<Vec<Message>> {
        let now = self.shared.clock.now();
        self.state().receive(queue, most, now)
    }

    /// Ends what [`Queues::receive`] began: the first `taken` messages are done, the others come again.
    fn settle(&self, queue: &str, batch: &[Message], taken: usize) {
        let now = self.shared.clock.now();
        self.state().settle(queue, batch, taken, now);
        self.wake();
    }

    /// When a hidden message shows itself again.
    fn next_due(&self, queue: &str) -> Option<Instant> {
        let now = self.shared.clock.now();
        let due = self.state().next_due(queue, now)?;
        Some(self.shared.clock.instant(due))
    }

    /// How long a message is hidden, in the time of this run.
    fn visibility_ms(&self, queue: &str) -> u64 {
        self.state().visibility_ms(queue)
    }

    /// Moves all messages of a dead-letter queue back to where they came from, as new ones.
    pub(crate) fn redrive(&self, queue: &str) -> Option<usize> {
        let now = self.shared.clock.now();
        let moved = self.state().redrive(queue, now);
        self.wake();
        moved
    }

    /// Throws all messages of a queue away, also those in flight.
    pub(crate) fn purge(&self, queue: &str) -> Option<usize> {
        let purged = self.state().purge(queue);
        self.wake();
        purged
    }

    /// `{"ReplyQueue": {"sent": 1, "handled": 1, ...}}`.
    #[must_use]
    pub fn counts(&self) -> Value {
        let now = self.shared.clock.now();
        self.state().counts(now)
    }

    /// All queues with their dead letters.
    #[must_use]
    pub fn list(&self) -> Value {
        let now = self.shared.clock.now();
        self.state().list(now)
    }

    /// Bodies of all messages, oldest first.
    #[cfg(test)]
    pub(crate) fn bodies(&self, queue: &str) -> Vec<String> {
        self.state().bodies(queue)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    fn wake(&self) {
        self.shared.changed.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running consumers; dropping it stops them.
#[derive(Debug)]
pub struct Consumers {
    _tasks: JoinSet<()>,
}

/// Starts a consumer for every queue that has a function. From `stop` on they take no more messages.
///
/// # Errors
///
/// Fails if a mapping names a function that is not there.
pub fn start(
    template: &Template,
    queues: &Queues,
    functions: &Functions,
    settings: &Settings,
    stop: &watch::Receiver<bool>,
) -> Result<Consumers, Error> {
    if let Some(name) = settings.hold.iter().find(|name| !template.queues.iter().any(|queue| queue.name == **name)) {
        return Err(Error::Unknown { queue: name.clone() });
    }
    let mut tasks = JoinSet::new();
    for mapping in template.queue_mappings.iter().filter(|mapping| !settings.hold.contains(&mapping.queue)) {
        let Some(function) = functions.get(&mapping.function) else {
            let (queue, function) = (mapping.queue.clone(), mapping.function.clone());
            return Err(Error::Missing { queue, function });
        };
        let kills = settings.chaos.map(|seed| {
            let function = function.clone();
            Kills::new(Chaos::new(seed, &mapping.queue), move || function.kill())
        });
        let consumer = Consumer {
            mapping: mapping.clone(),
            arn: template::queue_arn(&mapping.queue),
            queues: queues.clone(),
            invoke: streams::invoke(function),
            kills,
        };
        tasks.spawn(consumer.run(stop.clone()));
    }
    Ok(Consumers { _tasks: tasks })
}
