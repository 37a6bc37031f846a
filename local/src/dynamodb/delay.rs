//! How slowly the local DynamoDB answers: `GET` and `PUT /local/dynamodb/delay`, for tests of what must not wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// How long each request waits before it is answered. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Delay(Arc<AtomicU64>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    milliseconds: u64,
}

impl Delay {
    /// Waits as long as is set.
    pub(super) async fn wait(&self) {
        let milliseconds = self.0.load(Ordering::Relaxed);
        if milliseconds > 0 {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
    }

    /// The control.
    pub(crate) fn router(&self) -> Router {
        Router::new().route("/local/dynamodb/delay", get(show).put(set)).with_state(self.clone())
    }
}

async fn show(State(delay): State<Delay>) -> Json<Setting> {
    Json(Setting { milliseconds: delay.0.load(Ordering::Relaxed) })
}

async fn set(State(delay): State<Delay>, Json(setting): Json<Setting>) -> Json<Setting> {
    delay.0.store(setting.milliseconds, Ordering::Relaxed);
    Json(setting)
}
