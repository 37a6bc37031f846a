//! From the bytes of an OpenAI-compatible answer to its pieces: knows nothing of connections, so that any cut can be
//! tested.

use super::draft::Draft;
use super::openai::{Choice, Over, Reply};
use super::plain::Plain;
use super::problem::Problem;
use super::sse::{Event, SseParser};
use super::{ChatRequest, Delta, LlmError};
use serde_json::Value;

/// Reads one answer.
pub(super) struct Decoder {
    parser: SseParser,
    /// What was read.
    pub(super) draft: Draft,
    model: String,
    id: String,
}

impl Decoder {
    /// For the answer to this request.
    pub(super) fn new(request: &ChatRequest) -> Self {
        Self { parser: SseParser::new(), draft: Draft::new(request), model: String::new(), id: String::new() }
    }

    /// The model's name, as the server has it.
    pub(super) fn model(&self) -> Option<&str> {
        Some(self.model.as_str()).filter(|model| !model.is_empty())
    }

    /// The server's id of the answer.
    pub(super) fn id(&self) -> Option<&str> {
        Some(self.id.as_str()).filter(|id| !id.is_empty())
    }

    /// Takes bytes of a stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut parser = std::mem::take(&mut self.parser);
        if parser.read(bytes, |event| self.event(event)).is_err() {
            self.draft.fail(LlmError::Unavailable);
        }
        self.parser = parser;
    }

    /// The stream is over.
    pub(super) fn end(&mut self) {
        self.draft.end();
    }

    /// Takes an answer that did not come as a stream, or was not called one.
    pub(super) fn whole(&mut self, body: &[u8]) {
        match serde_json::from_slice(body) {
            Ok(value) => self.value(value),
            Err(_) => self.push(body),
        }
        self.end();
    }

    fn event(&mut self, event: Event<'_>) {
        let data = event.data.trim();
        if self.draft.is_done() || data.is_empty() {
            return;
        }
        if data == "[DONE]" {
            return self.end();
        }
        match Plain::read(data) {
            Some(plain) => self.plain(plain),
            None => match serde_json::from_str(data) {
                Ok(value) => self.value(value),
                // A hole in the answer: better none than one that lacks a piece.
                Err(_) => self.draft.fail(LlmError::Unavailable),
            },
        }
        if event.kind == "error" {
            self.draft.fail(LlmError::Unavailable);
        }
    }

    fn plain(&mut self, Plain { model, id, text }: Plain<'_>) {
        if self.model.is_empty() {
            model.clone_into(&mut self.model);
        }
        if self.id.is_empty() {
            id.clone_into(&mut self.id);
        }
        self.draft.piece(Delta::Text(text));
    }

    fn value(&mut self, value: Value) {
        if let Some(problem) = Problem::of_value(&value) {
            return self.draft.fail(problem.classify_inside());
        }
        let raw_usage = Reply::raw_usage(&value).cloned();
        let Ok(reply) = serde_json::from_value::<Reply>(value) else {
            return self.draft.fail(LlmError::Unavailable);
        };
        let usage = reply.usage();
        if let Some(usage) = usage {
            self.draft.count(usage, raw_usage);
        }
        if self.model.is_empty() {
            self.model = reply.model;
        }
        if self.id.is_empty() {
            self.id = reply.id;
        }
        for choice in reply.choices.into_iter().filter(|choice| choice.index.unwrap_or(0) == 0) {
            self.choice(choice);
        }
        // Some proxies spoil what comes after the count.
        if self.draft.is_finished() && usage.is_some() {
            self.draft.settle();
        }
    }

    fn choice(&mut self, mut choice: Choice) {
        if self.draft.is_finished() || self.draft.is_done() {
            return;
        }
        let piece = choice.piece();
        if !piece.refusal.0.is_empty() {
            self.draft.refuse();
        }
        for reasoning in [piece.reasoning_content.0, piece.reasoning.0] {
            // Servers that send both send the same twice.
            if !reasoning.is_empty() && self.draft.piece(Delta::Reasoning(reasoning)) {
                break;
            }
        }
        self.draft.piece(Delta::Text(piece.content.0));
        match choice.over() {
            Some(Over::With(finish)) => self.draft.finish(finish),
            Some(Over::Failed) => self.draft.fail(LlmError::Unavailable),
            None => {}
        }
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decoder_properties.rs"]
mod properties;
