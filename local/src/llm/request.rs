//! What the model is asked, and its record.

use serde::{Deserialize, Serialize};

use crate::stand_ins::journal::Entry;

/// The body of a request; what changes only how a real model writes is ignored.
#[derive(Deserialize)]
pub(super) struct ChatRequest {
    pub(super) model: String,
    pub(super) messages: Vec<WireMessage>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    max_completion_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// A message on the wire.
#[derive(Deserialize)]
pub(super) struct WireMessage {
    role: Role,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    image_url: Option<Image>,
}

#[derive(Deserialize)]
struct Image {
    url: String,
}

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    #[serde(alias = "developer")]
    System,
    User,
    Assistant,
    #[serde(alias = "function")]
    Tool,
}

/// A message, as the responder reads it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) content: String,
    /// The beginnings of the images that came with it: nothing here looks at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<String>,
}

/// Enough of a `data:` address to tell what it is.
const IMAGE_START: usize = 48;

impl From<WireMessage> for Message {
    fn from(message: WireMessage) -> Self {
        let parts = match message.content {
            None => Vec::new(),
            Some(Content::Text(content)) => return Self { role: message.role, content, images: Vec::new() },
            Some(Content::Parts(parts)) => parts,
        };
        let start = |image: &Image| image.url.chars().take(IMAGE_START).collect();
        let images = parts.iter().filter_map(|part| part.image_url.as_ref()).map(start).collect();
        let content = parts.into_iter().filter_map(|part| part.text).collect::<Vec<_>>().join("\n");
        Self { role: message.role, content, images }
    }
}

impl ChatRequest {
    pub(super) fn max_tokens(&self) -> Option<usize> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    pub(super) fn with_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Still being answered.
    Answering,
    /// Answered in full.
    Answered,
    /// The client left before the end.
    Left,
    /// A fault was played instead of the end.
    Fault,
}

/// A request that was taken.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) at: String,
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<usize>,
    /// Everything the model was given.
    pub(super) messages: Vec<Message>,
    pub(super) answer: String,
    pub(super) outcome: Outcome,
}

impl Entry for Record {
    fn key(&self) -> &str {
        &self.id
    }
}
