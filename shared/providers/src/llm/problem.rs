//! What servers say when something is wrong, and which failure that is.

use super::LlmError;
use crate::lenient;
use serde_json::Value;
use std::time::Duration;

/// How servers say that a conversation is too long, where they give it no name.
const CONTEXT: [&str; 8] = [
    "ContextWindowExceeded",
    "context_length_exceeded",
    "maximum context length",
    "available context size",
    // Models at Bedrock.
    "nput is too long",
    "rompt is too long",
    "oo many input tokens",
    "reduce the length of the prompt",
];

/// A server's complaint. It may quote messages, so it is only ever compared with, never passed on.
#[derive(Default)]
pub(super) struct Problem {
    message: String,
    kind: String,
    code: String,
}

impl Problem {
    /// The complaint in the body of a refused request: JSON of any shape, or whatever a proxy writes.
    pub(super) fn of_body(body: &[u8]) -> Self {
        let text = || Self { message: String::from_utf8_lossy(body).into_owned(), ..Self::default() };
        let value: Option<Value> = serde_json::from_slice(body).ok();
        value.and_then(|value| Self::of_value(&value)).unwrap_or_else(text)
    }

    /// The complaint in what should have been (a piece of) an answer, if it is one.
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        // Some servers send a list of one.
        let value = value.get(0).unwrap_or(value);
        let error = value.get("error").filter(|error| !error.is_null() && **error != Value::Bool(false));
        if let Some(error) = error {
            return Some(Self::of_parts(error));
        }
        let is_error = value.get("object").is_some_and(|object| object == "error");
        let is_typed = value.get("type").is_some_and(|kind| kind == "error");
        if is_error || is_typed {
            return Some(Self::of_parts(value));
        }
        let detail = value.get("detail").filter(|detail| !detail.is_null() && value.get("choices").is_none())?;
        Some(Self { message: detail.to_string(), ..Self::default() })
    }

    /// A complaint whose name and words are known.
    #[cfg(feature = "bedrock")]
    pub(super) fn named(name: &str, message: &str) -> Self {
        Self { message: message.to_owned(), kind: name.to_owned(), ..Self::default() }
    }

    fn of_parts(error: &Value) -> Self {
        if let Value::String(message) = error {
            return Self { message: message.clone(), ..Self::default() };
        }
        let part = |name: &str| error.get(name).and_then(lenient::scalar).unwrap_or_default();
        // The parameter is part of what is wrong.
        Self { message: format!("{} {}", part("message"), part("param")), kind: part("type"), code: part("code") }
    }

    /// The words to look for a parameter's name in.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The failure that this complaint with an HTTP status is.
    pub(super) fn classify(&self, status: u16, retry_after: Option<Duration>) -> LlmError {
        if self.is_context() {
            return LlmError::ContextTooLong;
        }
        // LiteLLM without a database answers a wrong key so, with a 400.
        if self.has("no_db_connection") {
            return LlmError::Auth;
        }
        if self.has("content_filter") || self.has("content_policy_violation") {
            return LlmError::Refused;
        }
        match status {
            401 | 403 => LlmError::Auth,
            429 => LlmError::RateLimited { retry_after },
            408 | 409 | 425 | 500.. => LlmError::Unavailable,
            _ => LlmError::BadRequest,
        }
    }

    /// The failure that this complaint is where there is no status: inside a 200.
    pub(super) fn classify_inside(&self) -> LlmError {
        let named = match self.code.trim().parse() {
            Ok(status @ 400..=599) => status,
            _ if self.has("rate_limit") || self.has("throttl") || self.has("quota") => 429,
            _ if self.has("authentication") || self.has("invalid_api_key") || self.has("permission") => 401,
            _ if self.has("invalid_request") => 400,
            _ => 500,
        };
        self.classify(named, None)
    }

    fn has(&self, name: &str) -> bool {
        self.code.contains(name) || self.kind.contains(name)
    }

    /// Servers agree on nothing here.
    fn is_context(&self) -> bool {
        self.has("context_length_exceeded")
            || self.has("exceed_context_size")
            || CONTEXT.iter().any(|words| self.message.contains(words))
    }
}

/// When a server asks us to come back, by its headers. A date is passed over: it would need its clock to be ours.
pub(super) fn retry_after<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let number = |name: &str| header(name)?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|millis| millis / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_servers_way_to_complain() {
        let limited = || LlmError::RateLimited { retry_after: None };
        for (body, status, expected) in [
            (
                json!({"error": {"message": "x", "type": "invalid_request_error", "code": "context_length_exceeded"}}),
                400,
                LlmError::ContextTooLong,
            ),
            (
                json!({"error": {"code": 400, "message": "x", "type": "exceed_context_size_error"}}),
                400,
                LlmError::ContextTooLong,
            ),
            (
                json!({"error": {"message": "litellm.ContextWindowExceededError: x", "code": "400"}}),
                400,
                LlmError::ContextTooLong,
            ),
            (
                json!({"object": "error", "message": "This model's maximum context length is 8192 tokens", "code": 400}),
                400,
                LlmError::ContextTooLong,
            ),
            (json!({"error": {"message": "x", "type": "no_db_connection", "code": "400"}}), 400, LlmError::Auth),
            (json!({"error": {"message": "x", "code": "content_filter"}}), 400, LlmError::Refused),
            (json!({"detail": [{"loc": ["body", "messages"], "msg": "x"}]}), 422, LlmError::BadRequest),
            (json!({"error": "model 'x' not found"}), 404, LlmError::BadRequest),
            (json!("no"), 401, LlmError::Auth),
            (json!(null), 500, LlmError::Unavailable),
            (json!([{"error": {"code": 429}}]), 429, limited()),
        ] {
            assert_eq!(Problem::of_body(body.to_string().as_bytes()).classify(status, None), expected, "{body}");
        }
    }

    #[test]
    fn complaints_inside_an_answer() {
        let limited = LlmError::RateLimited { retry_after: None };
        for (piece, expected) in [
            (json!({"error": {"message": "x", "type": null, "code": "500"}}), LlmError::Unavailable),
            (json!({"error": {"message": "x", "code": 429}}), limited.clone()),
            (json!({"error": {"type": "throttling_error"}}), limited),
            (json!({"error": {"type": "authentication_error"}}), LlmError::Auth),
            (json!({"error": {"type": "invalid_request_error"}}), LlmError::BadRequest),
            (json!({"type": "error", "message": "overloaded"}), LlmError::Unavailable),
            (json!({"detail": "x"}), LlmError::Unavailable),
        ] {
            assert_eq!(Problem::of_value(&piece).map(|problem| problem.classify_inside()), Some(expected), "{piece}");
        }
        for piece in [json!({"choices": [], "error": null}), json!({"choices": [], "detail": "x"}), json!([]), json!(1)]
        {
            assert!(Problem::of_value(&piece).is_none(), "{piece}");
        }
    }
}
