//! The handshake, decided by the `$connect` route.

use std::net::SocketAddr;
use std::sync::Arc;

use ::http::request::Parts;
use ::http::{HeaderValue, StatusCode, header};
use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::oneshot;

use super::event::{self, Peer};
use super::{Api, FRAME_LIMIT, MESSAGE_LIMIT, connection};
use crate::http::{self, EventHeaders, system};
use crate::runtime_api::InvokeError;

/// What `$connect` said.
enum Verdict {
    /// Accepted, with the subprotocol it chose.
    Accepted(Option<HeaderValue>),
    Refused(StatusCode),
}

pub(super) async fn connect(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let peer = peer(&parts);
    let event = connect_event(&api, &parts, &peer);
    let (decided, verdict) = oneshot::channel();
    let (asking, asker) = (Arc::clone(&api), peer.clone());
    // In a task of its own: a client that leaves now does not stop the function.
    system::spawn(async move {
        let verdict = ask(&asking, event).await;
        if let Err(Verdict::Accepted(_)) = decided.send(verdict) {
            asking.disconnected(&asker, 1006, connection::ABNORMAL).await;
        }
    });
    match verdict.await.unwrap_or(Verdict::Refused(StatusCode::INTERNAL_SERVER_ERROR)) {
        Verdict::Refused(status) => refusal(status, &peer),
        Verdict::Accepted(protocol) => accept(api, upgrade, peer, protocol),
    }
}

fn peer(parts: &Parts) -> Peer {
    let source = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address);
    Peer {
        connection_id: system::short_id(),
        connected_at: system::now_ms(),
        source_ip: http::source_ip(source),
        user_agent: event::text(&parts.headers, header::USER_AGENT),
        host: event::text(&parts.headers, header::HOST),
        domain_name: http::domain_name(&parts.headers).to_owned(),
    }
}

fn connect_event(api: &Api, parts: &Parts, peer: &Peer) -> bytes::Bytes {
    let mut headers = EventHeaders::new(&parts.headers);
    http::forwarded(&mut headers, &parts.headers, &peer.source_ip, api.settings.port);
    event::connect(&api.stage, peer, &headers, &http::query(parts.uri.query()))
}

async fn ask(api: &Api, event: bytes::Bytes) -> Verdict {
    if api.websocket.is_none() {
        return Verdict::Refused(StatusCode::FORBIDDEN);
    }
    if !api.has_route("$connect") {
        return Verdict::Accepted(None);
    }
    let answer = match api.invoke("$connect", event).await {
        Ok(answer) => answer,
        Err(InvokeError::Timeout) => return Verdict::Refused(StatusCode::GATEWAY_TIMEOUT),
        Err(InvokeError::TooLarge) => return Verdict::Refused(StatusCode::PAYLOAD_TOO_LARGE),
        Err(InvokeError::Busy) => return Verdict::Refused(StatusCode::INTERNAL_SERVER_ERROR),
        Err(InvokeError::FunctionError { .. } | InvokeError::Crashed) => {
            return Verdict::Refused(StatusCode::BAD_GATEWAY);
        }
    };
    match super::parse_answer(&answer) {
        Some(answer) if answer.status.is_success() => {
            Verdict::Accepted(answer.header(&header::SEC_WEBSOCKET_PROTOCOL).cloned())
        }
        Some(answer) => Verdict::Refused(answer.status),
        None => Verdict::Refused(StatusCode::BAD_GATEWAY),
    }
}

fn accept(api: Arc<Api>, upgrade: WebSocketUpgrade, peer: Peer, protocol: Option<HeaderValue>) -> Response {
    let mut upgrade = upgrade
        .max_frame_size(FRAME_LIMIT)
        .max_message_size(MESSAGE_LIMIT)
        // The default of 128 KB per connection is for servers with few of them.
        .read_buffer_size(8 * 1024);
    if let Some(protocol) = protocol {
        upgrade.set_selected_protocol(protocol);
    }
    // Before the client hears of it: what is posted from now on waits in the queue.
    let (connection, outbox) = api.hub.open(peer);
    let (failed_api, failed) = (Arc::clone(&api), Arc::clone(&connection));
    upgrade
        .on_failed_upgrade(move |_| {
            system::spawn(async move {
                failed_api.hub.close(&failed.peer.connection_id);
                failed_api.disconnected(&failed.peer, 1006, connection::ABNORMAL).await;
            });
        })
        .on_upgrade(move |socket| connection::run(api, socket, connection, outbox))
}

fn refusal(status: StatusCode, peer: &Peer) -> Response {
    let message = status.canonical_reason().unwrap_or("Forbidden");
    let body = json!({
        "message": message,
        "connectionId": peer.connection_id,
        "requestId": system::short_id(),
    });
    (status, Json(body)).into_response()
}
