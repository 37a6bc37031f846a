//! What is asked of a language model, and what it answers.

use super::LlmError;
use super::tokens;
use crate::media::Image;
use domain::secret::Secret;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A model, and how to reach it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What the configuration calls it: `primary`, `fallback`, `bedrock`.
    pub name: String,
    /// The model's name at its server.
    pub model: String,
    /// Whether it can look at images. Servers differ in what they do where it cannot: some say nothing (llm.md 1).
    pub vision: bool,
    /// Where it is.
    pub server: ModelServer,
}

/// A server of models.
#[derive(Clone, Debug)]
pub enum ModelServer {
    /// An OpenAI-compatible one.
    OpenAi {
        /// Up to and with the version: `https://api.openai.com/v1`.
        base_url: String,
        /// The key; may be empty where the server needs none.
        api_key: Secret,
    },
    /// Amazon Bedrock, as whoever this client is.
    #[cfg(feature = "bedrock")]
    Bedrock(aws_sdk_bedrockruntime::Client),
}

impl Endpoint {
    /// A model at an OpenAI-compatible server, without eyes.
    pub fn openai(
        name: impl Into<String>,
        base_url: impl Into<String>,
        api_key: Secret,
        model: impl Into<String>,
    ) -> Self {
        let server = ModelServer::OpenAi { base_url: base_url.into(), api_key };
        Self { name: name.into(), model: model.into(), vision: false, server }
    }
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a connection; comes before the first token. [`crate::http::client`] gives up after 2 s of itself.
    pub connect: Duration,
    /// For the first token of an answer.
    pub first_token: Duration,
    /// For each next one.
    pub idle: Duration,
    /// For all of it, retries included. An answer under way then ends with [`Finish::Deadline`].
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(2), first_token: seconds(20), idle: seconds(20), total: seconds(120) }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// We, to the model.
    System,
    /// The customer.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// By whom.
    pub role: ChatRole,
    /// What it says and shows, in this order.
    pub content: Vec<Part>,
}

/// A part of a message.
#[derive(Clone, PartialEq, Eq)]
pub enum Part {
    /// Words.
    Text(String),
    /// A picture; only for a model that can look at it.
    Image(Image),
}

impl ChatMessage {
    /// A message of words only.
    pub fn text(role: ChatRole, text: impl Into<String>) -> Self {
        Self { role, content: vec![Part::Text(text.into())] }
    }

    /// The same message with pictures after it.
    #[must_use]
    pub fn showing(mut self, images: impl IntoIterator<Item = Image>) -> Self {
        self.content.extend(images.into_iter().map(Part::Image));
        self
    }

    /// Whether it shows anything.
    pub fn has_images(&self) -> bool {
        self.content.iter().any(|part| matches!(part, Part::Image(_)))
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Image(image) => image.fmt(f),
        }
    }
}

/// A question to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The conversation, oldest first.
    pub messages: Vec<ChatMessage>,
    /// The longest answer; held by us where the server does not.
    pub max_tokens: u32,
    /// How adventurous; the server's default if absent.
    pub temperature: Option<f32>,
}

impl ChatRequest {
    /// A guess, rather too high, at what the model has to read, in tokens.
    pub fn estimated_tokens(&self) -> u64 {
        tokens::rounded(tokens::estimate_prompt(&self.messages))
    }

    /// Whether any message shows something.
    pub(super) fn has_images(&self) -> bool {
        self.messages.iter().any(ChatMessage::has_images)
    }

    /// The same question with the older half of the conversation left out; what we say to the model and the last
    /// message stay. `None` if there is nothing to leave out.
    pub(super) fn halved(&self) -> Option<Self> {
        let spoken = self.messages.iter().filter(|message| message.role != ChatRole::System).count();
        let mut left_out = spoken / 2;
        if left_out == 0 {
            return None;
        }
        let stays = |message: &&ChatMessage| {
            let goes = message.role != ChatRole::System && left_out > 0;
            left_out -= usize::from(goes);
            !goes
        };
        let messages = self.messages.iter().filter(stays).cloned().collect();
        Some(Self { messages, ..*self })
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It is complete.
    Stop,
    /// It reached `max_tokens`.
    Length,
    /// A filter of the provider cut it.
    ContentFilter,
    /// It reached [`Limits::total`].
    Deadline,
    /// A reason of the server's own.
    Other,
}

impl Finish {
    /// A stable name, as clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::Deadline => "deadline",
            Self::Other => "other",
        }
    }
}

/// The tokens of a question and its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Of the question.
    pub prompt_tokens: u64,
    /// Of the answer.
    pub completion_tokens: u64,
    /// Of both.
    pub total_tokens: u64,
    /// Whether we guessed, because the server did not say.
    pub estimated: bool,
}

/// A piece of an answer.
#[derive(Clone, PartialEq, Eq)]
pub enum Delta {
    /// More of the answer.
    Text(String),
    /// More of what the model thinks to itself.
    Reasoning(String),
    /// The answer is over: exactly one, after all text.
    Finish(Finish),
    /// What it took: exactly one, the last.
    Usage(Usage),
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Reasoning(text) => write!(f, "Reasoning({} bytes)", text.len()),
            Self::Finish(finish) => write!(f, "Finish({finish:?})"),
            Self::Usage(usage) => write!(f, "Usage({usage:?})"),
        }
    }
}

/// A whole answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Completion {
    /// The answer. Empty if the model said nothing and meant it.
    pub text: String,
    /// Which model gave it.
    pub model: String,
    /// What it took.
    pub usage: Usage,
    /// Why it ended.
    pub finish: Finish,
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("model", &self.model)
            .field("usage", &self.usage)
            .field("finish", &self.finish)
            .finish_non_exhaustive()
    }
}

/// An answer as it comes. It reads from the server as fast as it is read, and dropping it hangs up.
///
/// After an error, or after [`Delta::Usage`], nothing follows.
pub struct Answer {
    pub(super) source: Source,
    pub(super) attempts: u32,
    pub(super) raw_usage: Option<Value>,
    pub(super) pieces: Pin<Box<dyn Stream<Item = Piece> + Send>>,
}

/// Where an answer comes from.
pub(super) struct Source {
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) response_id: Option<String>,
}

/// What is read of an answer at once; with the last one comes the server's own count.
pub(super) struct Piece {
    pub(super) delta: Result<Delta, LlmError>,
    pub(super) raw_usage: Option<Value>,
}

impl Answer {
    /// What the configuration calls the endpoint that answers: [`Endpoint::name`].
    pub fn provider(&self) -> &str {
        &self.source.provider
    }

    /// Which model answers, as its server calls it.
    pub fn model(&self) -> &str {
        &self.source.model
    }

    /// The server's own id of this answer, for questions to its operators.
    pub fn response_id(&self) -> Option<&str> {
        self.source.response_id.as_deref()
    }

    /// Requests made until it began, to whichever servers: 1 if all went well.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What the server said that the answer took, as it said it: an object of its own making, at most 4 KB of JSON.
    /// Known once the answer has ended; `None` where it said nothing.
    pub fn raw_usage(&self) -> Option<&Value> {
        self.raw_usage.as_ref()
    }
}

impl Stream for Answer {
    type Item = Result<Delta, LlmError>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.as_mut().poll_next(context).map(|piece| {
            let piece = piece?;
            if piece.raw_usage.is_some() {
                self.raw_usage = piece.raw_usage;
            }
            Some(piece.delta)
        })
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({} of {})", self.source.model, self.source.provider)
    }
}
