//! What went wrong with a provider.

use std::error::Error;
use std::fmt;

/// A service of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Amazon SES.
    Email,
    /// Text messages.
    Twilio,
    /// Voice calls.
    ElevenLabs,
    /// A language model.
    Llm,
    /// Amazon S3.
    Objects,
}

/// The kind of failure: whose fault it is, and so what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too many requests: later.
    Throttled,
    /// No answer in time. The provider may have done it.
    TimedOut,
    /// The provider is down or out of reach.
    Unavailable,
    /// Our account may not do this, or is misconfigured.
    Forbidden,
    /// The provider refuses this request.
    Rejected,
}

impl ErrorKind {
    /// The kind that an HTTP status stands for.
    pub fn of_status(status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            408 | 504 => Self::TimedOut,
            401 | 403 => Self::Forbidden,
            500.. => Self::Unavailable,
            _ => Self::Rejected,
        }
    }
}

/// A provider did not do what it was asked.
#[derive(Debug)]
pub struct ProviderError {
    /// Who.
    pub provider: Provider,
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The cause, for the log.
    pub source: Box<dyn Error + Send + Sync>,
}

impl ProviderError {
    /// Wraps a cause.
    pub fn new(provider: Provider, kind: ErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { provider, kind, source: source.into() }
    }

    /// Whether the same request may succeed later. After [`ErrorKind::TimedOut`] it may also happen twice.
    pub fn retryable(&self) -> bool {
        match self.kind {
            ErrorKind::Throttled | ErrorKind::TimedOut | ErrorKind::Unavailable => true,
            ErrorKind::Forbidden | ErrorKind::Rejected => false,
        }
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = match self.provider {
            Provider::Email => "SES",
            Provider::Twilio => "Twilio",
            Provider::ElevenLabs => "ElevenLabs",
            Provider::Llm => "the language model",
            Provider::Objects => "S3",
        };
        let what = match self.kind {
            ErrorKind::Throttled => "is throttling us",
            ErrorKind::TimedOut => "did not answer in time",
            ErrorKind::Unavailable => "is not available",
            ErrorKind::Forbidden => "does not allow us this",
            ErrorKind::Rejected => "refuses the request",
        };
        write!(f, "{provider} {what}")
    }
}

impl Error for ProviderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_only_what_may_pass() {
        for (status, retryable) in
            [(400, false), (403, false), (404, false), (408, true), (429, true), (500, true), (503, true)]
        {
            let error = ProviderError::new(Provider::Email, ErrorKind::of_status(status), "cause");
            assert_eq!(error.retryable(), retryable, "{status}");
            assert!(!error.to_string().contains("cause"));
        }
    }
}
