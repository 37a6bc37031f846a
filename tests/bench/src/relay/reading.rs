//! An answer as its client reads it.

use super::model::{Script, nanos};
use crate::wire::Wire;
use crate::{Error, Result};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of an answer that is none, kept to be complained of.
const COMPLAINT: usize = 2000;

/// What was read of an answer so far.
#[derive(Clone, Default)]
pub(crate) struct Reading(Arc<Mutex<Read>>);

#[derive(Default)]
pub(crate) struct Read {
    /// When a token was written, and how long after that it was read.
    pub(crate) times: Vec<(u64, Duration)>,
    pub(crate) text: String,
    pub(crate) events: usize,
    pub(crate) first: Option<Instant>,
    pub(crate) last: Option<Instant>,
    /// The last event of a relayed answer.
    end: String,
    other: Vec<u8>,
}

impl Reading {
    pub(crate) fn get(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the function wrote.
    pub(crate) fn relayed(&self, block: &[u8], at: Instant) {
        let mut read = self.get();
        match std::str::from_utf8(block) {
            Ok(text) if text.starts_with(r#"data: {"type":"token","content":""#) => read.token(text, at),
            Ok(text) if text.starts_with(r#"data: {"type":"complete""#) => text.clone_into(&mut read.end),
            Ok(text) if text.starts_with(": ") => {}
            _ if read.other.len() < COMPLAINT => read.other.extend_from_slice(block),
            _ => {}
        }
    }

    /// Reads what the model wrote, with nobody between.
    pub(crate) async fn direct(&self, model: &str, script: Script) -> Result<()> {
        let mut wire = Wire::connect(model).await?;
        let body = format!(r#"{{"messages":[{{"role":"user","content":"{script}"}}]}}"#);
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        wire.write(head.as_bytes()).await?;
        wire.read_head().await?.ok_or("the model was closed")?;
        loop {
            let chunk = wire.read_chunk().await?;
            if chunk.is_empty() {
                return self.get().check_length(script);
            }
            self.get().token(std::str::from_utf8(&chunk)?, Instant::now());
        }
    }

    /// Whether a relayed answer came whole: its tokens are its text, and that is what the model wrote.
    pub(crate) fn check(&self, script: Script) -> Result<()> {
        let read = self.get();
        let complaint = || -> Error {
            let (end, other) = (read.end.get(..200).unwrap_or(&read.end), String::from_utf8_lossy(&read.other));
            format!("an answer is not whole: {} events, end {end:?}, {other}", read.events).into()
        };
        let end = read.end.strip_prefix("data: ").and_then(|end| end.lines().next()).ok_or_else(complaint)?;
        let end: Value = serde_json::from_str(end)?;
        let is_whole = end.get("content").and_then(Value::as_str) == Some(read.text.as_str())
            && end.get("finish").and_then(Value::as_str) == Some("stop");
        if is_whole { read.check_length(script) } else { Err(complaint()) }
    }
}

impl Read {
    /// Takes the tokens of an event. Those of a script need no escapes.
    fn token(&mut self, event: &str, at: Instant) {
        const CONTENT: &str = r#""content":""#;
        let Some((_, content)) = event.split_once(CONTENT) else { return };
        let content = content.split_once('"').map_or(content, |(content, _)| content);
        if content.is_empty() {
            return;
        }
        self.events += 1;
        self.first.get_or_insert(at);
        self.last = Some(at);
        let read = nanos(at);
        let times = content.split(' ').filter_map(|time| time.parse::<u64>().ok());
        self.times.extend(times.map(|time| (time, Duration::from_nanos(read.saturating_sub(time)))));
        self.text.push_str(content);
    }

    fn check_length(&self, script: Script) -> Result<()> {
        let whole = match script.bytes() {
            Some(bytes) => self.text.len() == bytes,
            None => self.times.len() == script.tokens,
        };
        if whole { Ok(()) } else { Err("an answer has another length than the model's".into()) }
    }
}
