//! Server-sent events, framed as the seeds' parsers need them (U11): fields in the order `event`, `data`, `id`; LF only;
//! one line of ASCII JSON; one block per write; comments and `retry:` in blocks of their own.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderValue, header};
use serde::Serialize;
use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

/// Room for most blocks.
const SMALL: usize = 256;

/// A block with an event name (seeds A, D). `name` is one of ours, without line breaks.
pub fn named<T: Serialize + ?Sized>(name: &str, data: &T, id: Option<u64>) -> Bytes {
    block(Some(name), data, id)
}

/// A block without an event name (seeds B, C).
pub fn unnamed<T: Serialize + ?Sized>(data: &T, id: Option<u64>) -> Bytes {
    block(None, data, id)
}

/// A comment, which keeps proxies and clients awake.
pub fn comment(text: &str) -> Bytes {
    Bytes::from(format!(": {text}\n\n"))
}

/// How long a client waits before it reconnects.
pub fn retry(wait: Duration) -> Bytes {
    Bytes::from(format!("retry: {}\n\n", wait.as_millis()))
}

/// The answer that carries a stream. The body never yields an error: the runtime would write it into the stream.
pub fn response(blocks: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let blocks = futures_util::StreamExt::map(blocks, Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(blocks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn block<T: Serialize + ?Sized>(name: Option<&str>, data: &T, id: Option<u64>) -> Bytes {
    let mut block = Vec::with_capacity(SMALL);
    if let Some(name) = name {
        let _ = writeln!(block, "event: {name}");
    }
    block.extend_from_slice(b"data: ");
    push_ascii_json(&mut block, data);
    block.push(b'\n');
    if let Some(id) = id {
        let _ = writeln!(block, "id: {id}");
    }
    block.push(b'\n');
    Bytes::from(block)
}

/// JSON in ASCII: whatever else stands in a string is escaped, so that no chunk boundary can cut a character.
pub fn ascii_json<T: Serialize + ?Sized>(data: &T) -> String {
    let mut json = Vec::new();
    push_ascii_json(&mut json, data);
    String::from_utf8(json).unwrap_or_default()
}

fn push_ascii_json<T: Serialize + ?Sized>(text: &mut Vec<u8>, data: &T) {
    let begin = text.len();
    if serde_json::to_writer(&mut *text, data).is_err() {
        // Our wire types always serialize; a type that does not is caught by the tests of its route.
        text.truncate(begin);
        text.extend_from_slice(b"null");
    }
    if !text.is_ascii() {
        let json = text.split_off(begin);
        escape(text, &String::from_utf8_lossy(&json));
    }
}

fn escape(text: &mut Vec<u8>, json: &str) {
    text.reserve(json.len() * 2);
    let mut units = [0; 2];
    let mut rest = json;
    while let Some(at) = rest.find(|character: char| !character.is_ascii()) {
        let (ascii, other) = rest.split_at(at);
        text.extend_from_slice(ascii.as_bytes());
        let mut characters = other.chars();
        if let Some(character) = characters.next() {
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        rest = characters.as_str();
    }
    text.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_come_in_the_order_the_seeds_parsers_need() {
        let bytes = named("progress", &serde_json::json!({"stage": "é"}), Some(7));
        assert_eq!(bytes, "event: progress\ndata: {\"stage\":\"\\u00e9\"}\nid: 7\n\n");
        assert_eq!(unnamed(&1, None), "data: 1\n\n");
        assert_eq!(retry(Duration::from_secs(1)), "retry: 1000\n\n");
        assert_eq!(comment("ping"), ": ping\n\n");
    }

    proptest! {
        #[test]
        fn any_text_is_one_ascii_line_and_comes_back(text in any::<String>(), id in any::<u64>()) {
            let bytes = unnamed(&text, Some(id));
            let block = std::str::from_utf8(&bytes).unwrap();
            prop_assert!(block.is_ascii() && block.ends_with("\n\n") && !block.contains('\r'));
            prop_assert_eq!(block.lines().count(), 3);
            let data = block.lines().next().unwrap().strip_prefix("data: ").unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(data).unwrap(), text);
        }
    }
}
