//! Who may call these routes, as extractors: a handler that forgets to ask has no caller.

use crate::State;
use axum::extract::FromRequestParts;
use domain::user::{Permission, Principal};
use http::request::Parts;
use store::Tenant;
use web::lambda::GatewayUrl;
use web::{ApiError, Caller};

/// Somebody who runs conversations.
pub(crate) struct Operator {
    pub(crate) principal: Principal,
    pub(crate) tenant: Tenant,
    /// Where providers reach us, as far as this request tells.
    pub(crate) base_url: Option<String>,
    /// The request's idempotency key.
    pub(crate) key: Option<String>,
}

/// Somebody who watches conversations.
pub(crate) struct Watcher {
    pub(crate) principal: Principal,
    pub(crate) tenant: Tenant,
}

const KEY_HEADER: &str = "idempotency-key";

impl FromRequestParts<State> for Operator {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        let Caller(principal) = permitted(parts, state, Permission::ConversationsManage).await?;
        let tenant = state.store.tenant(&principal.organization_id);
        Ok(Self { principal, tenant, base_url: base_url(parts), key: key(parts)? })
    }
}

impl FromRequestParts<State> for Watcher {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        let Caller(principal) = permitted(parts, state, Permission::ConversationsRead).await?;
        let tenant = state.store.tenant(&principal.organization_id);
        Ok(Self { principal, tenant })
    }
}

async fn permitted(parts: &mut Parts, state: &State, permission: Permission) -> Result<Caller, ApiError> {
    let caller = Caller::from_request_parts(parts, state).await?;
    caller.require(permission)?;
    Ok(caller)
}

fn base_url(parts: &Parts) -> Option<String> {
    let GatewayUrl(url) = parts.extensions.get::<GatewayUrl>()?;
    url.as_deref()?.strip_suffix(parts.uri.path()).map(str::to_owned)
}

fn key(parts: &Parts) -> Result<Option<String>, ApiError> {
    let Some(value) = parts.headers.get(KEY_HEADER) else { return Ok(None) };
    let fits = |text: &&str| (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    match value.to_str().ok().filter(fits) {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(ApiError::invalid("Idempotency-Key must be 1 to 100 printable characters without # or space")),
    }
}
