//! `POST /v1/chat/completions`.

use std::time::Duration;

use ::http::{HeaderMap, header};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::answers::{Chunks, Completion, Finish, Refusal, Usage};
use super::request::{ChatRequest, Message, Outcome, Record, Role};
use super::stream::{self, Last, Script, Watch};
use super::{Kind, Llm, MODEL, responder};
use crate::http::system;
use crate::stand_ins::faults::{Fault, Subject, hang_up};

/// An answer, cut into tokens.
pub(super) struct Answer {
    pub(super) tokens: Vec<String>,
    pub(super) finish: Finish,
    pub(super) usage: Usage,
}

pub(super) async fn complete(State(llm): State<Llm>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refusal) = llm.authorize(&headers) {
        return refusal.into_response();
    }
    let request: ChatRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return Refusal::Malformed(error.to_string()).into_response(),
    };
    if request.model != MODEL {
        return Refusal::UnknownModel.into_response();
    }
    let (stream, with_usage, max_tokens) =
        (request.stream.unwrap_or_default(), request.with_usage(), request.max_tokens());
    let messages: Vec<Message> = request.messages.into_iter().map(Message::from).collect();
    if messages.is_empty() {
        return Refusal::Malformed("[] is too short - 'messages'".to_owned()).into_response();
    }
    let subject = Subject { number: "", text: last_words(&messages) };
    let scripted = llm.faults.take(Kind::Say, subject);
    let answer = answer(&messages, max_tokens, scripted);
    let now = system::now_ms();
    let record = Record {
        id: format!("chatcmpl-{}", system::uuid().simple()),
        at: system::rfc3339(now),
        model: request.model,
        stream,
        max_tokens,
        messages,
        answer: answer.tokens.concat(),
        outcome: Outcome::Answering,
    };
    let chunks = Chunks { id: record.id.clone(), created: now / 1000, with_usage };
    llm.requests.add(record.clone());
    let subject = Subject { number: "", text: last_words(&record.messages) };
    let delay = llm.faults.take(Kind::Delay, subject).and_then(|fault| fault.delay_ms);
    let watch = Watch::new(&llm, &chunks.id);
    tokio::time::sleep(Duration::from_millis(delay.unwrap_or_default())).await;
    watch.ends(Outcome::Answering);
    if let Some(response) = fault(&llm, subject, &chunks.id) {
        return response;
    }
    let script = script(&llm, subject);
    if stream { stream::respond(&llm, &chunks, &answer, script) } else { whole(&llm, &chunks, &answer, script).await }
}

fn answer(messages: &[Message], max_tokens: Option<usize>, scripted: Option<Fault<Kind>>) -> Answer {
    let mut tokens: Vec<String> = match scripted {
        Some(Fault { bytes: Some(bytes), .. }) => filler(bytes),
        Some(Fault { text: Some(text), .. }) => words(&text),
        _ => words(&responder::respond(messages)),
    };
    let wanted = tokens.len();
    tokens.truncate(max_tokens.unwrap_or(usize::MAX).max(1));
    let prompt_tokens = messages.iter().map(|message| 4 + message.content.chars().count().div_ceil(4)).sum();
    let completion_tokens = tokens.len();
    let usage = Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
    Answer { finish: if completion_tokens < wanted { Finish::Length } else { Finish::Stop }, tokens, usage }
}

fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// An answer of this size. Each token tells its own number, so that one that is lost or doubled can be found.
fn filler(bytes: usize) -> Vec<String> {
    let token = |number: usize| format!("{number:07} is one more token of an answer that is made to measure. ");
    let mut rest = bytes;
    let next = |number: usize| {
        let mut token = token(number);
        token.truncate(rest);
        rest -= token.len();
        (!token.is_empty()).then_some(token)
    };
    (0..).map_while(next).collect()
}

/// What faults may look for.
fn last_words(messages: &[Message]) -> &str {
    messages.iter().rfind(|message| message.role == Role::User).map_or("", |message| message.content.as_str())
}

/// The faults that take the place of an answer.
fn fault(llm: &Llm, subject: Subject<'_>, id: &str) -> Option<Response> {
    let response = if let Some(fault) = llm.faults.take(Kind::RateLimit, subject) {
        Refusal::RateLimited(fault.delay_ms.unwrap_or(1000).div_ceil(1000)).into_response()
    } else if llm.faults.plays(Kind::TooLong, subject) {
        Refusal::TooLong.into_response()
    } else if llm.faults.plays(Kind::Empty, subject) {
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::empty()).into_response()
    } else if llm.faults.plays(Kind::Garbage, subject) {
        ([(header::CONTENT_TYPE, "application/json")], "<html>It works!").into_response()
    } else {
        return None;
    };
    llm.requests.update(id, |record| record.outcome = Outcome::Fault);
    Some(response)
}

/// The faults that change how an answer is given.
fn script(llm: &Llm, subject: Subject<'_>) -> Script {
    let after = |kind, last| {
        let fault = llm.faults.take(kind, subject)?;
        Some((fault.tokens.unwrap_or_default(), last))
    };
    let pace = llm.faults.take(Kind::Pace, subject).and_then(|fault| fault.token_delay_ms);
    let stall = |fault: Fault<Kind>| {
        (fault.tokens.unwrap_or_default(), fault.delay_ms.map_or(llm.silence, Duration::from_millis))
    };
    Script {
        pace: pace.map_or(llm.pace, Duration::from_millis),
        stall: llm.faults.take(Kind::Stall, subject).map(stall),
        last: after(Kind::Fail, Last::Error)
            .or_else(|| after(Kind::StopAfter, Last::Cut))
            .or_else(|| after(Kind::EndAfter, Last::Nothing))
            .or_else(|| after(Kind::Filter, Last::Filter)),
        counted: !llm.faults.plays(Kind::Uncounted, subject),
    }
}

/// An answer in one piece, which takes as long as it would in pieces.
async fn whole(llm: &Llm, chunks: &Chunks, answer: &Answer, script: Script) -> Response {
    let outcome = |outcome| llm.requests.update(&chunks.id, |record| record.outcome = outcome);
    let count = u32::try_from(answer.tokens.len()).unwrap_or(u32::MAX);
    tokio::time::sleep(script.pace.saturating_mul(count)).await;
    if let Some((_, silence)) = script.stall {
        tokio::time::sleep(silence).await;
    }
    let (tokens, finish) = match script.last {
        None => (answer.tokens.as_slice(), answer.finish),
        Some((after, Last::Filter)) => (answer.tokens.get(..after).unwrap_or(&answer.tokens), Finish::ContentFilter),
        Some((_, last)) => {
            outcome(Outcome::Fault);
            return if last == Last::Error { Refusal::Failed.into_response() } else { hang_up() };
        }
    };
    outcome(Outcome::Answered);
    let (text, usage) = (tokens.concat(), script.counted.then_some(answer.usage));
    Json(Completion::of(&chunks.id, chunks.created, &text, finish, usage)).into_response()
}
