//! Ending a token and everything opened with it (A17, G13).

use crate::{State, session};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use domain::user::Principal;
use providers::push::PushError;
use serde::Serialize;
use store::{StoreError, Topic};
use web::{ApiError, Caller};

#[derive(Serialize)]
struct LogoutResponse {
    success: bool,
    message: &'static str,
}

/// `POST /logout` and `POST /auth/logout`: the token is refused from now on.
pub(crate) async fn logout(Shared(state): Shared<State>, Caller(caller): Caller) -> Result<Response, ApiError> {
    state.store.revoke(&caller.token_id, caller.expires_at).await?;
    // The token has ended, whatever becomes of its connections: each delivery asks again whether it stands.
    if let Err(error) = close_connections(&state, &caller).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "connections of an ended token were not closed");
    }
    let mut response = Json(LogoutResponse { success: true, message: "Signed out." }).into_response();
    session::clear_cookies(&state, &mut response);
    Ok(response)
}

async fn close_connections(state: &State, caller: &Principal) -> Result<(), StoreError> {
    let tenant = state.store.tenant(&caller.organization_id);
    let own = tenant.subscribers(&Topic::User(caller.user_id.clone())).await?;
    for connection in own.iter().filter(|own| own.principal.token_id == caller.token_id) {
        match state.push.close(&connection.connection_id).await {
            Ok(()) | Err(PushError::Gone) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not closed"),
        }
        state.store.remove_connection(&connection.connection_id).await?;
    }
    Ok(())
}
