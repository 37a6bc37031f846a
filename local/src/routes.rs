//! The client port: `/local/*` for people and tests, the WebSocket API, and the REST API for everything else.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ::http::{StatusCode, header};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::dynamodb::{Counters, Delay};
use crate::info;
use crate::kill_points::KillPoints;
use crate::mail::Mailbox;
use crate::queues::Queues;
use crate::stand_ins::StandIns;
use crate::streams::{self, DeadLetters, StreamCounts};

/// What `/local/*` shows.
pub(crate) struct Local {
    pub(crate) data_dir: PathBuf,
    pub(crate) mailbox: Mailbox,
    pub(crate) stand_ins: StandIns,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) counters: Arc<Counters>,
    pub(crate) delay: Delay,
    /// Set when the stream mappings run.
    pub(crate) streams: Arc<OnceLock<StreamCounts>>,
    pub(crate) queues: Queues,
    pub(crate) kill_points: KillPoints,
}

type Metrics = (Arc<Counters>, Arc<OnceLock<StreamCounts>>, Queues);

/// The router of the client port; `gateway` has the fallback.
pub(crate) fn router(local: Local, websocket: Router, gateway: Router) -> Router {
    let metrics: Metrics = (local.counters, local.streams, local.queues.clone());
    Router::new()
        .route("/local/info", get(show_info).with_state(local.data_dir.join(info::FILE)))
        .route("/local/metrics", get(show_metrics).with_state(metrics))
        .route("/local/dead-letters", get(streams::list).with_state(local.dead_letters))
        .merge(local.mailbox.view())
        .merge(local.queues.view())
        .merge(local.kill_points.view())
        .merge(local.delay.router())
        .merge(local.stand_ins.view())
        .merge(websocket)
        .merge(gateway)
}

async fn show_info(State(path): State<PathBuf>) -> Response {
    match tokio::fs::read(path).await {
        Ok(content) => ([(header::CONTENT_TYPE, "application/json")], content).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"message": "still starting"}))).into_response(),
    }
}

async fn show_metrics(State((counters, streams, queues)): State<Metrics>) -> Json<Value> {
    let (operations, tables) = counters.json();
    let streams = streams.get().map(StreamCounts::json);
    Json(json!({"dynamodb": operations, "dynamodb_by_table": tables, "streams": streams, "queues": queues.counts()}))
}
