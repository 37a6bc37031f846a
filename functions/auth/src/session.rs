//! The token, its cookies, and the one answer of all routes that issue it (A16, E16, U5).

use crate::State;
use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::ids::{OrganizationId, UserId};
use domain::time::Timestamp;
use domain::user::{Email, Role, User};
use http::{HeaderValue, header};
use identity::csrf;
use identity::token::{self, Subject};
use serde::Serialize;
use store::now;
use web::{ApiError, Code, cookies};

#[derive(Serialize)]
struct TokenResponse {
    success: bool,
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_id: Option<UserId>,
    user: UserView,
    csrf_token: String,
}

/// A person as they see themselves.
#[derive(Serialize)]
pub(crate) struct UserView {
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) role: Role,
    pub(crate) organization_id: OrganizationId,
    pub(crate) name: String,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.clone(),
            email: user.email.clone(),
            role: user.role,
            organization_id: user.organization_id.clone(),
            name: user.display_name(),
        }
    }
}

/// Issues a token to a person whose record was read after `known_at`, and sets the cookies.
pub(crate) fn open(state: &State, user: &User, known_at: Timestamp) -> Result<Response, ApiError> {
    let (from, seconds) = life(user.tokens_valid_after, known_at, now(), state.token_seconds);
    let issued = token::issue(&state.keys, &Subject::from(user), from, seconds).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a token could not be signed");
        Code::Internal
    })?;
    let span = tracing::Span::current();
    span.record("organization", user.organization_id.as_str());
    span.record("user", user.id.as_str());
    let csrf_token = csrf_token(state, &issued.claims.jti);
    let token = issued.token.expose();
    let mut response = Json(TokenResponse {
        success: true,
        access_token: token.to_owned(),
        token_type: "bearer",
        expires_in: state.token_seconds,
        admin_id: issued.claims.admin_id.clone(),
        user: UserView::from(user),
        csrf_token: csrf_token.clone(),
    })
    .into_response();
    set_cookies(state, &mut response, token, &csrf_token, state.token_seconds);
    Ok(response)
}

/// Removes the cookies.
pub(crate) fn clear_cookies(state: &State, response: &mut Response) {
    set_cookies(state, response, "", "", 0);
}

/// What the page of the session with this token id sends back in its header.
pub(crate) fn csrf_token(state: &State, token_id: &str) -> String {
    csrf::token_for(&state.csrf_secret, token_id)
}

fn set_cookies(state: &State, response: &mut Response, token: &str, csrf_token: &str, seconds: i64) {
    let secure = state.secure_cookies;
    let session = cookies::set(cookies::SESSION, token, seconds, true, secure);
    let csrf = cookies::set(cookies::CSRF, csrf_token, seconds, false, secure);
    for cookie in [session, csrf].into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// When a token says it was issued, and for how many seconds from then.
///
/// It counts from before the person's record was read: a role that changes while a password is being checked then ends
/// this token too, which still says the old role. It counts from no earlier than the tokens that are accepted at all:
/// after such a change a new sign-in works at once, not from the next second on.
fn life(valid_after: i64, known_at: Timestamp, now: Timestamp, seconds: i64) -> (Timestamp, i64) {
    let from = known_at.seconds().max(valid_after);
    let until = now.plus_seconds(seconds).seconds();
    (Timestamp::from_millis(from.saturating_mul(1000)), until.saturating_sub(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000 + 999)
    }

    #[test]
    fn a_token_lives_its_whole_time_whenever_it_counts_from() {
        for (valid_after, known_at, now, from) in [(0, 100, 100, 100), (0, 100, 103, 100), (101, 100, 100, 101)] {
            let (start, seconds) = life(valid_after, at(known_at), at(now), 1800);
            assert_eq!(start.seconds(), from);
            assert_eq!(start.plus_seconds(seconds).seconds(), now + 1800);
        }
    }

    #[test]
    fn a_change_during_the_sign_in_ends_its_token() {
        let (changed, now) = (at(100), at(101));
        let (from, _) = life(0, at(100), now, 1800);
        let valid_after = changed.seconds() + 1;
        assert!(from.seconds() < valid_after);
    }
}
