//! Ending a token and everything opened with it (A17, G13).

use crate::{State, session};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use conversations::connections;
use serde::Serialize;
use store::Subscription;
use web::{ApiError, Caller};

#[derive(Serialize)]
struct LogoutResponse {
    success: bool,
    message: &'static str,
}

/// `POST /logout` and `POST /auth/logout`: the token is refused from now on.
pub(crate) async fn logout(Shared(state): Shared<State>, Caller(caller): Caller) -> Result<Response, ApiError> {
    state.store.revoke(&caller.token_id, caller.expires_at).await?;
    // The token has ended, whatever becomes of its connections. One that could not be closed is refused whatever it asks,
    // and is told of events until the token's own end at the latest.
    let tenant = state.store.tenant(&caller.organization_id);
    let ended = |own: &Subscription| own.principal.token_id == caller.token_id;
    if let Err(error) = connections::close(&state.store, &state.push, &tenant, &caller.user_id, ended).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "connections of an ended token were not closed");
    }
    let mut response = Json(LogoutResponse { success: true, message: "Signed out." }).into_response();
    session::clear_cookies(&state, &mut response);
    Ok(response)
}
