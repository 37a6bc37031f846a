//! An answer token by token, and the faults in it.

use std::collections::VecDeque;
use std::time::Duration;

use ::http::header;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::Llm;
use super::answers::{self, Chunks, Refusal};
use super::completions::Answer;
use super::request::Outcome;

/// How an answer is to be given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    /// Time between two tokens.
    pub(super) pace: Duration,
    /// How long it stalls.
    pub(super) silence: Duration,
    /// After how many tokens it fails, stalls, or is cut off.
    pub(super) fail: Option<usize>,
    pub(super) stall: Option<usize>,
    pub(super) stop: Option<usize>,
}

/// A step of a stream.
enum Step {
    Wait(Duration),
    Send(String),
    /// The last of a whole answer.
    End(String),
    Fault(String),
    Cut,
}

/// What ended a stream early: the connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("cut off on request")]
struct CutOff;

/// Notes when a client leaves: the stream is then dropped.
struct Watch {
    llm: Llm,
    id: String,
    outcome: Outcome,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.llm.requests.update(&self.id, |record| record.outcome = self.outcome);
    }
}

/// The response that streams an answer.
pub(super) fn respond(llm: Llm, chunks: Chunks, answer: &Answer, script: Script) -> Response {
    if script.fail == Some(0) {
        llm.requests.update(&chunks.id, |record| record.outcome = Outcome::Fault);
        return Refusal::Failed.into_response();
    }
    let steps = steps(&chunks, answer, script);
    let watch = Watch { llm, id: chunks.id, outcome: Outcome::Left };
    let body = stream::unfold((steps, watch), async |(mut steps, mut watch)| {
        loop {
            let sent = match steps.pop_front()? {
                Step::Wait(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
                Step::Send(text) => Ok(text),
                Step::End(text) => {
                    watch.outcome = Outcome::Answered;
                    Ok(text)
                }
                Step::Fault(text) => {
                    watch.outcome = Outcome::Fault;
                    Ok(text)
                }
                Step::Cut => {
                    watch.outcome = Outcome::Fault;
                    Err(CutOff)
                }
            };
            return Some((sent, (steps, watch)));
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], Body::from_stream(body)).into_response()
}

fn steps(chunks: &Chunks, answer: &Answer, script: Script) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    if script.stall != Some(0) {
        steps.push_back(Step::Send(chunks.role()));
    }
    // One turn more than there are tokens: what is to happen after all of them happens before the end.
    let tokens = answer.tokens.iter().map(Some).chain([None]);
    for (sent, token) in tokens.enumerate() {
        if script.stall == Some(sent) || (token.is_none() && script.stall.is_some_and(|after| after > sent)) {
            steps.push_back(Step::Wait(script.silence));
            if sent == 0 {
                steps.push_back(Step::Send(chunks.role()));
            }
        }
        let due = |after: Option<usize>| after.is_some_and(|after| after == sent || (token.is_none() && after > sent));
        if due(script.fail) {
            steps.push_back(Step::Fault(answers::event(&Refusal::Failed.body())));
            return steps;
        }
        if due(script.stop) {
            // What was sent before must leave before the connection is closed.
            steps.extend([Step::Wait(Duration::from_millis(5)), Step::Cut]);
            return steps;
        }
        if let Some(token) = token {
            if !script.pace.is_zero() {
                steps.push_back(Step::Wait(script.pace));
            }
            steps.push_back(Step::Send(chunks.content(token)));
        }
    }
    steps.push_back(Step::Send(chunks.finish(answer.finish)));
    if chunks.with_usage {
        steps.push_back(Step::Send(chunks.usage(answer.usage)));
    }
    steps.push_back(Step::End("data: [DONE]\n\n".to_owned()));
    steps
}
