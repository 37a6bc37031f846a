//! The JSON of OpenAI-compatible servers, as far as they agree and where they do not (llm.md 1).

use super::tokens::UsageData;
use super::{ChatMessage, ChatRequest, ChatRole, Finish, Part};
use crate::lenient;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What a server understands of a request. Learnt from its complaints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    usage: bool,
    temperature: bool,
    length: Option<LengthField>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LengthField {
    MaxTokens,
    MaxCompletionTokens,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { usage: true, temperature: true, length: Some(LengthField::MaxTokens) }
    }
}

impl Dialect {
    /// The dialect without what a complaint names; `None` if it names nothing that could be left out.
    pub(super) fn without(self, complaint: &str) -> Option<Self> {
        if self.usage && complaint.contains("stream_options") {
            return Some(Self { usage: false, ..self });
        }
        let newer = complaint.contains("max_completion_tokens");
        match self.length {
            Some(LengthField::MaxTokens) if newer => {
                return Some(Self { length: Some(LengthField::MaxCompletionTokens), ..self });
            }
            Some(LengthField::MaxTokens) if complaint.contains("max_tokens") => {
                return Some(Self { length: None, ..self });
            }
            Some(LengthField::MaxCompletionTokens) if newer => return Some(Self { length: None, ..self }),
            _ => {}
        }
        self.without_temperature(complaint)
    }

    /// The dialect without the temperature, if that is what a complaint names.
    pub(super) fn without_temperature(self, complaint: &str) -> Option<Self> {
        (self.temperature && complaint.contains("temperature")).then_some(Self { temperature: false, ..self })
    }

    /// Whether the server takes a temperature.
    #[cfg(feature = "bedrock")]
    pub(super) fn has_temperature(self) -> bool {
        self.temperature
    }
}

/// A request.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Said<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(model: &'a str, request: &'a ChatRequest, dialect: Dialect) -> Self {
        let length = |field| (dialect.length == Some(field)).then_some(request.max_tokens);
        Self {
            model,
            messages: request.messages.iter().map(Said::from).collect(),
            stream: true,
            stream_options: dialect.usage.then_some(StreamOptions { include_usage: true }),
            max_tokens: length(LengthField::MaxTokens),
            max_completion_tokens: length(LengthField::MaxCompletionTokens),
            temperature: request.temperature.filter(|_| dialect.temperature),
        }
    }
}

/// A message. Words alone are a string: not every server knows parts.
#[derive(Serialize)]
struct Said<'a> {
    role: ChatRole,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Words(&'a str),
    Parts(Vec<Shown<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Shown<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
}

/// An image inside the request: some servers cannot fetch one, and none should be sent where we were.
#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

impl<'a> From<&'a ChatMessage> for Said<'a> {
    fn from(message: &'a ChatMessage) -> Self {
        let content = match message.content.as_slice() {
            [] => Content::Words(""),
            [Part::Text(text)] => Content::Words(text),
            parts => Content::Parts(parts.iter().map(Shown::from).collect()),
        };
        Self { role: message.role, content }
    }
}

impl<'a> From<&'a Part> for Shown<'a> {
    fn from(part: &'a Part) -> Self {
        match part {
            Part::Text(text) => Self::Text { text },
            Part::Image(image) => {
                let url = format!("data:{};base64,{}", image.kind().media_type(), STANDARD.encode(image.bytes()));
                Self::ImageUrl { image_url: ImageUrl { url } }
            }
        }
    }
}

/// A piece of an answer, or a whole one where the server does not stream.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Reply {
    #[serde(deserialize_with = "lenient::part")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) model: String,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) choices: Vec<Choice>,
    #[serde(deserialize_with = "lenient::part")]
    usage: Option<UsageData>,
    #[serde(deserialize_with = "lenient::part")]
    x_groq: Option<Groq>,
}

impl Reply {
    /// The server's count as it stands in its answer.
    pub(super) fn raw_usage(value: &Value) -> Option<&Value> {
        let counts = [value.pointer("/usage"), value.pointer("/x_groq/usage")];
        counts.into_iter().flatten().find(|usage| usage.is_object())
    }

    /// The server's count, wherever it stands.
    pub(super) fn usage(&self) -> Option<UsageData> {
        let groq = || self.x_groq.as_ref().and_then(|groq| groq.usage);
        self.usage.or_else(groq).filter(|usage| !usage.is_empty())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Groq {
    #[serde(deserialize_with = "lenient::part")]
    usage: Option<UsageData>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Choice {
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) index: Option<u64>,
    #[serde(deserialize_with = "lenient::part")]
    delta: Option<Message>,
    #[serde(deserialize_with = "lenient::part")]
    message: Option<Message>,
    #[serde(deserialize_with = "lenient::part")]
    finish_reason: String,
}

/// Why a server says that an answer is over.
pub(super) enum Over {
    With(Finish),
    /// It calls that an end, we call it a failure.
    Failed,
}

impl Choice {
    /// What is new: `message` is that of servers that do not stream.
    pub(super) fn piece(&mut self) -> Message {
        self.delta.take().or_else(|| self.message.take()).unwrap_or_default()
    }

    /// The end, if this is it.
    pub(super) fn over(&self) -> Option<Over> {
        let finish = match self.finish_reason.as_str() {
            "" | "null" => return None,
            "error" => return Some(Over::Failed),
            "stop" | "eos" | "end_turn" | "stop_sequence" => Finish::Stop,
            "length" | "max_tokens" | "model_length" => Finish::Length,
            "content_filter" | "safety" | "SAFETY" => Finish::ContentFilter,
            _ => Finish::Other,
        };
        Some(Over::With(finish))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Message {
    pub(super) content: Text,
    pub(super) reasoning_content: Text,
    pub(super) reasoning: Text,
    pub(super) refusal: Text,
}

/// A text: null, a string, or a list of parts.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Array(parts) => parts.iter().filter_map(part).collect(),
            _ => String::new(),
        }))
    }
}

fn part(part: &Value) -> Option<&str> {
    part.as_str().or_else(|| part.get("text")?.as_str())
}
