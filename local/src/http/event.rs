//! The event of the REST API, payload format 1.0.

use std::borrow::Cow;
use std::net::SocketAddr;

use ::http::request::Parts;
use ::http::{HeaderMap, Version, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::headers::EventHeaders;
use super::response::{Query, query};
use super::routes::Found;
use super::system;

/// What an event is made of.
pub(super) struct Builder<'a> {
    pub(super) found: &'a Found<'a>,
    pub(super) request_id: &'a str,
    pub(super) parts: &'a Parts,
    pub(super) body: &'a Bytes,
    pub(super) source: Option<SocketAddr>,
    pub(super) stage: &'a str,
    pub(super) port: u16,
    pub(super) binary_media_types: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a, S, M> {
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: S,
    multi_value_headers: M,
    query_string_parameters: Option<SingleQuery<'a>>,
    multi_value_query_string_parameters: Option<MultiQuery<'a>>,
    path_parameters: Option<PathParameters<'a>>,
    stage_variables: Option<()>,
    request_context: Context<'a>,
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    resource_id: &'static str,
    resource_path: &'a str,
    http_method: &'a str,
    extended_request_id: String,
    request_time: String,
    path: &'a str,
    account_id: &'static str,
    protocol: &'static str,
    stage: &'a str,
    domain_prefix: &'a str,
    request_time_epoch: u64,
    request_id: &'a str,
    identity: Identity<'a>,
    domain_name: &'a str,
    deployment_id: &'static str,
    api_id: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    cognito_identity_pool_id: Option<()>,
    account_id: Option<()>,
    cognito_identity_id: Option<()>,
    caller: Option<()>,
    source_ip: String,
    principal_org_id: Option<()>,
    access_key: Option<()>,
    cognito_authentication_type: Option<()>,
    cognito_authentication_provider: Option<()>,
    user_arn: Option<()>,
    user_agent: Option<&'a str>,
    user: Option<()>,
}

impl Builder<'_> {
    /// The event as JSON.
    pub(super) fn build(self) -> Bytes {
        let source_ip = source_ip(self.source);
        let mut headers = EventHeaders::new(&self.parts.headers);
        forwarded(&mut headers, &self.parts.headers, &source_ip, self.port);
        let query = query(self.parts.uri.query());
        let query = Some(&query).filter(|query| !query.is_empty());
        let (body, is_base64_encoded) = self.body();
        let domain_name = domain_name(&self.parts.headers);
        let now = system::now_ms();
        let event = Event {
            resource: &self.found.resource.path,
            path: self.found.path,
            http_method: self.parts.method.as_str(),
            headers: headers.single(),
            multi_value_headers: headers.multi(),
            query_string_parameters: query.map(SingleQuery),
            multi_value_query_string_parameters: query.map(MultiQuery),
            path_parameters: Some(PathParameters(&self.found.parameters)).filter(|parameters| !parameters.0.is_empty()),
            stage_variables: None,
            request_context: Context {
                resource_id: "local",
                resource_path: &self.found.resource.path,
                http_method: self.parts.method.as_str(),
                extended_request_id: system::short_id(),
                request_time: system::log_time(now),
                path: self.found.full_path,
                account_id: system::ACCOUNT,
                protocol: if self.parts.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" },
                stage: self.stage,
                domain_prefix: domain_name.split('.').next().unwrap_or(domain_name),
                request_time_epoch: now,
                request_id: self.request_id,
                identity: Identity {
                    source_ip,
                    user_agent: self.parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()),
                    ..Identity::default()
                },
                domain_name,
                deployment_id: "local",
                api_id: system::API_ID,
            },
            body,
            is_base64_encoded,
        };
        // Strings and numbers only: there is nothing that could fail.
        serde_json::to_vec(&event).unwrap_or_default().into()
    }

    fn body(&self) -> (Option<Cow<'_, str>>, bool) {
        if self.body.is_empty() {
            return (None, false);
        }
        let content_type = self.parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let binary = content_type.is_some_and(|content_type| is_binary(content_type, self.binary_media_types));
        match std::str::from_utf8(self.body) {
            Ok(text) if !binary => (Some(Cow::Borrowed(text)), false),
            _ => (Some(Cow::Owned(STANDARD.encode(self.body))), true),
        }
    }
}

/// Whether bodies of this type reach functions as base64.
fn is_binary(content_type: &str, binary_media_types: &[String]) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let (kind, subtype) = essence.split_once('/').unwrap_or((essence, ""));
    binary_media_types.iter().any(|pattern| {
        let pattern = pattern.replace("~1", "/");
        let (wanted_kind, wanted_subtype) = pattern.split_once('/').unwrap_or((&pattern, ""));
        (wanted_kind == "*" || wanted_kind.eq_ignore_ascii_case(kind))
            && (wanted_subtype == "*" || wanted_subtype.eq_ignore_ascii_case(subtype))
    })
}

/// Address of the client, without the port.
pub(crate) fn source_ip(source: Option<SocketAddr>) -> String {
    source.map_or_else(|| "127.0.0.1".to_owned(), |source| source.ip().to_canonical().to_string())
}

/// Host name that the client called.
pub(crate) fn domain_name(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Adds what the gateway says of the way the request took. A tunnel before us may have said the first part.
pub(crate) fn forwarded(headers: &mut EventHeaders, sent: &HeaderMap, source_ip: &str, port: u16) {
    let before = |name: &str| sent.get(name).and_then(|value| value.to_str().ok());
    let chain = before("x-forwarded-for").map_or_else(|| source_ip.to_owned(), |chain| format!("{chain}, {source_ip}"));
    let protocol = before("x-forwarded-proto").unwrap_or("http").to_owned();
    let port = before("x-forwarded-port").map_or_else(|| port.to_string(), str::to_owned);
    let trace = before("x-amzn-trace-id").map_or_else(system::trace_id, str::to_owned);
    headers.set("X-Forwarded-For", chain);
    headers.set("X-Forwarded-Proto", protocol);
    headers.set("X-Forwarded-Port", port);
    headers.set("X-Amzn-Trace-Id", trace);
}

/// Of a repeated name the last value.
pub(crate) struct SingleQuery<'a>(pub(crate) &'a Query);

impl Serialize for SingleQuery<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter_map(|(name, values)| Some((name, values.last()?))))
    }
}

/// All values of every name.
pub(crate) struct MultiQuery<'a>(pub(crate) &'a Query);

impl Serialize for MultiQuery<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, values)| (name, values)))
    }
}

struct PathParameters<'a>(&'a [(&'a str, String)]);

impl Serialize for PathParameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_compared_without_parameters() {
        let types = ["application/pdf".to_owned(), "multipart~1form-data".to_owned(), "image/*".to_owned()];
        for binary in ["application/pdf", "Application/PDF; q=1", "multipart/form-data; boundary=x", "image/png"] {
            assert!(is_binary(binary, &types), "{binary}");
        }
        for text in ["application/json", "text/plain", "multipart/mixed", ""] {
            assert!(!is_binary(text, &types), "{text}");
        }
        assert!(is_binary("anything/else", &["*/*".to_owned()]));
    }

    #[test]
    fn the_domain_name_has_no_port() {
        let of = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", ::http::HeaderValue::from_static(host));
            domain_name(&headers).to_owned()
        };
        assert_eq!(of("localhost:8000"), "localhost");
        assert_eq!(of("demo.example.com"), "demo.example.com");
        assert_eq!(of("[::1]:8000"), "[::1]");
        assert_eq!(domain_name(&HeaderMap::new()), "localhost");
    }
}
