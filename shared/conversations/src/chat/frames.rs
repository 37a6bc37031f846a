//! What WebSocket clients are told of chats (E02-E06, E20). A frame holds 128 KB: long texts are cut, and say so; the whole
//! is in the chat.

use domain::chat::{Ending, Exchange, Failure, Outcome, Question, RawEvents};
use domain::ids::{ChatId, ExchangeId, UserId};
use serde::Serialize;
use std::borrow::Cow;

/// Bytes of a text in a frame, as JSON.
const TEXT_BYTES: usize = 100 * 1024;
/// Bytes of what a provider said about an answer. They are in a frame twice.
const RAW_BYTES: usize = 8 * 1024;

/// What people are told of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What happened, in a sentence.
    pub message: String,
    /// The error's name.
    pub code: String,
    /// What to do about it.
    pub hint: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame<'a> {
    Typing {
        session_id: &'a ChatId,
    },
    Idle {
        session_id: &'a ChatId,
    },
    Message {
        message: &'a str,
        session_id: &'a ChatId,
        message_id: &'a ExchangeId,
        message_type: &'a str,
        timestamp: String,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
    Token {
        content: &'a str,
        session_id: &'a ChatId,
        message_id: &'a ExchangeId,
        seq: u64,
    },
    Response(Box<Response<'a>>),
    Error {
        message: &'a str,
        code: &'a str,
        hint: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<&'a ChatId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<&'a ExchangeId>,
        #[serde(skip_serializing_if = "str::is_empty")]
        partial: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
}

#[derive(Serialize)]
struct Response<'a> {
    message: &'a str,
    session_id: &'a ChatId,
    user_id: &'a UserId,
    message_type: &'a str,
    timestamp: String,
    #[serde(flatten)]
    facts: &'a Facts<'a>,
    /// Once more: seed E's clients read them there.
    data: &'a Facts<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize)]
struct Facts<'a> {
    raw_events: Cow<'a, RawEvents>,
    response_time_ms: u64,
    message_id: &'a ExchangeId,
    tokens_used: u64,
    points_cost: u64,
    finish: &'static str,
    cached: bool,
}

/// Somebody or something is about to answer.
pub fn typing(chat: &ChatId) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Frame::Typing { session_id: chat })
}

/// Nothing is under way in this chat, and nothing was.
pub fn idle(chat: &ChatId) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Frame::Idle { session_id: chat })
}

/// What the person said from another of their devices.
pub fn message(question: &Question) -> serde_json::Result<Vec<u8>> {
    let message = fitting(&question.message, TEXT_BYTES);
    serde_json::to_vec(&Frame::Message {
        message,
        session_id: &question.chat_id,
        message_id: &question.id,
        message_type: &question.message_type,
        timestamp: question.asked_at.iso_plain(),
        truncated: message.len() < question.message.len(),
    })
}

/// More of an answer; `seq` is the number of its last token.
pub fn token(question: &Question, content: &str, seq: u64) -> serde_json::Result<Vec<u8>> {
    let Question { chat_id, id, .. } = question;
    serde_json::to_vec(&Frame::Token { content, session_id: chat_id, message_id: id, seq })
}

/// How an exchange ended: `response`, or `error` in the words of `trouble`. `None` while it is under way.
pub fn ended(exchange: &Exchange, trouble: impl FnOnce(Failure) -> Trouble) -> serde_json::Result<Option<Vec<u8>>> {
    let Some(outcome) = &exchange.outcome else { return Ok(None) };
    let question = &exchange.question;
    let text = fitting(&outcome.response, TEXT_BYTES);
    let truncated = outcome.cut || text.len() < outcome.response.len();
    let finish = match outcome.ending {
        Ending::Complete(finish) => finish.as_str(),
        Ending::Failed(failure) => return failed(question, text, truncated, &trouble(failure)).map(Some),
    };
    let facts = facts(question, outcome, finish);
    let response = Response {
        message: text,
        session_id: &question.chat_id,
        user_id: &question.user_id,
        message_type: &question.message_type,
        timestamp: outcome.ended_at.iso_plain(),
        facts: &facts,
        data: &facts,
        truncated,
    };
    serde_json::to_vec(&Frame::Response(Box::new(response))).map(Some)
}

/// A request that was refused, in this chat if it is known.
pub fn refused(chat: Option<&ChatId>, trouble: &Trouble) -> serde_json::Result<Vec<u8>> {
    let Trouble { message, code, hint } = trouble;
    let (session_id, message_id) = (chat, None);
    serde_json::to_vec(&Frame::Error { message, code, hint, session_id, message_id, partial: "", truncated: false })
}

fn failed(question: &Question, partial: &str, truncated: bool, trouble: &Trouble) -> serde_json::Result<Vec<u8>> {
    let Trouble { message, code, hint } = trouble;
    let (session_id, message_id) = (Some(&question.chat_id), Some(&question.id));
    serde_json::to_vec(&Frame::Error { message, code, hint, session_id, message_id, partial, truncated })
}

fn facts<'a>(question: &'a Question, outcome: &'a Outcome, finish: &'static str) -> Facts<'a> {
    let raw = &outcome.raw_events;
    let usage = raw.usage_metadata.as_ref().map_or(0, |usage| usage.to_string().len());
    let raw_events = if usage > RAW_BYTES {
        Cow::Owned(RawEvents { usage_metadata: None, ..raw.clone() })
    } else {
        Cow::Borrowed(raw)
    };
    Facts {
        raw_events,
        response_time_ms: outcome.response_time_ms,
        message_id: &question.id,
        tokens_used: outcome.tokens_used,
        points_cost: outcome.points_cost,
        finish,
        cached: outcome.cached,
    }
}

/// The longest beginning of a text that takes at most so many bytes as JSON.
fn fitting(text: &str, bytes: usize) -> &str {
    let mut left = bytes;
    let over = text.char_indices().find(|(_, character)| match left.checked_sub(json_bytes(*character)) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    over.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Bytes of a text as JSON, quotes apart.
pub fn size(text: &str) -> usize {
    text.chars().map(json_bytes).sum()
}

fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\u{20}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
