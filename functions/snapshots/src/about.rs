//! What runs here and where.

use crate::State;
use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use domain::broadcast::HISTORY_LIMIT;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use std::sync::Arc;

/// What the configuration says of this deployment.
pub(crate) struct About {
    pub(crate) agent: String,
    pub(crate) websocket_url: String,
    pub(crate) base_url: Option<String>,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    agent: String,
    version: &'static str,
}

/// `GET /health` (E18).
pub(crate) async fn health(Shared(state): Shared<State>) -> Response {
    let about: &Arc<About> = &state.about;
    Json(Health { status: "healthy", agent: about.agent.clone(), version: env!("CARGO_PKG_VERSION") }).into_response()
}

#[derive(Serialize)]
struct Config {
    websocket_url: String,
    base_url: Option<String>,
    stream_path: &'static str,
    contact_stream_path: &'static str,
    history_limit: usize,
    version: &'static str,
}

/// `GET /api/config`: what a client cannot know by itself, above all the WebSocket's URL, which in the cloud is another
/// host's (L6).
pub(crate) async fn config(Shared(state): Shared<State>) -> Response {
    Json(Config {
        websocket_url: state.about.websocket_url.clone(),
        base_url: state.about.base_url.clone(),
        stream_path: "/api/conversation/{conversation_id}/stream",
        contact_stream_path: "/api/stream/conversation/{lead_id}",
        history_limit: HISTORY_LIMIT,
        version: env!("CARGO_PKG_VERSION"),
    })
    .into_response()
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    let document = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}
