//! The event source mapping of one queue: receives, invokes, settles.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::message::{self, Message};
use super::{Queues, millis};
use crate::runtime_api::InvokeError;
use crate::streams::{Chaos, Invoke, failed_items};
use crate::template::QueueMapping;

/// As many invocations as Lambda's pollers of one queue start at most.
const MOST_INVOCATIONS: usize = 1000;

/// The pause after an invocation that the function had no room for.
const THROTTLED: Duration = Duration::from_millis(100);

pub(super) struct Consumer {
    pub(super) mapping: QueueMapping,
    pub(super) arn: String,
    pub(super) queues: Queues,
    pub(super) invoke: Invoke,
    pub(super) kills: Option<Kills>,
}

impl Consumer {
    /// Goes on until `stop`, and then until what runs is done.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let consumer = Arc::new(self);
        let QueueMapping { queue, batch_size, max_concurrency, .. } = &consumer.mapping;
        let most = max_concurrency.unwrap_or(MOST_INVOCATIONS);
        let mut changes = consumer.queues.changes();
        let mut running = JoinSet::new();
        let mut stopped = false;
        while !(stopped && running.is_empty()) {
            changes.mark_unchanged();
            while !stopped
                && running.len() < most
                && let Some(batch) = consumer.queues.receive(queue, *batch_size)
            {
                running.spawn(Arc::clone(&consumer).handle(batch));
            }
            let due = consumer.queues.next_due(queue);
            tokio::select! {
                // An error means that the sender is gone, and with it everything else.
                _ = stop.wait_for(|stop| *stop), if !stopped => stopped = true,
                Some(_) = running.join_next(), if !running.is_empty() => {}
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    async fn handle(self: Arc<Self>, batch: Vec<Message>) {
        let taken = self.attempt(&batch).await;
        self.queues.settle(&self.mapping.queue, &batch, taken);
    }

    /// Invokes the function and returns how many messages from the first on are done. A failure ends its group: what
    /// stands behind it comes again with it.
    async fn attempt(&self, batch: &[Message]) -> usize {
        let payload = match message::event(batch, &self.arn) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, "messages cannot be written as an event");
                return 0;
            }
        };
        let (queue, function) = (&self.mapping.queue, &self.mapping.function);
        let position = |id: &str| batch.iter().position(|message| message.id == id);
        match self.call(payload, batch).await {
            Ok(_) if !self.mapping.report_partial => batch.len(),
            Ok(answer) => {
                let failed = failed_items(&answer, position);
                failed.map_or(0, |failed| failed.into_iter().min().unwrap_or(batch.len()))
            }
            Err(error) => {
                tracing::warn!(queue, function, %error, messages = batch.len(), "the function failed on messages");
                0
            }
        }
    }

    async fn call(&self, payload: Bytes, batch: &[Message]) -> Result<Bytes, InvokeError> {
        let _retry = self.kills.as_ref().map(|kills| kills.note(batch));
        // Throttling is not the batch's fault, and uses up no attempt within the visibility timeout.
        let patience = self.queues.visibility_ms(&self.mapping.queue);
        let started = Instant::now();
        loop {
            let answer = match self.kills.as_ref().and_then(|kills| kills.draw(batch)) {
                None => (self.invoke)(payload.clone()).await,
                Some((kills, delay)) => kills.during((self.invoke)(payload.clone()), delay).await,
            };
            match answer {
                Err(InvokeError::Busy) if millis(started.elapsed()) < patience => {
                    tokio::time::sleep(THROTTLED).await;
                }
                answer => return answer,
            }
        }
    }
}

/// Chaos: the function's process is killed in the middle of an invocation. Never while a message is tried again, so
/// that chaos alone makes no dead letters.
pub(super) struct Kills {
    chaos: Mutex<Chaos>,
    kill: Box<dyn Fn() + Send + Sync>,
    /// Running invocations with a message that was received before.
    retries: Arc<AtomicUsize>,
}

/// A running retry, until it is dropped.
struct Retry(Arc<AtomicUsize>);

impl Drop for Retry {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn is_retry(batch: &[Message]) -> bool {
    batch.iter().any(|message| message.receives > 1)
}

impl Kills {
    pub(super) fn new(chaos: Chaos, kill: impl Fn() + Send + Sync + 'static) -> Self {
        Self { chaos: Mutex::new(chaos), kill: Box::new(kill), retries: Arc::default() }
    }

    fn note(&self, batch: &[Message]) -> Option<Retry> {
        is_retry(batch).then(|| {
            self.retries.fetch_add(1, Ordering::SeqCst);
            Retry(Arc::clone(&self.retries))
        })
    }

    /// Whether, and how long after its start, this invocation is to be hit.
    fn draw(&self, batch: &[Message]) -> Option<(&Self, Duration)> {
        if is_retry(batch) {
            return None;
        }
        let mut chaos = self.chaos.lock().unwrap_or_else(PoisonError::into_inner);
        (chaos.below(6) == 0).then(|| (self, Duration::from_millis(chaos.below(200))))
    }

    async fn during<T>(&self, invocation: impl Future<Output = T>, delay: Duration) -> T {
        let mut invocation = std::pin::pin!(invocation);
        tokio::select! {
            biased;
            answer = &mut invocation => answer,
            () = tokio::time::sleep(delay) => {
                if self.retries.load(Ordering::SeqCst) == 0 {
                    tracing::info!("chaos kills a function's process");
                    (self.kill)();
                }
                invocation.await
            }
        }
    }
}
