//! What a function answers to the gateway, and what it was asked in the query.

use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::runtime_api::{header_map, status_code};

/// The answer of a function behind a proxy integration.
#[derive(Debug)]
pub(crate) struct Proxied {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    status_code: Value,
    headers: Option<BTreeMap<String, Value>>,
    multi_value_headers: Option<BTreeMap<String, Value>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

impl Proxied {
    /// `None` if API Gateway would call it malformed.
    pub(crate) fn parse(answer: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(answer).ok()?;
        Some(Self {
            status: status_code(&wire.status_code)?,
            headers: header_map(
                &wire.headers.unwrap_or_default(),
                &wire.multi_value_headers.unwrap_or_default(),
                &wire.cookies.unwrap_or_default(),
            )?,
            body: wire.body,
            is_base64_encoded: wire.is_base64_encoded.unwrap_or_default(),
        })
    }

    /// `None` if the body is not the base64 it says it is.
    pub(super) fn into_response(self) -> Option<Response> {
        let body = match self.body {
            None => Body::empty(),
            Some(body) if self.is_base64_encoded => Body::from(STANDARD.decode(body).ok()?),
            Some(body) => Body::from(body),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        // API Gateway's default, which surprises whoever forgot the header.
        let headers = response.headers_mut();
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        Some(response)
    }

    /// A header's first value.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.get(name)
    }
}

/// A query: names in the order of their first appearance, with all their values, decoded.
pub(crate) type Query = Vec<(String, Vec<String>)>;

/// Reads a query string.
pub(crate) fn query(raw: Option<&str>) -> Query {
    let mut query = Query::new();
    for (name, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
        match query.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value.into_owned()),
            None => query.push((name.into_owned(), vec![value.into_owned()])),
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_status_headers_and_body() {
        let answer = br#"{"statusCode":"201","headers":{"X-One":"1","x-both":"last"},"multiValueHeaders":{"Set-Cookie":["a","b"],"X-Both":["x","y"]},"body":"eA==","isBase64Encoded":true}"#;
        let proxied = Proxied::parse(answer).unwrap();
        assert_eq!(proxied.status, StatusCode::CREATED);
        assert_eq!(proxied.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(proxied.headers.get_all("x-both").iter().collect::<Vec<_>>(), ["x", "y"]);
        let response = proxied.into_response().unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
    }

    #[test]
    fn malformed_answers_are_refused() {
        for answer in ["null", "{}", r#""text""#, r#"{"statusCode":99}"#, r#"{"statusCode":200,"body":{"a":1}}"#] {
            assert!(Proxied::parse(answer.as_bytes()).is_none(), "{answer}");
        }
        let not_base64 = Proxied::parse(br#"{"statusCode":200,"body":"%%","isBase64Encoded":true}"#).unwrap();
        assert!(not_base64.into_response().is_none());
    }

    #[test]
    fn queries_are_decoded_and_keep_repeated_names() {
        let read = query(Some("a=1&b=x%20y&a=2+3&flag"));
        let text: Vec<_> = read.iter().map(|(name, values)| format!("{name}={}", values.join(","))).collect();
        assert_eq!(text, ["a=1,2 3", "b=x y", "flag="]);
        assert!(query(None).is_empty());
    }
}
