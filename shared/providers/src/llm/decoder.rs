//! From the bytes of an answer to its pieces: knows nothing of connections, so that any cut can be tested.

use super::openai::{Choice, Over, Reply};
use super::problem::Problem;
use super::sse::{SseEvent, SseParser};
use super::tokens::{self, UsageData};
use super::{ChatRequest, Delta, Finish, LlmError, TimeoutKind};
use std::collections::VecDeque;

/// Reads one answer. Whatever happens, the pieces end with [`Delta::Usage`] or an error.
pub(super) struct Decoder {
    parser: SseParser,
    ready: VecDeque<Result<Delta, LlmError>>,
    model: String,
    /// All text so far, for an answer that breaks off.
    text: String,
    refused: bool,
    pieces: f64,
    completion: f64,
    prompt: f64,
    max_tokens: f64,
    usage: Option<UsageData>,
    finished: bool,
    done: bool,
}

impl Decoder {
    /// For the answer to this request.
    pub(super) fn new(request: &ChatRequest) -> Self {
        Self {
            parser: SseParser::new(),
            ready: VecDeque::new(),
            model: String::new(),
            text: String::new(),
            refused: false,
            pieces: 0.0,
            completion: 0.0,
            prompt: tokens::estimate_prompt(&request.messages),
            max_tokens: f64::from(request.max_tokens),
            usage: None,
            finished: false,
            done: false,
        }
    }

    /// The next piece that is there.
    pub(super) fn next(&mut self) -> Option<Result<Delta, LlmError>> {
        self.ready.pop_front()
    }

    /// Puts back a piece.
    pub(super) fn put_back(&mut self, delta: Delta) {
        self.ready.push_front(Ok(delta));
    }

    /// Whether nothing more is needed from the server.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the answer is over and only its count may be missing.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether any part of the answer has come.
    pub(super) fn has_begun(&self) -> bool {
        self.pieces > 0.0 || self.finished
    }

    /// The model's name, as the server has it.
    pub(super) fn model(&self) -> Option<&str> {
        Some(self.model.as_str()).filter(|model| !model.is_empty())
    }

    /// Takes bytes of a stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self.parser.push(bytes) {
            Ok(events) => events.iter().for_each(|event| self.event(event)),
            Err(_) => self.fail(LlmError::Unavailable),
        }
    }

    /// The stream is over, as it should or not: only a finish reason makes an answer whole.
    pub(super) fn end(&mut self) {
        self.fail(LlmError::Unavailable);
    }

    /// Takes an answer that did not come as a stream, or was not called one.
    pub(super) fn whole(&mut self, body: &[u8]) {
        match serde_json::from_slice(body) {
            Ok(value) => self.value(value),
            Err(_) => self.push(body),
        }
        self.end();
    }

    /// A limit was reached.
    pub(super) fn late(&mut self, kind: TimeoutKind) {
        if kind == TimeoutKind::Total && !self.text.is_empty() {
            self.finish(Finish::Deadline);
            self.settle();
        } else if self.finished {
            self.settle();
        } else if !self.done {
            self.ready.push_back(Err(LlmError::Timeout(kind)));
            self.done = true;
        }
    }

    fn event(&mut self, event: &SseEvent) {
        let data = event.data.trim();
        if self.done || data.is_empty() {
            return;
        }
        if data == "[DONE]" {
            return self.end();
        }
        match serde_json::from_str(data) {
            Ok(value) => self.value(value),
            // A hole in the answer: better none than one that lacks a piece.
            Err(_) => self.fail(LlmError::Unavailable),
        }
        if event.kind == "error" {
            self.fail(LlmError::Unavailable);
        }
    }

    fn value(&mut self, value: serde_json::Value) {
        if let Some(problem) = Problem::of_value(&value) {
            return self.fail(problem.classify_inside());
        }
        let Ok(reply) = serde_json::from_value::<Reply>(value) else {
            return self.fail(LlmError::Unavailable);
        };
        let usage = reply.usage();
        self.usage = usage.or(self.usage);
        if self.model.is_empty() {
            self.model = reply.model;
        }
        for choice in reply.choices.into_iter().filter(|choice| choice.index.unwrap_or(0) == 0) {
            self.choice(choice);
        }
        // Some proxies spoil what comes after the count.
        if self.finished && usage.is_some() {
            self.settle();
        }
    }

    fn choice(&mut self, mut choice: Choice) {
        if self.finished || self.done {
            return;
        }
        let piece = choice.piece();
        self.refused |= !piece.refusal.0.is_empty();
        for reasoning in [piece.reasoning_content.0, piece.reasoning.0] {
            // Servers that send both send the same twice.
            if !reasoning.is_empty() && self.piece(Delta::Reasoning(reasoning)) {
                break;
            }
        }
        self.piece(Delta::Text(piece.content.0));
        match choice.over() {
            Some(Over::With(finish)) => self.finish(finish),
            Some(Over::Failed) => self.fail(LlmError::Unavailable),
            None => {}
        }
    }

    /// Passes on a piece, unless the answer is longer than it was to be: some servers know no limit. Servers cut
    /// pieces as they like, so both the pieces and a careful guess at their tokens must be beyond it.
    fn piece(&mut self, delta: Delta) -> bool {
        let (Delta::Text(text) | Delta::Reasoning(text)) = &delta else {
            return false;
        };
        if text.is_empty() || self.finished {
            return false;
        }
        let (pieces, completion) = (self.pieces + 1.0, self.completion + tokens::estimate(text));
        let too_many = pieces > self.max_tokens && completion * 0.7 > self.max_tokens;
        let too_much = completion * 0.5 > self.max_tokens + 8.0;
        if self.pieces > 0.0 && (too_many || too_much) {
            self.finish(Finish::Length);
            self.settle();
            return false;
        }
        (self.pieces, self.completion) = (pieces, completion);
        if let Delta::Text(text) = &delta {
            self.text.push_str(text);
        }
        self.ready.push_back(Ok(delta));
        true
    }

    fn finish(&mut self, finish: Finish) {
        if self.finished || self.done {
            return;
        }
        if self.text.is_empty() && (self.refused || finish == Finish::ContentFilter) {
            return self.give_up(LlmError::Refused);
        }
        self.finished = true;
        self.ready.push_back(Ok(Delta::Finish(finish)));
    }

    /// The last piece: the server's count or ours.
    fn settle(&mut self) {
        if !self.done {
            let usage = self.usage.unwrap_or_default().or_estimated(self.prompt, self.completion);
            self.ready.push_back(Ok(Delta::Usage(usage)));
            self.done = true;
        }
    }

    /// Something went wrong: nothing after the finish, a cut in the middle, all before the first piece.
    fn fail(&mut self, error: LlmError) {
        if self.finished {
            self.settle();
        } else if self.pieces > 0.0 {
            let partial = std::mem::take(&mut self.text);
            self.give_up(LlmError::Interrupted { partial });
        } else {
            self.give_up(error);
        }
    }

    fn give_up(&mut self, error: LlmError) {
        if !self.done {
            self.ready.push_back(Err(error));
            self.done = true;
        }
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
