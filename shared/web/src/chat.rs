//! What clients of chats are told of failures.

use crate::error::{ApiError, Code};
use conversations::chat::AskError;
use conversations::chat::frames::Trouble;
use domain::chat::{Failure, MESSAGE_CHARS};

/// A failed answer in the words that clients over a socket are told.
pub fn trouble(failure: Failure) -> Trouble {
    Trouble::from(&ApiError::from(Code::from(failure)))
}

impl From<&ApiError> for Trouble {
    fn from(error: &ApiError) -> Self {
        let body = error.body("");
        Self { message: body.detail.to_owned(), code: body.code.as_str(), hint: error.code.hint() }
    }
}

impl From<Failure> for Code {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotConfigured => Self::LlmNotConfigured,
            Failure::Unavailable => Self::LlmUnavailable,
            Failure::RateLimited => Self::LlmRateLimited,
            Failure::Timeout => Self::LlmTimeout,
            Failure::Interrupted | Failure::Abandoned => Self::LlmInterrupted,
            Failure::Refused => Self::LlmRefused,
            Failure::ContextTooLong => Self::ContextTooLong,
            Failure::PointsExhausted => Self::PointsExhausted,
        }
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Empty => Self::invalid("Empty message"),
            AskError::TooLong => {
                Self::with(Code::PayloadTooLarge, format!("The message has more than {MESSAGE_CHARS} characters"))
            }
            AskError::NotFound => Self::with(Code::NotFound, "Chat not found"),
            AskError::Busy => Code::AnswerInProgress.into(),
            AskError::NoPoints => Code::PointsExhausted.into(),
            AskError::TooMany => Self::with(Code::RateLimited, "Too many answers are under way").retry_after(5),
            AskError::RateLimited(seconds) => Self::from(Code::RateLimited).retry_after(seconds),
            AskError::KeyTaken => Self::with(Code::Conflict, "The idempotency key was used for another request"),
            AskError::NotConfigured => Code::LlmNotConfigured.into(),
            AskError::NoVision => Self::invalid("The configured language model cannot look at pictures"),
            AskError::Store(error) => error.into(),
        }
    }
}
