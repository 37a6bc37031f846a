//! The head of a response: status, headers and cookies, in JSON.

use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::{Buf, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;

/// What separates the head of a streamed response from its body.
const DELIMITER: [u8; 8] = [0; 8];

/// The head has to be within the first 16 KB.
const LIMIT: usize = 16 * 1024;

/// What came of one more chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// The delimiter has not come yet.
    Incomplete,
    /// Both sides of the delimiter; more of the body may follow.
    Complete { head: Bytes, rest: Bytes },
    /// There is no delimiter where it has to be.
    TooLong,
}

/// Finds the delimiter in a body that may be cut anywhere.
#[derive(Default)]
pub(super) struct Splitter {
    seen: BytesMut,
}

impl Splitter {
    pub(super) fn push(&mut self, chunk: Bytes) -> Split {
        // The delimiter may begin in what came before.
        let from = self.seen.len().saturating_sub(DELIMITER.len() - 1);
        // Mostly the whole head comes in the first chunk, which then needs no copy.
        let mut all = if self.seen.is_empty() {
            chunk
        } else {
            self.seen.extend_from_slice(&chunk);
            self.seen.split().freeze()
        };
        let Some(at) = find(&all, from) else {
            if all.len() >= LIMIT + DELIMITER.len() {
                return Split::TooLong;
            }
            self.seen = BytesMut::from(all);
            return Split::Incomplete;
        };
        let head = all.split_to(at);
        all.advance(DELIMITER.len());
        Split::Complete { head, rest: all }
    }
}

fn find(bytes: &[u8], from: usize) -> Option<usize> {
    let end = bytes.len().min(LIMIT + DELIMITER.len());
    let position = bytes.get(from..end)?.windows(DELIMITER.len()).position(|window| window == DELIMITER)?;
    Some(from + position)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prelude {
    status_code: Option<Value>,
    headers: Option<BTreeMap<String, Value>>,
    multi_value_headers: Option<BTreeMap<String, Value>>,
    cookies: Option<Vec<String>>,
}

/// Status and headers of a prelude; `None` if API Gateway would not understand it.
pub(super) fn parse(head: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    let prelude: Prelude = serde_json::from_slice(head).ok()?;
    let status = match &prelude.status_code {
        Some(value) => status_code(value)?,
        None => StatusCode::OK,
    };
    let headers = header_map(
        &prelude.headers.unwrap_or_default(),
        &prelude.multi_value_headers.unwrap_or_default(),
        &prelude.cookies.unwrap_or_default(),
    )?;
    Some((status, headers))
}

/// A status as API Gateway takes it: a number, or its digits in a string.
pub(crate) fn status_code(value: &Value) -> Option<StatusCode> {
    let number = match value {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(digits) => digits.parse().ok()?,
        _ => return None,
    };
    StatusCode::from_u16(number).ok()
}

/// Headers as API Gateway takes them from a function; `None` if a name or value is not one.
pub(crate) fn header_map(
    headers: &BTreeMap<String, Value>,
    multi_value_headers: &BTreeMap<String, Value>,
    cookies: &[String],
) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in multi_value_headers {
        append(&mut map, name, value)?;
    }
    // Of a name in both, API Gateway takes the list.
    let listed: Vec<HeaderName> = map.keys().cloned().collect();
    for (name, value) in headers {
        if !listed.iter().any(|listed| listed.as_str().eq_ignore_ascii_case(name)) {
            append(&mut map, name, value)?;
        }
    }
    for cookie in cookies {
        map.append(header::SET_COOKIE, HeaderValue::from_str(cookie).ok()?);
    }
    // The gateway frames the body itself.
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        map.remove(name);
    }
    Some(map)
}

fn append(map: &mut HeaderMap, name: &str, value: &Value) -> Option<()> {
    let text = match value {
        Value::Array(values) => {
            for value in values {
                append(map, name, value)?;
            }
            return Some(());
        }
        Value::String(text) => text.clone(),
        Value::Null => return Some(()),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Object(_) => return None,
    };
    map.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(text).ok()?);
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[Bytes]) -> Option<(Bytes, Bytes)> {
        let mut splitter = Splitter::default();
        let mut found: Option<(Bytes, BytesMut)> = None;
        for chunk in chunks {
            match &mut found {
                Some((_, rest)) => rest.extend_from_slice(chunk),
                None => match splitter.push(chunk.clone()) {
                    Split::Incomplete => {}
                    Split::Complete { head, rest } => found = Some((head, BytesMut::from(&rest[..]))),
                    Split::TooLong => return None,
                },
            }
        }
        found.map(|(head, rest)| (head, rest.freeze()))
    }

    proptest! {
        #[test]
        fn the_delimiter_is_found_wherever_the_chunks_are_cut(
            head in "\\{[ -~]{0,80}\\}",
            rest in proptest::collection::vec(0..3_u8, 0..60),
            cuts in proptest::collection::vec(0..160_usize, 0..6),
        ) {
            let mut whole = head.clone().into_bytes();
            whole.extend(DELIMITER);
            whole.extend(&rest);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|cut| Bytes::copy_from_slice(&whole[cut[0]..cut[1]])).collect();
            let (found, body) = split(&chunks).expect("a delimiter");
            prop_assert_eq!(found, head.as_bytes());
            prop_assert_eq!(body, rest);
        }
    }

    #[test]
    fn a_body_without_a_delimiter_is_given_up_after_16_kb() {
        let chunks = vec![Bytes::from(vec![b'x'; 6000]); 3];
        assert_eq!(split(&chunks), None);
        assert_eq!(Splitter::default().push(Bytes::from(vec![b'x'; 100_000])), Split::TooLong);
    }

    #[test]
    fn a_prelude_gives_status_headers_and_cookies() {
        let head = br#"{"statusCode":201,"headers":{"content-type":"text/event-stream","x-many":["a","b"]},"cookies":["a=b","c=d"]}"#;
        let (status, headers) = parse(head).expect("a prelude");
        assert_eq!(status, StatusCode::CREATED);
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers.get_all("x-many").iter().count(), 2);
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn what_is_no_prelude_is_refused() {
        assert!(parse(b"hello").is_none());
        assert!(parse(br#"{"statusCode":"many"}"#).is_none());
        assert!(parse(br#"{"statusCode":200,"headers":{"bad name":"x"}}"#).is_none());
    }
}
