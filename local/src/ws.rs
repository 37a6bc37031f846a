//! The WebSocket API: what API Gateway does between WebSocket clients, the functions behind its routes and
//! `@connections`.
//!
//! `connect` decides the handshake by the `$connect` route, `connection` is the life of an accepted socket, `event`
//! builds the events, `hub` holds the connections, `management` is `@connections`.
//!
//! Until `$connect` has returned, the id of a connection is unknown to `@connections` (410). The messages of one
//! connection are invoked one after the other, `$disconnect` last. API Gateway promises no order; one that changed from
//! run to run would make tests and demos flicker without finding anything that the functions could do about it.
//! Differences: no throttling, no route responses, `@connections` takes any signature.

mod connect;
mod connection;
mod event;
mod hub;
mod management;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use tokio::time::timeout;

use crate::http::{self, Proxied};
use crate::runtime_api::{Functions, InvokeError};
use crate::settings::Settings;
use crate::template::{Template, WebsocketApi};
use event::Peer;
pub use hub::Hub;
pub use management::management_router;

/// The largest message, in either direction.
const MESSAGE_LIMIT: usize = 128 * 1024;

/// The largest frame from a client.
const FRAME_LIMIT: usize = 32 * 1024;

/// A connection without a frame in either direction ends after this.
const IDLE_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Any connection ends after this.
const LIFE_LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// The longest integration.
const INTEGRATION_LIMIT: Duration = Duration::from_secs(29);

struct Api {
    stage: String,
    websocket: Option<WebsocketApi>,
    functions: Functions,
    settings: Arc<Settings>,
    hub: Hub,
}

/// What clients connect to: `/chat/ws`, and the API's own path, which is its stage.
pub fn client_router(template: Arc<Template>, functions: Functions, settings: Arc<Settings>, hub: Hub) -> Router {
    hub.disturb(settings.chaos);
    let stage_path = format!("/{}", template.stage);
    let api = Api { stage: template.stage.clone(), websocket: template.websocket.clone(), functions, settings, hub };
    drop(template);
    Router::new()
        .route("/chat/ws", get(connect::connect))
        .route(&stage_path, get(connect::connect))
        .with_state(Arc::new(api))
}

impl Api {
    /// Whether the API has the route.
    fn has_route(&self, key: &str) -> bool {
        self.websocket.as_ref().is_some_and(|websocket| websocket.routes.contains_key(key))
    }

    /// Invokes the function behind a route.
    async fn invoke(&self, route_key: &str, event: Bytes) -> Result<Bytes, InvokeError> {
        let routes = self.websocket.as_ref().map(|websocket| &websocket.routes);
        let binary = routes.and_then(|routes| routes.get(route_key)).ok_or(InvokeError::Crashed)?;
        let function = self.functions.get(binary).ok_or(InvokeError::Crashed)?;
        let limit = http::invocation_limit(&self.settings, INTEGRATION_LIMIT).min(function.timeout());
        let result = timeout(limit, function.invoke(event)).await.unwrap_or(Err(InvokeError::Timeout));
        if let Err(error) = &result {
            tracing::warn!(route_key, %error, "a WebSocket route failed");
        }
        result
    }

    /// Tells the function that a connection has ended.
    async fn disconnected(&self, peer: &Peer, code: u16, reason: &str) {
        if self.has_route("$disconnect") {
            let event = event::disconnect(&self.stage, peer, code, reason);
            // Best effort, as on AWS; a failure is in the log.
            let _ = self.invoke("$disconnect", event).await;
        }
    }

    /// The route of a message, by the API's route selection expression.
    fn route_key(&self, body: &[u8]) -> Option<String> {
        let websocket = self.websocket.as_ref()?;
        let selected = event::selected(&websocket.selection, body).filter(|key| websocket.routes.contains_key(key));
        selected.or_else(|| self.has_route("$default").then(|| "$default".to_owned()))
    }
}

/// The answer of `$connect`: accepted if its status is 2xx.
fn parse_answer(answer: &[u8]) -> Option<Proxied> {
    Proxied::parse(answer)
}
