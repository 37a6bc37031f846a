//! Giving people points (C11).

use crate::State;
use crate::ai::MAX_POINTS;
use crate::caller::Admin;
use crate::organization;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use domain::ids::UserId;
use http::header::CONTENT_TYPE;
use identity::random;
use serde::{Deserialize, Serialize};
use store::{Once, Tenant};
use web::extract::{Body, IdempotencyKey, short_text};
use web::{ApiError, Code};

const ROUTE: &str = "grant-points";
/// Whoever began a request and did not end it is believed to be gone then.
const PATIENCE_SECONDS: i64 = 60;
const MAX_REASON: usize = 200;

#[derive(Debug, Deserialize)]
pub(crate) struct GrantRequest {
    points: u64,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Serialize)]
struct GrantResponse {
    success: bool,
    /// Available and held.
    balance: u64,
    available: u64,
    held: u64,
}

/// A grant that was checked.
struct Grant {
    to: UserId,
    by: UserId,
    points: u64,
    reason: String,
}

/// `POST /api/admin/users/{user_id}/points`. With an `Idempotency-Key`, a repeated request gives nothing more and gets the
/// first one's answer.
pub(crate) async fn grant(
    Shared(state): Shared<State>,
    admin: Admin,
    Path(user_id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    Body(request): Body<GrantRequest>,
) -> Result<Response, ApiError> {
    let tenant = admin.tenant(&state);
    let grant = request.checked(&user_id, admin.0.user_id.clone())?;
    if tenant.user(&grant.to).await?.is_none() {
        return Err(Code::NotFound.into());
    }
    let Some(key) = key else { return give(&tenant, &grant, &random::new_id()).await.map(json) };
    let key = format!("{}:{key}", admin.0.user_id);
    let asked = format!("{} {} {}", grant.to, grant.points, grant.reason);
    match tenant.begin_once(ROUTE, &key, &asked, PATIENCE_SECONDS).await? {
        Once::Begun => {}
        Once::Done(answer) => return Ok(json(answer)),
        Once::Running => return Err(ApiError::with(Code::Conflict, "This request is being done").retry_after(2)),
        Once::Different => {
            return Err(ApiError::with(Code::Conflict, "The Idempotency-Key was used for another request"));
        }
    }
    match give(&tenant, &grant, &key).await {
        Ok(answer) => {
            tenant.end_once(ROUTE, &key, &asked, answer.clone()).await?;
            Ok(json(answer))
        }
        Err(error) => {
            // It may have been given all the same: the grant's name keeps a second attempt from giving it again.
            tenant.forget_once(ROUTE, &key).await?;
            Err(error)
        }
    }
}

async fn give(tenant: &Tenant, grant: &Grant, name: &str) -> Result<String, ApiError> {
    let starting_points = organization::of(tenant).await?.ai.starting_points;
    tenant.balance(&grant.to, starting_points).await?;
    let balance = tenant.grant(&grant.to, grant.points, &grant.by, &grant.reason, name).await?;
    tracing::info!(person = grant.to.as_str(), points = grant.points, "points were given");
    let (available, held) = (balance.available, balance.held);
    let response = GrantResponse { success: true, balance: balance.total(), available, held };
    serde_json::to_string(&response).map_err(|_| Code::Internal.into())
}

fn json(body: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

impl GrantRequest {
    fn checked(self, to: &str, by: UserId) -> Result<Grant, ApiError> {
        if !(1..=MAX_POINTS).contains(&self.points) {
            return Err(ApiError::invalid(format!("points must be between 1 and {MAX_POINTS}")));
        }
        let reason = short_text("reason", self.reason.as_deref().unwrap_or_default(), MAX_REASON)?;
        let to = UserId::parse(to).map_err(|_| Code::NotFound)?;
        Ok(Grant { to, by, points: self.points, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_positive_and_have_a_short_reason() {
        let checked = |points, reason: &str, to: &str| {
            let request = GrantRequest { points, reason: Some(reason.to_owned()) };
            request.checked(to, UserId::parse("ada").unwrap()).map(|grant| grant.reason).map_err(|error| error.code)
        };
        assert_eq!(checked(1, " a gift ", "ben"), Ok("a gift".to_owned()));
        assert_eq!(checked(MAX_POINTS, "", "ben"), Ok(String::new()));
        for (points, reason) in [(0, ""), (MAX_POINTS + 1, ""), (1, "a\nb"), (1, "x".repeat(201).as_str())] {
            assert_eq!(checked(points, reason, "ben"), Err(Code::InvalidRequest), "{points} {reason}");
        }
        assert_eq!(checked(1, "", "b#n"), Err(Code::NotFound));
    }
}
