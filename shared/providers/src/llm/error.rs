//! Why a language model gave no answer, or no whole one.

use std::fmt;
use std::time::Duration;

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutKind {
    /// No connection.
    Connect,
    /// No first word.
    FirstToken,
    /// No further word.
    Idle,
    /// No end.
    Total,
}

/// Why there is no answer. What the model's server said about it never leaves this module.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// No model is configured.
    #[error("no language model is configured")]
    NotConfigured,
    /// The key is wrong or may not do this.
    #[error("the language model does not accept our key")]
    Auth,
    /// The server does not take this request.
    #[error("the language model refuses the request")]
    BadRequest,
    /// The messages do not fit the model.
    #[error("the conversation is too long for the language model")]
    ContextTooLong,
    /// Too many requests.
    #[error("the language model is throttling us")]
    RateLimited {
        /// When to come back.
        retry_after: Option<Duration>,
    },
    /// The server is down, out of reach or talks nonsense.
    #[error("the language model is not available")]
    Unavailable,
    /// It took too long.
    #[error("the language model did not answer in time")]
    Timeout(TimeoutKind),
    /// The answer broke off.
    #[error("the language model's answer broke off")]
    Interrupted {
        /// What there is of it.
        partial: String,
    },
    /// A filter of the provider stepped in.
    #[error("the language model may not answer this")]
    Refused,
}

impl LlmError {
    /// A stable name, for clients and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "llm_not_configured",
            Self::Auth => "llm_auth",
            Self::BadRequest => "llm_bad_request",
            Self::ContextTooLong => "llm_context_too_long",
            Self::RateLimited { .. } => "llm_rate_limited",
            Self::Unavailable => "llm_unavailable",
            Self::Timeout(_) => "llm_timeout",
            Self::Interrupted { .. } => "llm_interrupted",
            Self::Refused => "llm_refused",
        }
    }

    /// Whether the same request, made anew, may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable | Self::Timeout(_) | Self::Interrupted { .. } => true,
            Self::NotConfigured | Self::Auth | Self::BadRequest | Self::ContextTooLong | Self::Refused => false,
        }
    }

    /// Whether another request to the same server would likely fare no better.
    pub(super) fn is_the_servers_fault(&self) -> bool {
        matches!(self, Self::Auth | Self::RateLimited { .. } | Self::Unavailable | Self::Timeout(_))
    }
}

impl fmt::Debug for LlmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(kind) => write!(f, "Timeout({kind:?})"),
            Self::RateLimited { retry_after } => write!(f, "RateLimited({retry_after:?})"),
            _ => f.write_str(self.code()),
        }
    }
}
