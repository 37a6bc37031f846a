//! What is asked of a language model, and what it answers.

use super::LlmError;
use domain::secret::Secret;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A model at an OpenAI-compatible server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Up to and with the version: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; may be empty where the server needs none.
    pub api_key: Secret,
    /// The model's name there.
    pub model: String,
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// By whom.
    pub role: ChatRole,
    /// Its text.
    pub content: String,
}

impl fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChatMessage({:?}, {} bytes)", self.role, self.content.len())
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
    pub(super) model: String,
    pub(super) deltas: Pin<Box<dyn Stream<Item = Result<Delta, LlmError>> + Send>>,
}

impl Answer {
    /// Which model answers.
    pub fn model(&self) -> &str {
        &self.model
    }
}

impl Stream for Answer {
    type Item = Result<Delta, LlmError>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.deltas.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.model)
    }
}
