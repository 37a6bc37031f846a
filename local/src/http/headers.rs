//! Headers as events have them.

use ::http::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};

/// Headers between client and gateway only.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers of a request in the spelling of HTTP/1.1 clients, ready for an event.
#[derive(Debug, Default)]
pub(crate) struct EventHeaders {
    entries: Vec<(String, Vec<String>)>,
}

impl EventHeaders {
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let entries = headers
            .keys()
            .filter(|name| !HOP_BY_HOP.contains(&name.as_str()))
            .map(|name| {
                let values = headers.get_all(name).iter();
                (spelling(name), values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect())
            })
            .collect();
        Self { entries }
    }

    /// Sets a header that the gateway adds, in place of what the client sent.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.entries.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.entries.push((name.to_owned(), vec![value]));
    }

    /// The `headers` of an event: of a repeated header the last value.
    pub(crate) fn single(&self) -> impl Serialize + use<'_> {
        Single(self)
    }

    /// The `multiValueHeaders` of an event.
    pub(crate) fn multi(&self) -> impl Serialize + use<'_> {
        Multi(self)
    }
}

struct Single<'a>(&'a EventHeaders);

impl Serialize for Single<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.entries.iter().filter_map(|(name, values)| Some((name, values.last()?))))
    }
}

struct Multi<'a>(&'a EventHeaders);

impl Serialize for Multi<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.entries.iter().map(|(name, values)| (name, values)))
    }
}

/// The usual spelling of a name, which the HTTP server has put into lower case.
fn spelling(name: &HeaderName) -> String {
    let mut start = true;
    let titled: String = name
        .as_str()
        .chars()
        .map(|letter| {
            let shown = if start { letter.to_ascii_uppercase() } else { letter };
            start = letter == '-';
            shown
        })
        .collect();
    match titled.strip_prefix("Sec-Websocket-") {
        Some(rest) => format!("Sec-WebSocket-{rest}"),
        None => titled,
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_get_the_usual_spelling_and_repeated_values_stay() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        headers.insert("sec-websocket-key", HeaderValue::from_static("k"));
        headers.insert("connection", HeaderValue::from_static("keep-alive"));
        headers.append("x-many", HeaderValue::from_static("1"));
        headers.append("x-many", HeaderValue::from_static("2"));
        let mut headers = EventHeaders::new(&headers);
        headers.set("X-Forwarded-Port", "443".to_owned());
        assert_eq!(
            serde_json::to_value(headers.single()).unwrap(),
            json!({"Content-Type": "text/plain", "Sec-WebSocket-Key": "k", "X-Many": "2", "X-Forwarded-Port": "443"})
        );
        assert_eq!(serde_json::to_value(headers.multi()).unwrap()["X-Many"], json!(["1", "2"]));
    }
}
