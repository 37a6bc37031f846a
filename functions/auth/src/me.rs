//! What a client's first request asks: who am I, and what may I do.

use crate::State;
use crate::session::{UserView, csrf_token};
use axum::Json;
use axum::extract::State as Shared;
use domain::ids::OrganizationId;
use domain::time::Zone;
use domain::user::Permission;
use serde::Serialize;
use std::collections::BTreeSet;
use store::now;
use web::{ApiError, Caller, Code};

#[derive(Serialize)]
pub(crate) struct MeResponse {
    success: bool,
    user: UserView,
    organization: OrganizationView,
    permissions: BTreeSet<Permission>,
    /// Seconds until the token ends.
    expires_in: i64,
    csrf_token: String,
}

#[derive(Serialize)]
struct OrganizationView {
    id: OrganizationId,
    name: String,
    timezone: Zone,
}

/// `GET /api/me`: the caller and their organization.
pub(crate) async fn me(Shared(state): Shared<State>, Caller(caller): Caller) -> Result<Json<MeResponse>, ApiError> {
    let tenant = state.store.tenant(&caller.organization_id);
    let user = tenant.user(&caller.user_id).await?.ok_or(Code::InvalidToken)?;
    let organization = tenant.organization().await?.ok_or(Code::Internal)?;
    Ok(Json(MeResponse {
        success: true,
        user: UserView::from(&user),
        organization: OrganizationView {
            id: organization.id,
            name: organization.name,
            timezone: organization.timezone,
        },
        expires_in: caller.expires_at.saturating_sub(now().seconds()),
        csrf_token: csrf_token(&state, &caller.token_id),
        permissions: caller.permissions,
    }))
}
