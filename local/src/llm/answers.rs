//! What goes over the wire: completions, chunks and errors, in OpenAI's shapes.

use ::http::{HeaderValue, StatusCode, header};
use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::MODEL;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Finish {
    Stop,
    Length,
    ContentFilter,
}

/// Tokens, by a rule of thumb.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Usage {
    pub(super) prompt_tokens: usize,
    pub(super) completion_tokens: usize,
    pub(super) total_tokens: usize,
}

#[derive(Serialize)]
pub(super) struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'static str,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: Finish,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    refusal: Option<()>,
}

impl<'a> Completion<'a> {
    pub(super) fn of(id: &'a str, created: u64, content: &'a str, finish: Finish, usage: Option<Usage>) -> Self {
        let message = Message { role: "assistant", content, refusal: None };
        let choices = [Choice { index: 0, message, logprobs: None, finish_reason: finish }];
        Self { id, object: "chat.completion", created, model: MODEL, choices, usage }
    }
}

/// One event of a stream.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'static str,
    choices: Vec<ChunkChoice<'a>>,
    /// `null` in all chunks but the last, and only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<Finish>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

/// Makes the chunks of one stream.
pub(super) struct Chunks {
    pub(super) id: String,
    pub(super) created: u64,
    /// Whether the client asked for usage.
    pub(super) with_usage: bool,
}

impl Chunks {
    pub(super) fn role(&self) -> String {
        self.chunk(Some((Delta { role: Some("assistant"), content: Some("") }, None)), None)
    }

    pub(super) fn content(&self, token: &str) -> String {
        self.chunk(Some((Delta { role: None, content: Some(token) }, None)), None)
    }

    pub(super) fn finish(&self, finish: Finish) -> String {
        self.chunk(Some((Delta::default(), Some(finish))), None)
    }

    pub(super) fn usage(&self, usage: Usage) -> String {
        self.chunk(None, Some(usage))
    }

    fn chunk(&self, choice: Option<(Delta<'_>, Option<Finish>)>, usage: Option<Usage>) -> String {
        let choice =
            choice.map(|(delta, finish_reason)| ChunkChoice { index: 0, delta, logprobs: None, finish_reason });
        let Self { id, created, with_usage } = self;
        event(&Chunk {
            id,
            object: "chat.completion.chunk",
            created: *created,
            model: MODEL,
            choices: choice.into_iter().collect(),
            usage: with_usage.then_some(usage),
        })
    }
}

/// A server-sent event as OpenAI frames it.
pub(super) fn event<T: Serialize>(data: &T) -> String {
    // Our own types always serialize.
    format!("data: {}\n\n", serde_json::to_string(data).unwrap_or_default())
}

/// A refusal of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Unauthorized,
    Malformed(String),
    UnknownModel,
    TooLong,
    /// For so many seconds.
    RateLimited(u64),
    Failed,
}

#[derive(Serialize)]
pub(super) struct ErrorBody<'a> {
    error: ErrorDetail<'a>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Refusal {
    pub(super) fn body(&self) -> ErrorBody<'_> {
        let detail = |message, kind, param, code| ErrorBody { error: ErrorDetail { message, kind, param, code } };
        let invalid = "invalid_request_error";
        match self {
            Self::Unauthorized => detail("Incorrect API key provided.", invalid, None, Some("invalid_api_key")),
            Self::Malformed(message) => detail(message, invalid, Some("messages"), None),
            Self::UnknownModel => detail(
                "The model does not exist. This stand-in has local-notes-1.",
                invalid,
                Some("model"),
                Some("model_not_found"),
            ),
            Self::TooLong => detail(
                "This model's maximum context length is exceeded.",
                invalid,
                Some("messages"),
                Some("context_length_exceeded"),
            ),
            Self::RateLimited(_) => {
                detail("Rate limit reached. Please try again later.", "requests", None, Some("rate_limit_exceeded"))
            }
            Self::Failed => {
                detail("The server had an error while processing your request.", "server_error", None, None)
            }
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) | Self::TooLong => StatusCode::BAD_REQUEST,
            Self::UnknownModel => StatusCode::NOT_FOUND,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        if let Self::RateLimited(seconds) = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
