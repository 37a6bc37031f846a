//! Who may call these routes, as extractors: a handler that forgets to ask has no caller.

use crate::State;
use axum::extract::FromRequestParts;
use domain::user::{Permission, Principal};
use http::request::Parts;
use serde::Serialize;
use store::Tenant;
use web::{ApiError, Caller};

/// An admin of an organization.
pub(crate) struct Admin(pub(crate) Principal);

/// Somebody who sees conversations, and so contacts.
pub(crate) struct Reader(pub(crate) Principal);

/// Somebody who runs conversations, and so contacts.
pub(crate) struct Keeper(pub(crate) Principal);

impl Admin {
    /// The caller's organization.
    pub(crate) fn tenant(&self, state: &State) -> Tenant {
        state.store.tenant(&self.0.organization_id)
    }
}

impl FromRequestParts<State> for Admin {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        permitted(parts, state, Permission::OrgAdmin).await.map(Self)
    }
}

impl FromRequestParts<State> for Reader {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        permitted(parts, state, Permission::ConversationsRead).await.map(Self)
    }
}

impl FromRequestParts<State> for Keeper {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        permitted(parts, state, Permission::ConversationsManage).await.map(Self)
    }
}

async fn permitted(parts: &mut Parts, state: &State, permission: Permission) -> Result<Principal, ApiError> {
    let caller = Caller::from_request_parts(parts, state).await?;
    caller.require(permission)?;
    Ok(caller.0)
}

/// The answer to a removal.
#[derive(Serialize)]
pub(crate) struct RemovedResponse {
    pub(crate) success: bool,
}
