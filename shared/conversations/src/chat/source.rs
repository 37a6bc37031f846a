//! An answer as it comes, from the moment it is asked for.

use domain::chat::{Failure, RawEvents};
use futures_util::{FutureExt, StreamExt};
use providers::llm::{Answer, ChatRequest, Delta, Llm, LlmError};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Turns that others get before text counts as not there yet: whoever reads the connection hands over one piece at a time,
/// and only when it is its turn.
const TURNS: u32 = 2;

type Asking = Pin<Box<dyn Future<Output = Result<Answer, LlmError>> + Send>>;

/// The pieces of one answer. Waiting for the next one may be given up at any time without losing it.
pub(super) enum Source {
    /// Nothing has come yet.
    Asking(Asking),
    /// Pieces come; one may have been read ahead.
    Answering(Box<Answer>, Option<Result<Delta, LlmError>>),
    /// There was no answer.
    Over,
}

/// What is there when nobody waits.
enum Ready {
    Text(String),
    NotYet,
}

impl Source {
    pub(super) fn new(llm: Llm, request: ChatRequest) -> Self {
        Self::Asking(Box::pin(async move { llm.stream(request).await }))
    }

    /// The next piece, `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<Result<Delta, LlmError>> {
        loop {
            match self {
                Self::Asking(asking) => match asking.await {
                    Ok(answer) => *self = Self::Answering(Box::new(answer), None),
                    Err(error) => {
                        *self = Self::Over;
                        return Some(Err(error));
                    }
                },
                Self::Answering(_, ahead) if ahead.is_some() => return ahead.take(),
                Self::Answering(answer, _) => return answer.next().await,
                Self::Over => return None,
            }
        }
    }

    /// More text, if it is there already, or with whoever reads from the server.
    pub(super) async fn more(&mut self) -> Option<String> {
        let mut turns = 0;
        loop {
            match self.ready()? {
                Ready::Text(text) => return Some(text),
                Ready::NotYet if turns < TURNS => turns += 1,
                Ready::NotYet => return None,
            }
            let_others().await;
        }
    }

    /// `None` where text does not follow.
    fn ready(&mut self) -> Option<Ready> {
        let Self::Answering(answer, ahead) = self else { return None };
        if ahead.is_some() {
            return None;
        }
        match answer.next().now_or_never() {
            None => Some(Ready::NotYet),
            Some(Some(Ok(Delta::Text(text)))) => Some(Ready::Text(text)),
            Some(other) => {
                *ahead = other;
                None
            }
        }
    }

    /// What the provider said about the answer so far.
    pub(super) fn raw_events(&self) -> RawEvents {
        let Self::Answering(answer, _) = self else { return RawEvents::default() };
        RawEvents {
            model_version: Some(answer.model().to_owned()),
            usage_metadata: answer.raw_usage().cloned(),
            provider: Some(answer.provider().to_owned()),
            attempts: answer.attempts(),
            response_id: answer.response_id().map(str::to_owned),
            ..RawEvents::default()
        }
    }
}

/// Gives all other work that is ready a turn. Unlike `tokio::task::yield_now`, without asking the system for news.
async fn let_others() {
    let mut is_back = false;
    poll_fn(|context| {
        if is_back {
            return Poll::Ready(());
        }
        is_back = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What a failed request means for its exchange.
pub(super) fn failure(error: &LlmError) -> Failure {
    match error {
        LlmError::NotConfigured => Failure::NotConfigured,
        LlmError::Auth | LlmError::BadRequest | LlmError::Unavailable => Failure::Unavailable,
        LlmError::RateLimited { .. } => Failure::RateLimited,
        LlmError::Timeout(_) => Failure::Timeout,
        LlmError::Interrupted { .. } => Failure::Interrupted,
        LlmError::Refused => Failure::Refused,
        LlmError::ContextTooLong => Failure::ContextTooLong,
    }
}
