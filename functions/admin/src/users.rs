//! The organization's people: what they are, whether they may sign in.

use crate::State;
use crate::caller::Admin;
use axum::Json;
use axum::extract::{Path, State as Shared};
use conversations::connections;
use domain::ids::UserId;
use domain::time::Timestamp;
use domain::user::{Email, Role, User};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tenant, now};
use web::extract::{Body, short_text};
use web::{ApiError, Code};

pub(crate) const MAX_NAME: usize = 100;

/// A person as admins see them.
#[derive(Debug, Serialize)]
pub(crate) struct UserView {
    id: UserId,
    email: Email,
    role: Role,
    name: String,
    first_name: String,
    last_name: String,
    active: bool,
    email_verified: bool,
    created_at: String,
}

#[derive(Serialize)]
pub(crate) struct UsersResponse {
    success: bool,
    users: Vec<UserView>,
}

#[derive(Serialize)]
pub(crate) struct UserResponse {
    success: bool,
    user: UserView,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UpdateUserRequest {
    role: Option<Role>,
    active: Option<bool>,
    first_name: Option<String>,
    last_name: Option<String>,
}

/// `GET /api/admin/users`
pub(crate) async fn list(Shared(state): Shared<State>, admin: Admin) -> Result<Json<UsersResponse>, ApiError> {
    let mut users = admin.tenant(&state).users().await?;
    users.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Json(UsersResponse { success: true, users: users.into_iter().map(UserView::of).collect() }))
}

/// `PATCH /api/admin/users/{user_id}`: a change of role or activity ends the person's tokens and connections (G13).
pub(crate) async fn update(
    Shared(state): Shared<State>,
    admin: Admin,
    Path(user_id): Path<String>,
    Body(request): Body<UpdateUserRequest>,
) -> Result<Json<UserResponse>, ApiError> {
    let tenant = admin.tenant(&state);
    let id = UserId::parse(&user_id).map_err(|_| Code::NotFound)?;
    // Somebody else may change the same person, or the admin we count on, between our look and our write: look again.
    for _ in 0..3 {
        let before = tenant.user(&id).await?.ok_or(Code::NotFound)?;
        let after = request.apply(&before, now())?;
        let witness = witness(&tenant, &before, &after).await?;
        if !tenant.change_user(&before, &after, witness.as_ref()).await? {
            continue;
        }
        if access_changed(&before, &after) {
            tracing::info!(person = after.id.as_str(), role = after.role.as_str(), active = after.active, "changed");
            end_connections(&state, &tenant, &id).await;
        }
        return Ok(Json(UserResponse { success: true, user: UserView::of(after) }));
    }
    Err(StoreError::Conflict.into())
}

/// Another admin, whenever this change takes one away: the last one stays.
async fn witness(tenant: &Tenant, before: &User, after: &User) -> Result<Option<UserId>, ApiError> {
    if !runs_the_organization(before) || runs_the_organization(after) {
        return Ok(None);
    }
    let users = tenant.users().await?;
    let other = users.into_iter().find(|user| user.id != before.id && runs_the_organization(user));
    let none = || ApiError::with(Code::Conflict, "This is the last active admin of the organization");
    other.map(|user| Some(user.id)).ok_or_else(none)
}

/// Whether this is an admin who can sign in.
fn runs_the_organization(user: &User) -> bool {
    user.role == Role::Admin && user.active && user.email_verified
}

fn access_changed(before: &User, after: &User) -> bool {
    before.role != after.role || before.active != after.active
}

/// Closes the person's WebSocket connections. Their tokens have ended by now: one that could not be closed is refused
/// whatever it asks, and is told of events until its token's own end at the latest.
async fn end_connections(state: &State, tenant: &Tenant, id: &UserId) {
    if let Err(error) = connections::close(&state.store, &state.push, tenant, id, |_| true).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "connections of a person were not closed");
    }
}

impl UpdateUserRequest {
    fn apply(&self, before: &User, now: Timestamp) -> Result<User, ApiError> {
        let name = |field, new: &Option<String>, old: &String| {
            new.as_ref().map_or_else(|| Ok(old.clone()), |text| short_text(field, text, MAX_NAME))
        };
        let mut after = User {
            role: self.role.unwrap_or(before.role),
            active: self.active.unwrap_or(before.active),
            first_name: name("first_name", &self.first_name, &before.first_name)?,
            last_name: name("last_name", &self.last_name, &before.last_name)?,
            ..before.clone()
        };
        if access_changed(before, &after) {
            // From the next second on, so that a token of this very second ends too.
            after.tokens_valid_after = before.tokens_valid_after.max(now.seconds().saturating_add(1));
        }
        Ok(after)
    }
}

impl UserView {
    pub(crate) fn of(user: User) -> Self {
        Self {
            name: user.display_name(),
            id: user.id,
            email: user.email,
            role: user.role,
            first_name: user.first_name,
            last_name: user.last_name,
            active: user.active,
            email_verified: user.email_verified,
            created_at: user.created_at.iso(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::OrganizationId;

    fn ada() -> User {
        User {
            id: UserId::parse("ada").unwrap(),
            organization_id: OrganizationId::parse("acme").unwrap(),
            email: Email::parse("ada@example.com").unwrap(),
            role: Role::Admin,
            first_name: "Ada".to_owned(),
            last_name: String::new(),
            email_verified: true,
            active: true,
            created_at: Timestamp::from_millis(0),
            tokens_valid_after: 7,
            profile: domain::user::Profile::new(),
        }
    }

    fn patched(json: &str) -> User {
        let request: UpdateUserRequest = serde_json::from_str(json).unwrap();
        request.apply(&ada(), Timestamp::from_millis(99_999)).unwrap()
    }

    #[test]
    fn only_a_change_of_access_ends_tokens() {
        for same in ["{}", r#"{"role": "admin", "active": true}"#, r#"{"first_name": "Augusta"}"#] {
            assert_eq!(patched(same).tokens_valid_after, 7, "{same}");
        }
        for change in [r#"{"role": "agent"}"#, r#"{"active": false}"#] {
            assert_eq!(patched(change).tokens_valid_after, 100, "{change}");
        }
    }

    #[test]
    fn an_admin_who_cannot_sign_in_does_not_run_the_organization() {
        assert!(runs_the_organization(&ada()));
        assert!(!runs_the_organization(&User { active: false, ..ada() }));
        assert!(!runs_the_organization(&User { email_verified: false, ..ada() }));
        assert!(!runs_the_organization(&patched(r#"{"role": "user"}"#)));
    }
}
