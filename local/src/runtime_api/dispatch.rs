//! Pairs invocations with waiting polls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::{InvokeError, Spec, StreamingResponse};

/// Who waits for the result, and in which form.
pub(crate) enum Caller {
    Buffered(oneshot::Sender<Result<Bytes, InvokeError>>),
    Streaming(oneshot::Sender<Result<StreamingResponse, InvokeError>>),
}

impl Caller {
    /// Nobody may be listening any more, which is no concern of the function.
    pub(super) fn fail(self, error: InvokeError) {
        match self {
            Self::Buffered(reply) => drop(reply.send(Err(error))),
            Self::Streaming(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// One invocation on its way to an environment.
pub(crate) struct Invocation {
    pub(super) payload: Bytes,
    pub(super) caller: Caller,
    /// Told when an environment has taken it.
    pub(super) started: oneshot::Sender<()>,
    /// Held until the environment is free again.
    pub(super) permit: OwnedSemaphorePermit,
}

struct Poller {
    environment: u64,
    handover: oneshot::Sender<Invocation>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Invocation>,
    // Invariant: not both this and `waiting` hold something that is still wanted.
    pollers: Vec<Poller>,
    environments: u64,
    /// Environments that have not polled yet: each will take one of those that wait.
    starting: usize,
}

/// The queue of one function.
pub(crate) struct Dispatcher {
    pub(crate) spec: Spec,
    permits: Arc<Semaphore>,
    queue: Mutex<Queue>,
    demand: Notify,
    ready: watch::Sender<bool>,
    kill: Notify,
}

impl Dispatcher {
    pub(super) fn new(spec: Spec) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(spec.concurrency)),
            spec,
            queue: Mutex::default(),
            demand: Notify::new(),
            ready: watch::Sender::new(false),
            kill: Notify::new(),
        }
    }

    pub(super) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Hands the invocation to a waiting poll, or keeps it for the next one.
    pub(super) fn submit(&self, mut invocation: Invocation) {
        let mut queue = self.queue();
        // The poll that came last: its connection and its caches are the warmest.
        while let Some(poller) = queue.pollers.pop() {
            match poller.handover.send(invocation) {
                Ok(()) => return,
                // The process of that poll is gone.
                Err(back) => invocation = back,
            }
        }
        queue.waiting.push_back(invocation);
        drop(queue);
        self.demand.notify_one();
    }

    /// Waits for an invocation; `None` when the environment is retired.
    pub(super) async fn next(&self, environment: u64) -> Option<Invocation> {
        self.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
        let receiver = {
            let mut queue = self.queue();
            while let Some(invocation) = queue.waiting.pop_front() {
                // Its caller may have given up waiting.
                if !invocation.started.is_closed() {
                    return Some(invocation);
                }
            }
            let (handover, receiver) = oneshot::channel();
            queue.pollers.push(Poller { environment, handover });
            receiver
        };
        receiver.await.ok()
    }

    pub(super) fn new_environment(&self) -> u64 {
        let mut queue = self.queue();
        queue.environments += 1;
        queue.starting += 1;
        queue.environments
    }

    /// An environment has polled for the first time, or never will.
    pub(super) fn environment_started(&self) {
        let mut queue = self.queue();
        queue.starting = queue.starting.saturating_sub(1);
    }

    /// No poll of this environment gets an invocation any more.
    pub(super) fn retire(&self, environment: u64) {
        self.queue().pollers.retain(|poller| poller.environment != environment);
    }

    /// Invocations that wait and have no environment to hope for.
    pub(crate) fn backlog(&self) -> usize {
        let queue = self.queue();
        let waiting = queue.waiting.iter().filter(|invocation| !invocation.started.is_closed()).count();
        waiting.saturating_sub(queue.starting)
    }

    /// Waits until an invocation found no free environment.
    pub(crate) async fn demand(&self) {
        self.demand.notified().await;
    }

    /// Waits until any environment has polled once.
    pub(crate) async fn ready(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// All environments of now are to be killed.
    pub(super) fn kill(&self) {
        self.kill.notify_waiters();
    }

    /// Waits for [`Dispatcher::kill`].
    pub(super) async fn killed(&self) {
        self.kill.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
