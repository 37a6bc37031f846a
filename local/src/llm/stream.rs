//! An answer token by token, and the faults in it.

use std::collections::VecDeque;
use std::time::Duration;

use ::http::header;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::Llm;
use super::answers::{self, Chunks, Finish, Refusal};
use super::completions::Answer;
use super::request::Outcome;

/// What ends a stream.
const DONE: &str = "data: [DONE]\n\n";

/// How an answer is to be given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    /// Time between two tokens.
    pub(super) pace: Duration,
    /// After how many tokens it stalls, and for how long.
    pub(super) stall: Option<(usize, Duration)>,
    /// After how many tokens it goes no further, and how.
    pub(super) last: Option<(usize, Last)>,
    /// Whether the tokens are counted, where the client asks for it.
    pub(super) counted: bool,
}

/// How an answer goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// With an error.
    Error,
    /// With a broken connection.
    Cut,
    /// With nothing at all.
    Nothing,
    /// Because of a filter.
    Filter,
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

/// Notes when a client leaves: what it waits for is then dropped.
pub(super) struct Watch {
    llm: Llm,
    id: String,
    outcome: Outcome,
}

impl Watch {
    pub(super) fn new(llm: &Llm, id: &str) -> Self {
        Self { llm: llm.clone(), id: id.to_owned(), outcome: Outcome::Left }
    }

    /// The client has waited until the end.
    pub(super) fn ends(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.llm.requests.update(&self.id, |record| record.outcome = self.outcome);
    }
}

/// The response that streams an answer.
pub(super) fn respond(llm: &Llm, chunks: &Chunks, answer: &Answer, script: Script) -> Response {
    if script.last == Some((0, Last::Error)) {
        llm.requests.update(&chunks.id, |record| record.outcome = Outcome::Fault);
        return Refusal::Failed.into_response();
    }
    let steps = steps(chunks, answer, script);
    let watch = Watch::new(llm, &chunks.id);
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
    if script.stall.is_none_or(|(after, _)| after > 0) {
        steps.push_back(Step::Send(chunks.role()));
    }
    // One turn more than there are tokens: what is to happen after all of them happens before the end.
    let tokens = answer.tokens.iter().map(Some).chain([None]);
    for (sent, token) in tokens.enumerate() {
        let due = |after: usize| after == sent || (token.is_none() && after > sent);
        if let Some((_, silence)) = script.stall.filter(|(after, _)| due(*after)) {
            steps.push_back(Step::Wait(silence));
            if sent == 0 {
                steps.push_back(Step::Send(chunks.role()));
            }
        }
        if let Some((_, last)) = script.last.filter(|(after, _)| due(*after)) {
            steps.extend(ending(last, chunks));
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
    if chunks.with_usage && script.counted {
        steps.push_back(Step::Send(chunks.usage(answer.usage)));
    }
    steps.push_back(Step::End(DONE.to_owned()));
    steps
}

fn ending(last: Last, chunks: &Chunks) -> Vec<Step> {
    match last {
        Last::Error => vec![Step::Fault(answers::event(&Refusal::Failed.body()))],
        // What was sent before must leave before the connection is closed.
        Last::Cut => vec![Step::Wait(Duration::from_millis(5)), Step::Cut],
        Last::Nothing => vec![Step::Fault(": \n\n".to_owned())],
        Last::Filter => vec![Step::Send(chunks.finish(Finish::ContentFilter)), Step::End(DONE.to_owned())],
    }
}
