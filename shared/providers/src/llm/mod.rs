//! Language models over the OpenAI-compatible wire (OpenAI, Groq, vLLM, Ollama, llama.cpp, LiteLLM and the local cloud) and,
//! with the feature `bedrock`, of Amazon Bedrock.
//!
//! - An answer is whole if, and only if, the server gave a reason for its end (llm.md 0.7).
//! - Until the first piece of an answer everything is tried again: once at the same server, then at the next one, and
//!   once with half of the conversation where it is too long. After that nothing is.
//! - What servers say of their failures stays here: callers get an [`LlmError`].

mod chat;
mod completions;
#[cfg(feature = "bedrock")]
mod converse;
mod decoder;
mod draft;
mod error;
mod exchange;
#[cfg(feature = "bedrock")]
mod frames;
mod openai;
mod plain;
mod problem;
#[cfg(feature = "bedrock")]
mod prompt;
pub mod sse;
mod tokens;

pub use chat::{
    Answer, ChatMessage, ChatRequest, ChatRole, Completion, Delta, Endpoint, Finish, Limits, ModelServer, Part, Usage,
};
pub use error::{LlmError, TimeoutKind};
pub use tokens::{TokenEstimate, estimate_tokens};

use exchange::{Exchange, Failure, Question};
use futures_util::{StreamExt, stream};
use openai::Dialect;
use reqwest::Client;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The first wait before a request is repeated, and how much chance may add to it.
const RETRY_PAUSE: Duration = Duration::from_millis(150);
/// The longest wait that a server may ask for before the next one is asked instead.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// So many failures in a row, and a server is left out for a while.
const MAX_FAILURES: u32 = 3;
const LEFT_OUT: Duration = Duration::from_secs(30);
/// A server may complain of that many parameters, one after the other.
const MAX_DIALECTS: usize = 4;

/// The configured models, tried in order until one begins to answer. Clones share what was learnt about them.
#[derive(Clone, Debug)]
pub struct Llm {
    http: Client,
    endpoints: Arc<[Endpoint]>,
    limits: Limits,
    learnt: Arc<Mutex<Vec<Learnt>>>,
}

/// A question on its way to an answer.
struct Asking {
    request: ChatRequest,
    deadline: Instant,
    /// Requests made for it so far.
    attempts: u32,
}

/// What experience says about an endpoint.
#[derive(Clone, Copy, Debug, Default)]
struct Learnt {
    dialect: Dialect,
    failures: u32,
    left_out_until: Option<Instant>,
}

impl Llm {
    /// Takes the models in the order of preference; none means that every request says so.
    pub fn new(http: Client, endpoints: Vec<Endpoint>, limits: Limits) -> Self {
        let learnt = Arc::new(Mutex::new(vec![Learnt::default(); endpoints.len()]));
        Self { http, endpoints: endpoints.into(), limits, learnt }
    }

    /// Whether there is any model.
    pub fn is_configured(&self) -> bool {
        !self.endpoints.is_empty()
    }

    /// The models in the order of preference: each endpoint's name and its model's.
    pub fn models(&self) -> impl Iterator<Item = (&str, &str)> {
        self.endpoints.iter().map(|endpoint| (endpoint.name.as_str(), endpoint.model.as_str()))
    }

    /// Whether any model can look at images.
    pub fn has_vision(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.vision)
    }

    /// The same models with another limit for all of an answer, as where a function's own time ends. What is learnt
    /// stays shared.
    #[must_use]
    pub fn within(&self, total: Duration) -> Self {
        Self { limits: Limits { total, ..self.limits }, ..self.clone() }
    }

    /// A whole answer. One that a filter cut is [`LlmError::Refused`].
    pub async fn complete(&self, request: &ChatRequest) -> Result<Completion, LlmError> {
        let mut answer = self.stream(request.clone()).await?;
        let (mut text, mut ends) = (String::new(), None);
        let mut usage = Usage::default();
        while let Some(delta) = answer.next().await {
            match delta? {
                Delta::Text(more) => text.push_str(&more),
                Delta::Reasoning(_) => {}
                Delta::Finish(finish) => ends = Some(finish),
                Delta::Usage(counted) => usage = counted,
            }
        }
        match ends {
            Some(Finish::ContentFilter) => Err(LlmError::Refused),
            Some(finish) => Ok(Completion { text, model: answer.source.model, usage, finish }),
            None => Err(LlmError::Interrupted { partial: text }),
        }
    }

    /// An answer as it comes. Returns with its first piece: until then everything may be tried again. With images only
    /// models that can look at them are asked; where there is none, that is [`LlmError::BadRequest`].
    pub async fn stream(&self, request: ChatRequest) -> Result<Answer, LlmError> {
        if !self.is_configured() {
            return Err(LlmError::NotConfigured);
        }
        if request.has_images() && !self.has_vision() {
            return Err(LlmError::BadRequest);
        }
        let mut asking = Asking { request, deadline: Instant::now() + self.limits.total, attempts: 0 };
        match Box::pin(self.ask_in_order(&mut asking)).await {
            Err(LlmError::ContextTooLong) => match asking.request.halved() {
                Some(shorter) => {
                    asking.request = shorter;
                    Box::pin(self.ask_in_order(&mut asking)).await
                }
                None => Err(LlmError::ContextTooLong),
            },
            answer => answer,
        }
    }

    async fn ask_in_order(&self, asking: &mut Asking) -> Result<Answer, LlmError> {
        let mut worst = LlmError::Unavailable;
        for (number, (index, endpoint)) in self.order(&asking.request).into_iter().enumerate() {
            match self.ask_twice(index, endpoint, asking).await {
                Ok(answer) => return Ok(answer),
                Err(error @ (LlmError::ContextTooLong | LlmError::Refused)) => return Err(error),
                Err(error) => {
                    let (provider, model) = (&endpoint.name, &endpoint.model);
                    tracing::warn!(provider, model, error = error.code(), "a language model gave no answer");
                    // One that may pass is worth more than one that will not.
                    if number == 0 || error.retryable() || !worst.retryable() {
                        worst = error;
                    }
                }
            }
            if Instant::now() >= asking.deadline {
                return Err(LlmError::Timeout(TimeoutKind::Total));
            }
        }
        Err(worst)
    }

    /// The endpoints that can take this request, without those that failed lately; all of them if that leaves none.
    fn order(&self, request: &ChatRequest) -> Vec<(usize, &Endpoint)> {
        let now = Instant::now();
        let learnt = self.learnt();
        let is_in = |index: usize| {
            learnt.get(index).and_then(|learnt: &Learnt| learnt.left_out_until).is_none_or(|until| until <= now)
        };
        let looks = request.has_images();
        let all = || self.endpoints.iter().enumerate().filter(move |(_, endpoint)| endpoint.vision || !looks);
        let some: Vec<_> = all().filter(|(index, _)| is_in(*index)).collect();
        if some.is_empty() { all().collect() } else { some }
    }

    async fn ask_twice(&self, index: usize, endpoint: &Endpoint, asking: &mut Asking) -> Result<Answer, LlmError> {
        let started = Instant::now();
        let mut failure = match self.ask(index, endpoint, asking).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        if let Some(pause) = self.pause(&failure, started) {
            let until = Instant::now() + pause;
            if until < asking.deadline {
                sleep_until(until).await;
                match self.ask(index, endpoint, asking).await {
                    Ok(answer) => return Ok(answer),
                    Err(again) => failure = again,
                }
            }
        }
        Err(failure.error)
    }

    /// How long to wait before the same server is asked again, if it is worth asking.
    fn pause(&self, failure: &Failure, started: Instant) -> Option<Duration> {
        // What a request takes is as good as chance in its last digits.
        let chance = started.elapsed().as_nanos() % RETRY_PAUSE.as_nanos();
        let pause = RETRY_PAUSE + Duration::from_nanos(chance.try_into().unwrap_or_default());
        match failure.error {
            _ if !failure.reached && self.endpoints.len() > 1 => None,
            LlmError::Unavailable | LlmError::Timeout(TimeoutKind::Connect) => Some(pause),
            LlmError::RateLimited { retry_after: Some(wait) } if wait <= LONGEST_PAUSE => Some(pause.max(wait)),
            _ => None,
        }
    }

    /// One attempt, in whatever dialect the server turns out to want.
    async fn ask(&self, index: usize, endpoint: &Endpoint, asking: &mut Asking) -> Result<Answer, Failure> {
        let mut dialect = self.learnt().get(index).copied().unwrap_or_default().dialect;
        let mut tries = 1..=MAX_DIALECTS;
        loop {
            asking.attempts += 1;
            let question = Question { request: &asking.request, dialect };
            match Exchange::begin(&self.http, endpoint, question, &self.limits, asking.deadline).await {
                Ok(exchange) => {
                    self.learn(index, |learnt| *learnt = Learnt { dialect, ..Learnt::default() });
                    return Ok(answer(exchange, endpoint, asking.attempts));
                }
                Err(Failure { instead: Some(other), .. }) if tries.next().is_some() => dialect = other,
                Err(failure) => {
                    if failure.error.is_the_servers_fault() {
                        self.learn(index, Learnt::failed);
                    }
                    return Err(failure);
                }
            }
        }
    }

    fn learnt(&self) -> MutexGuard<'_, Vec<Learnt>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, index: usize, change: impl FnOnce(&mut Learnt)) {
        if let Some(learnt) = self.learnt().get_mut(index) {
            change(learnt);
        }
    }
}

impl Learnt {
    fn failed(&mut self) {
        self.failures += 1;
        if self.failures >= MAX_FAILURES {
            self.left_out_until = Some(Instant::now() + LEFT_OUT);
        }
    }
}

fn answer(exchange: Exchange, endpoint: &Endpoint, attempts: u32) -> Answer {
    let source = exchange.source(endpoint);
    let pieces = stream::unfold(exchange, async |mut exchange| Some((exchange.piece().await?, exchange)));
    Answer { source, attempts, raw_usage: None, pieces: Box::pin(pieces) }
}

#[cfg(test)]
#[path = "llm_tests.rs"]
mod tests;
