//! Signing in by password alone, where the organization allows it (A16, U14).

use crate::State;
use crate::credentials::{self, CredentialsRequest};
use crate::limits::Visitor;
use crate::session;
use crate::signin::send_code;
use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use web::extract::Body;
use web::{ApiError, Code};

/// `POST /login`: the token, or the news that a code was mailed and `POST /auth/verify-signin` is next.
pub(crate) async fn login(
    Shared(state): Shared<State>,
    _visitor: Visitor,
    Body(request): Body<CredentialsRequest>,
) -> Result<Response, ApiError> {
    let proven = credentials::check(&state, request).await?;
    let organization = state.store.tenant(&proven.user.organization_id).organization().await?;
    let organization = organization.ok_or(Code::Internal)?;
    if proven.user.email_verified && !organization.sign_in_code_required {
        return session::open(&state, &proven.user, proven.known_at);
    }
    let sent = send_code(&state, &proven.user).await?;
    Ok(Json(sent.without_success()).into_response())
}
