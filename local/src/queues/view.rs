//! `/local/queues`: what is in the queues, and what people and tests do about it.

use ::http::StatusCode;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Queues;

impl Queues {
    /// What people and tests look at.
    pub(crate) fn view(&self) -> Router {
        Router::new()
            .route("/local/queues", get(list))
            .route("/local/queues/{name}/redrive", post(redrive))
            .route("/local/queues/{name}/purge", post(purge))
            .with_state(self.clone())
    }
}

async fn list(State(queues): State<Queues>) -> Json<Value> {
    Json(queues.list())
}

async fn redrive(State(queues): State<Queues>, Path(name): Path<String>) -> Response {
    match queues.redrive(&name) {
        Some(moved) => Json(json!({"moved": moved})).into_response(),
        None => not_found("no such dead-letter queue"),
    }
}

async fn purge(State(queues): State<Queues>, Path(name): Path<String>) -> Response {
    match queues.purge(&name) {
        Some(purged) => Json(json!({"purged": purged})).into_response(),
        None => not_found("no such queue"),
    }
}

fn not_found(message: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"message": message}))).into_response()
}
