//! Whether the function runs, and with which models (C09, C17).

use crate::State;
use axum::Json;
use axum::extract::State as Shared;
use serde::{Deserialize, Serialize};
use store::now;
use web::ApiError;
use web::extract::Query;

#[derive(Deserialize)]
pub(crate) struct HealthQuery {
    #[serde(default)]
    deep: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    service: &'static str,
    timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    llm: Option<Models>,
}

#[derive(Serialize)]
struct Models {
    configured: bool,
    models: Vec<Model>,
}

#[derive(Serialize)]
struct Model {
    provider: String,
    model: String,
}

/// `GET /api/stream/health`, with `deep=1` also which models are asked, in order.
pub(crate) async fn health(
    Shared(state): Shared<State>,
    Query(query): Query<HealthQuery>,
) -> Result<Json<Health>, ApiError> {
    let llm = &state.chats.llm;
    let models = || Models {
        configured: llm.is_configured(),
        models: llm
            .models()
            .map(|(provider, model)| Model { provider: provider.to_owned(), model: model.to_owned() })
            .collect(),
    };
    let deep = matches!(query.deep.as_deref(), Some("1" | "true"));
    Ok(Json(Health {
        status: "healthy",
        service: "interaction-streaming",
        timestamp: now().float_seconds(),
        llm: deep.then(models),
    }))
}
