//! An answer in the making, whichever server writes it: its pieces in order, one end, and the count.

use super::tokens::{self, UsageData};
use super::{ChatRequest, Delta, Finish, LlmError, TimeoutKind};
use serde_json::Value;
use std::collections::VecDeque;

/// The longest count of a server's own that is kept, in bytes of JSON.
const MAX_RAW_USAGE: usize = 4096;

/// Whatever happens, the pieces end with [`Delta::Usage`] or an error.
pub(super) struct Draft {
    ready: VecDeque<Result<Delta, LlmError>>,
    /// All text so far, for an answer that breaks off.
    text: String,
    refused: bool,
    pieces: f64,
    completion: f64,
    prompt: f64,
    max_tokens: f64,
    usage: Option<UsageData>,
    raw_usage: Option<Value>,
    finished: bool,
    done: bool,
}

impl Draft {
    /// Of the answer to this request.
    pub(super) fn new(request: &ChatRequest) -> Self {
        Self {
            ready: VecDeque::new(),
            text: String::new(),
            refused: false,
            pieces: 0.0,
            completion: 0.0,
            prompt: tokens::estimate_prompt(&request.messages),
            max_tokens: f64::from(request.max_tokens),
            usage: None,
            raw_usage: None,
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

    /// The server's count in its own words, once, when the answer has ended.
    pub(super) fn take_raw_usage(&mut self) -> Option<Value> {
        if !self.done || !self.ready.is_empty() {
            return None;
        }
        self.raw_usage.take().filter(|usage| usage.to_string().len() <= MAX_RAW_USAGE)
    }

    /// Passes on a piece, unless the answer is longer than it was to be: some servers know no limit. Servers cut
    /// pieces as they like, so both the pieces and a careful guess at their tokens must be beyond it.
    pub(super) fn piece(&mut self, delta: Delta) -> bool {
        let (Delta::Text(text) | Delta::Reasoning(text)) = &delta else {
            return false;
        };
        if text.is_empty() || self.finished || self.done {
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

    /// The model says that it will not answer.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// The answer is over.
    pub(super) fn finish(&mut self, finish: Finish) {
        if self.finished || self.done {
            return;
        }
        if self.text.is_empty() && (self.refused || finish == Finish::ContentFilter) {
            return self.give_up(LlmError::Refused);
        }
        self.finished = true;
        self.ready.push_back(Ok(Delta::Finish(finish)));
    }

    /// The server's count; the last one is the one.
    pub(super) fn count(&mut self, usage: UsageData, raw: Option<Value>) {
        if !self.done {
            (self.usage, self.raw_usage) = (Some(usage), raw);
        }
    }

    /// The last piece: the server's count or ours.
    pub(super) fn settle(&mut self) {
        if !self.done {
            let usage = self.usage.unwrap_or_default().or_estimated(self.prompt, self.completion);
            self.ready.push_back(Ok(Delta::Usage(usage)));
            self.done = true;
        }
    }

    /// Something went wrong: nothing after the finish, a cut in the middle, all before the first piece.
    pub(super) fn fail(&mut self, error: LlmError) {
        if self.finished {
            self.settle();
        } else if self.pieces > 0.0 {
            let partial = std::mem::take(&mut self.text);
            self.give_up(LlmError::Interrupted { partial });
        } else {
            self.give_up(error);
        }
    }

    /// The server has nothing more to say, as it should or not: only a finish reason makes an answer whole.
    pub(super) fn end(&mut self) {
        self.fail(LlmError::Unavailable);
    }

    /// A limit was reached.
    pub(super) fn late(&mut self, kind: TimeoutKind) {
        if kind == TimeoutKind::Total && !self.text.is_empty() {
            self.finish(Finish::Deadline);
            self.settle();
        } else if self.finished {
            self.settle();
        } else {
            self.give_up(LlmError::Timeout(kind));
        }
    }

    fn give_up(&mut self, error: LlmError) {
        if !self.done {
            self.ready.push_back(Err(error));
            self.done = true;
        }
    }
}
