//! Deleting a chat (E10).

use crate::{State, not_found};
use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::ids::ChatId;
use serde::Serialize;
use store::{StoreError, Tenant};
use web::{ApiError, Caller};

/// Exchanges among which those under way are looked for: nobody may have more under way at once.
const LATEST: usize = 50;

#[derive(Serialize)]
pub(crate) struct RemovalResponse {
    message: &'static str,
}

/// `DELETE /chat/sessions/{session_id}`: softly, the data stays. Answers under way are stopped.
pub(crate) async fn remove(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<RemovalResponse>, ApiError> {
    let id = ChatId::parse(&id).map_err(|_| not_found())?;
    let tenant = state.tenant(&caller);
    if !tenant.delete_chat(&caller.user_id, &id).await? {
        return Err(not_found());
    }
    // From here on nobody can ask in it. It is deleted, whatever becomes of its answers: those end by themselves.
    if let Err(error) = stop(&tenant, &id).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "answers of a deleted chat were not stopped");
    }
    Ok(Json(RemovalResponse { message: "Session deleted successfully" }))
}

async fn stop(tenant: &Tenant, id: &ChatId) -> Result<(), StoreError> {
    if tenant.any_chat(id).await?.is_none_or(|chat| chat.open == 0) {
        return Ok(());
    }
    for exchange in tenant.exchanges(id, None, LATEST).await? {
        if exchange.outcome.is_none() {
            tenant.stop_run(&exchange.question.id).await?;
        }
    }
    Ok(())
}
