//! The client port: `/local/*` for people and tests, the WebSocket API, and the REST API for everything else.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ::http::{StatusCode, header};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::dynamodb::Counters;
use crate::info;
use crate::mail::Mailbox;
use crate::streams::{self, DeadLetters, StreamCounts};

/// What `/local/*` shows.
pub(crate) struct Local {
    pub(crate) data_dir: PathBuf,
    pub(crate) mailbox: Mailbox,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) counters: Arc<Counters>,
    /// Set when the stream mappings run.
    pub(crate) streams: Arc<OnceLock<StreamCounts>>,
}

/// The router of the client port; `gateway` has the fallback.
pub(crate) fn router(local: Local, websocket: Router, gateway: Router) -> Router {
    let metrics = (local.counters, local.streams);
    Router::new()
        .route("/local/info", get(show_info).with_state(local.data_dir.join(info::FILE)))
        .route("/local/metrics", get(show_metrics).with_state(metrics))
        .route("/local/dead-letters", get(streams::list).with_state(local.dead_letters))
        .merge(local.mailbox.view())
        .merge(websocket)
        .merge(gateway)
}

async fn show_info(State(path): State<PathBuf>) -> Response {
    match tokio::fs::read(path).await {
        Ok(content) => ([(header::CONTENT_TYPE, "application/json")], content).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"message": "still starting"}))).into_response(),
    }
}

async fn show_metrics(State((counters, streams)): State<(Arc<Counters>, Arc<OnceLock<StreamCounts>>)>) -> Json<Value> {
    let (operations, tables) = counters.json();
    let streams = streams.get().map(StreamCounts::json);
    Json(json!({"dynamodb": operations, "dynamodb_by_table": tables, "streams": streams}))
}
