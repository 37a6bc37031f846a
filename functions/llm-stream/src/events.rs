//! Seed C's events and how they are numbered (C03-C07).

use bytes::Bytes;
use conversations::chat::Update;
use domain::chat::{Ending, Exchange, Outcome, Question};
use domain::ids::{ChatId, ExchangeId, UserId};
use domain::time::Timestamp;
use serde::Serialize;
use web::{ApiError, Code, sse};

/// Which answer follows.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    interaction_id: &'a ChatId,
    is_new_interaction: bool,
    user_id: &'a UserId,
    message_id: &'a ExchangeId,
    cached: bool,
}

#[derive(Serialize)]
struct Token<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    content: &'a str,
    timestamp: f64,
}

/// The end of an answer.
#[derive(Serialize)]
struct Complete<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    content: &'a str,
    tokens_used: u64,
    points_cost: u64,
    timestamp: f64,
    message_id: &'a ExchangeId,
    finish: &'static str,
    cached: bool,
    usage_estimated: bool,
    model: Option<&'a str>,
    response_time_ms: u64,
}

/// The end of an answer that is none, or only a part.
#[derive(Serialize)]
struct Failed<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: &'a str,
    timestamp: f64,
    code: Code,
    hint: &'a str,
    message_id: &'a ExchangeId,
    partial: bool,
    tokens_used: u64,
    points_cost: u64,
}

/// A viewer who may not see any more, or a stream that cannot go on.
#[derive(Serialize)]
struct Refused<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: &'a str,
    timestamp: f64,
    code: Code,
    hint: &'a str,
}

/// The whole answer at once (C19).
#[derive(Serialize)]
pub(crate) struct Whole<'a> {
    #[serde(flatten)]
    complete: Complete<'a>,
    interaction_id: &'a ChatId,
    is_new_interaction: bool,
    user_id: &'a UserId,
}

/// The first event of an answer.
pub(crate) fn metadata(exchange: &Exchange) -> Bytes {
    let question = &exchange.question;
    let metadata = Metadata {
        kind: "metadata",
        interaction_id: &question.chat_id,
        is_new_interaction: question.number == 1,
        user_id: &question.user_id,
        message_id: &question.id,
        cached: exchange.outcome.as_ref().is_some_and(|outcome| outcome.cached),
    };
    sse::unnamed(&metadata, Some(question.first_event()))
}

/// The event of an update.
pub(crate) fn update(question: &Question, update: &Update) -> Bytes {
    match update {
        Update::Token { number, text, at } => {
            let token = Token { kind: "token", content: text, timestamp: at.float_seconds() };
            sse::unnamed(&token, Some(question.first_event() + number))
        }
        Update::Ended(exchange) => match &exchange.outcome {
            Some(outcome) => last(question, outcome),
            None => refused(&Code::Internal.into(), question.asked_at),
        },
    }
}

fn last(question: &Question, outcome: &Outcome) -> Bytes {
    let id = Some(question.first_event() + outcome.tokens + 1);
    match outcome.ending {
        Ending::Complete(_) => sse::unnamed(&complete(question, outcome), id),
        Ending::Failed(failure) => {
            let error = ApiError::from(Code::from(failure));
            let body = error.body("");
            let failed = Failed {
                kind: "error",
                error: body.error,
                timestamp: outcome.ended_at.float_seconds(),
                code: body.code,
                hint: body.hint,
                message_id: &question.id,
                partial: !outcome.response.is_empty(),
                tokens_used: outcome.tokens_used,
                points_cost: outcome.points_cost,
            };
            sse::unnamed(&failed, id)
        }
    }
}

fn complete<'a>(question: &'a Question, outcome: &'a Outcome) -> Complete<'a> {
    let finish = match outcome.ending {
        Ending::Complete(finish) => finish.as_str(),
        Ending::Failed(_) => "error",
    };
    Complete {
        kind: "complete",
        content: &outcome.response,
        tokens_used: outcome.tokens_used,
        points_cost: outcome.points_cost,
        timestamp: outcome.ended_at.float_seconds(),
        message_id: &question.id,
        finish,
        cached: outcome.cached,
        usage_estimated: outcome.usage_estimated,
        model: outcome.model.as_deref(),
        response_time_ms: outcome.response_time_ms,
    }
}

/// The answer as one body, or the error that it is.
pub(crate) fn whole<'a>(question: &'a Question, outcome: &'a Outcome) -> Result<Whole<'a>, ApiError> {
    if let Ending::Failed(failure) = outcome.ending {
        return Err(Code::from(failure).into());
    }
    Ok(Whole {
        complete: complete(question, outcome),
        interaction_id: &question.chat_id,
        is_new_interaction: question.number == 1,
        user_id: &question.user_id,
    })
}

/// The end of a stream for a reason that is not the answer's.
pub(crate) fn refused(error: &ApiError, at: Timestamp) -> Bytes {
    let body = error.body("");
    let timestamp = at.float_seconds();
    sse::unnamed(&Refused { kind: "error", error: body.error, timestamp, code: body.code, hint: body.hint }, None)
}
