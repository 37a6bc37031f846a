//! The UI message stream, version 1: how the `ai` package's chats (`useChat`) want an answer.
//!
//! Its reader takes every `data:` for JSON of a type it knows, without `null`; anything else ends its reading with an
//! error. It takes a clean end for a whole answer, reads nothing after `error`, and passes over comments, ids and
//! `[DONE]`. The chunks here are the fewest that it needs, and mean the same to its versions 5, 6 and 7.

mod request;

use bytes::Bytes;
pub(crate) use request::{ChatRequest, Intent};
use serde::Serialize;
use web::sse;

/// Marks an answer as one of this protocol: name and value of the header.
pub(crate) const HEADER: (&str, &str) = ("x-vercel-ai-ui-message-stream", "v1");

/// The only text part of an answer.
const PART: &str = "0";

/// What happens in an answer, in this order: it begins, has texts, and ends once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Update {
    /// It begins. A replay begins with the same id, because the client puts it in the place of what it has.
    Begun {
        /// The exchange's id.
        message_id: String,
        /// Who answers.
        model: Option<String>,
    },
    /// More of the text.
    Text(String),
    /// It is whole, or was stopped.
    Complete {
        /// Why it ended: `finish` of the `complete` event.
        finish: &'static str,
        /// Tokens of the model.
        tokens_used: u64,
        /// What the user paid, in points.
        points_cost: u64,
        /// Whether no model was asked.
        cached: bool,
    },
    /// It failed; what was said before stays.
    Failed {
        /// A sentence for the user.
        message: String,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Chunk<'a> {
    Start {
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message_metadata: Option<Origin<'a>>,
    },
    TextStart {
        id: &'a str,
    },
    TextDelta {
        id: &'a str,
        delta: &'a str,
    },
    TextEnd {
        id: &'a str,
    },
    MessageMetadata {
        message_metadata: Outcome,
    },
    Finish {
        finish_reason: &'a str,
        message_metadata: Outcome,
    },
    Abort,
    Error {
        error_text: &'a str,
    },
}

#[derive(Serialize)]
struct Origin<'a> {
    model: &'a str,
}

#[derive(Clone, Copy, Serialize)]
struct Outcome {
    finish: &'static str,
    tokens_used: u64,
    points_cost: u64,
    cached: bool,
}

/// Writes one answer.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    speaking: bool,
    ended: bool,
}

impl Encoder {
    /// The blocks of an update, for one write; empty if there is nothing to say, as after the end.
    pub(crate) fn encode(&mut self, update: &Update) -> Bytes {
        let mut blocks = Vec::new();
        if self.ended {
            return Bytes::new();
        }
        match update {
            Update::Begun { message_id, model } => {
                let message_metadata = model.as_deref().map(|model| Origin { model });
                write(&mut blocks, &Chunk::Start { message_id, message_metadata });
            }
            Update::Text(text) if text.is_empty() => {}
            Update::Text(text) => {
                if !self.speaking {
                    write(&mut blocks, &Chunk::TextStart { id: PART });
                    self.speaking = true;
                }
                write(&mut blocks, &Chunk::TextDelta { id: PART, delta: text });
            }
            &Update::Complete { finish, tokens_used, points_cost, cached } => {
                self.hush(&mut blocks);
                complete(&mut blocks, Outcome { finish, tokens_used, points_cost, cached });
                self.end(&mut blocks);
            }
            Update::Failed { message } => {
                self.hush(&mut blocks);
                write(&mut blocks, &Chunk::Error { error_text: message });
                self.end(&mut blocks);
            }
        }
        Bytes::from(blocks)
    }

    /// A text part without its end would look as if more were to come.
    fn hush(&mut self, blocks: &mut Vec<u8>) {
        if std::mem::take(&mut self.speaking) {
            write(blocks, &Chunk::TextEnd { id: PART });
        }
    }

    fn end(&mut self, blocks: &mut Vec<u8>) {
        blocks.extend_from_slice(b"data: [DONE]\n\n");
        self.ended = true;
    }
}

fn complete(blocks: &mut Vec<u8>, outcome: Outcome) {
    let finish_reason = match outcome.finish {
        // The client learns of a stop only from what stands in the metadata; other readers know `abort`.
        "stopped" => {
            write(blocks, &Chunk::MessageMetadata { message_metadata: outcome });
            write(blocks, &Chunk::Abort);
            return;
        }
        reason @ ("stop" | "length") => reason,
        "content_filter" => "content-filter",
        _ => "other",
    };
    write(blocks, &Chunk::Finish { finish_reason, message_metadata: outcome });
}

fn write(blocks: &mut Vec<u8>, chunk: &Chunk<'_>) {
    blocks.extend_from_slice(&sse::unnamed(chunk, None));
}

#[cfg(test)]
mod tests;
