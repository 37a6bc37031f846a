//! Events of the WebSocket API.

use ::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::http::{EventHeaders, MultiQuery, Query, SingleQuery, system};

/// What events say of a connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) connection_id: String,
    pub(super) connected_at: u64,
    pub(super) source_ip: String,
    pub(super) user_agent: String,
    /// The `Host` header.
    pub(super) host: String,
    pub(super) domain_name: String,
}

/// A message from the client.
#[derive(Debug)]
pub(super) enum Payload {
    Text(Bytes),
    Binary(Bytes),
}

fn context(stage: &str, peer: &Peer, route_key: &str, event_type: &str) -> Map<String, Value> {
    let now = system::now_ms();
    let request_id = system::short_id();
    let context = json!({
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": request_id,
        "requestTime": system::log_time(now),
        "messageDirection": "IN",
        "stage": stage,
        "connectedAt": peer.connected_at,
        "requestTimeEpoch": now,
        "identity": {"userAgent": peer.user_agent, "sourceIp": peer.source_ip},
        "requestId": request_id,
        "domainName": peer.domain_name,
        "connectionId": peer.connection_id,
        "apiId": system::API_ID,
    });
    match context {
        Value::Object(context) => context,
        _ => Map::new(),
    }
}

/// The event of `$connect`.
pub(super) fn connect(stage: &str, peer: &Peer, headers: &EventHeaders, query: &Query) -> Bytes {
    let mut event = json!({
        "headers": headers.single(),
        "multiValueHeaders": headers.multi(),
        "requestContext": context(stage, peer, "$connect", "CONNECT"),
        "isBase64Encoded": false,
    });
    if !query.is_empty()
        && let Some(event) = event.as_object_mut()
    {
        event.insert("queryStringParameters".to_owned(), json!(SingleQuery(query)));
        event.insert("multiValueQueryStringParameters".to_owned(), json!(MultiQuery(query)));
    }
    event.to_string().into()
}

/// The event of a message, and its request id.
pub(super) fn message(stage: &str, peer: &Peer, route_key: &str, payload: &Payload) -> (Bytes, String) {
    let (body, is_base64_encoded) = match payload {
        Payload::Text(text) => (String::from_utf8_lossy(text), false),
        Payload::Binary(bytes) => (STANDARD.encode(bytes).into(), true),
    };
    let mut context = context(stage, peer, route_key, "MESSAGE");
    context.insert("messageId".to_owned(), system::short_id().into());
    let request_id = context.get("requestId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let event = json!({"requestContext": context, "isBase64Encoded": is_base64_encoded, "body": body});
    (event.to_string().into(), request_id)
}

/// The event of `$disconnect`.
pub(super) fn disconnect(stage: &str, peer: &Peer, code: u16, reason: &str) -> Bytes {
    let mut context = context(stage, peer, "$disconnect", "DISCONNECT");
    context.insert("disconnectStatusCode".to_owned(), code.into());
    context.insert("disconnectReason".to_owned(), reason.into());
    let mut headers = EventHeaders::default();
    for (name, value) in [("Host", peer.host.as_str()), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", "")] {
        headers.set(name, value.to_owned());
    }
    let event = json!({
        "headers": headers.single(),
        "multiValueHeaders": headers.multi(),
        "requestContext": context,
        "isBase64Encoded": false,
    });
    event.to_string().into()
}

/// What `$request.body.<path>` selects from a message.
pub(super) fn selected(expression: &str, body: &[u8]) -> Option<String> {
    let path = expression.strip_prefix("$request.body.")?;
    let body: Value = serde_json::from_slice(body).ok()?;
    let selected = path.split('.').try_fold(&body, |value, key| value.get(key))?;
    selected.as_str().map(str::to_owned)
}

/// A header as text.
pub(super) fn text(headers: &HeaderMap, name: ::http::HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}
