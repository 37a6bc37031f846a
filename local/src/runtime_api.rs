//! The Lambda Runtime API (2018-06-01), the seam between the local cloud and the functions.
//!
//! A [`Function`] is what the rest of the local cloud invokes. Behind it stand execution environments: one child process
//! each, polling its own loopback port, so that what a dying child left behind can never be taken for an answer of its
//! successor. `dispatch` pairs invocations with waiting polls, `environment` is the HTTP side, `relay`
//! passes streamed responses on and `prelude` splits them into head and body.
//!
//! Kept from Lambda: the answer to a `/response` request waits until the body has ended; a client that goes away is not
//! reported to the function, its response is read to the end and thrown away; the deadline is enforced; requests and
//! buffered responses stop at 6 MB. Not kept: the throttling of streamed bodies after their first 6 MB.

mod dispatch;
mod environment;
#[cfg(test)]
pub(crate) mod fake;
mod prelude;
mod relay;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use axum::body::Body;
use bytes::Bytes;
use tokio::sync::oneshot;

use dispatch::{Caller, Dispatcher, Invocation};
pub(crate) use environment::Environment;
pub(crate) use prelude::{header_map, status_code};

/// The largest request Lambda takes.
pub const REQUEST_LIMIT: usize = 6_291_456;

/// The largest buffered response Lambda takes.
const RESPONSE_LIMIT: usize = 6_291_556;

/// How long an invocation waits for a process that is starting, or starting again after a crash.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Why an invocation has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The function's time was over.
    #[error("the function did not answer in time")]
    Timeout,
    /// The function answered with an error. The message may hold private text, so it is not part of the display.
    #[error("the function failed with {error_type}")]
    FunctionError {
        /// Name of the error, by the function or by Lambda.
        error_type: String,
        /// Text of the error.
        message: String,
    },
    /// The request is larger than 6 MB.
    #[error("the request is larger than 6 MB")]
    TooLarge,
    /// The process of the function ended, or none could be started.
    #[error("the function's process ended before it answered")]
    Crashed,
    /// As many invocations as the function can serve at once are running.
    #[error("too many invocations of the function at once")]
    Busy,
}

/// The beginning of a streamed response, with the rest still to come.
#[derive(Debug)]
pub struct StreamingResponse {
    /// HTTP status.
    pub status: u16,
    /// HTTP headers, cookies included.
    pub headers: HeaderMap,
    /// The bytes as they arrive. Ends with an error if the function died or ran out of time.
    pub body: Body,
}

/// What a function is, as its environments need to know.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) binary: String,
    pub(crate) logical_id: String,
    /// Already in the time of this run.
    pub(crate) timeout: Duration,
    /// Invocations at once, over all environments.
    pub(crate) concurrency: usize,
    /// Whether a timeout ends the process, as it does on Lambda. Not with many invocations in one process.
    pub(crate) kill_on_timeout: bool,
}

/// One function that can be invoked. Cheap to clone.
#[derive(Clone)]
pub struct Function {
    dispatcher: Arc<Dispatcher>,
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Function").field(&self.dispatcher.spec.binary).finish()
    }
}

impl Function {
    pub(crate) fn new(spec: Spec) -> Self {
        Self { dispatcher: Arc::new(Dispatcher::new(spec)) }
    }

    /// Name of the function's binary, which is its name everywhere in the local cloud.
    #[must_use]
    pub fn binary(&self) -> &str {
        &self.dispatcher.spec.binary
    }

    /// Name of the function in `template.yaml`.
    #[must_use]
    pub fn logical_id(&self) -> &str {
        &self.dispatcher.spec.logical_id
    }

    /// How long one invocation may take, in the time of this run.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.dispatcher.spec.timeout
    }

    /// Invokes the function and waits for its whole response; of a streaming function that is prelude and body in one.
    ///
    /// # Errors
    ///
    /// See [`InvokeError`].
    pub async fn invoke(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let (reply, answer) = oneshot::channel();
        self.run(payload, Caller::Buffered(reply), answer).await
    }

    /// Invokes the function and returns as soon as status and headers are there.
    ///
    /// # Errors
    ///
    /// See [`InvokeError`]. A response without the prelude of a streaming function is a `FunctionError`.
    pub async fn invoke_streaming(&self, payload: Bytes) -> Result<StreamingResponse, InvokeError> {
        let (reply, answer) = oneshot::channel();
        self.run(payload, Caller::Streaming(reply), answer).await
    }

    async fn run<T>(
        &self,
        payload: Bytes,
        caller: Caller,
        answer: oneshot::Receiver<Result<T, InvokeError>>,
    ) -> Result<T, InvokeError> {
        if payload.len() > REQUEST_LIMIT {
            return Err(InvokeError::TooLarge);
        }
        let permit = self.dispatcher.permit().ok_or(InvokeError::Busy)?;
        let (started, start) = oneshot::channel();
        self.dispatcher.submit(Invocation { payload, caller, started, permit });
        // The function's own time only runs from here on: starting a process is not billed to it.
        if !matches!(tokio::time::timeout(START_LIMIT, start).await, Ok(Ok(()))) {
            return Err(InvokeError::Crashed);
        }
        // A sender that is dropped without a word belonged to a connection that broke.
        answer.await.unwrap_or(Err(InvokeError::Crashed))
    }

    /// Kills the processes of the function, as `kill -9` would; new ones start at once.
    pub(crate) fn kill(&self) {
        self.dispatcher.kill();
    }

    pub(crate) fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }
}

/// All functions of the template.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    by_binary: Arc<BTreeMap<String, Function>>,
}

impl Functions {
    /// The function with this binary.
    #[must_use]
    pub fn get(&self, binary: &str) -> Option<&Function> {
        self.by_binary.get(binary)
    }

    /// The function with this binary or this name in the template.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Function> {
        self.get(name).or_else(|| self.iter().find(|function| function.logical_id() == name))
    }

    /// All functions, by the name of their binary.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.by_binary.values()
    }
}

impl FromIterator<Function> for Functions {
    fn from_iter<I: IntoIterator<Item = Function>>(functions: I) -> Self {
        let by_binary = functions.into_iter().map(|function| (function.binary().to_owned(), function)).collect();
        Self { by_binary: Arc::new(by_binary) }
    }
}
