//! What a client's first request asks: who am I, and what may I do. And what people say of themselves.

use crate::State;
use crate::people::Names;
use crate::session::{UserView, csrf_token};
use axum::Json;
use axum::extract::State as Shared;
use domain::ids::OrganizationId;
use domain::time::Zone;
use domain::user::{Permission, Principal, Profile, ProfileValue, User};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::{OwnChange, now};
use web::extract::{Body, given, short_text};
use web::{ApiError, Caller, Code};

/// Most entries of a profile, characters of a name and of a text in it.
const MAX_ENTRIES: usize = 20;
const MAX_ENTRY_NAME: usize = 40;
const MAX_TEXT: usize = 200;
/// Numbers that every store and client keeps as they are.
const LARGEST: f64 = 1e15;
const SMALLEST: f64 = 1e-9;

#[derive(Serialize)]
pub(crate) struct MeResponse {
    success: bool,
    user: OwnView,
    organization: OrganizationView,
    permissions: BTreeSet<Permission>,
    /// Seconds until the token ends.
    expires_in: i64,
    csrf_token: String,
}

#[derive(Serialize)]
struct OwnView {
    #[serde(flatten)]
    user: UserView,
    first_name: String,
    last_name: String,
    /// What the model is told about them (E15).
    profile: Profile,
}

#[derive(Serialize)]
struct OrganizationView {
    id: OrganizationId,
    name: String,
    timezone: Zone,
}

/// What is left out stays as it is; a profile is replaced whole, `null` empties it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct UpdateRequest {
    #[serde(flatten)]
    names: Names,
    #[serde(deserialize_with = "given")]
    profile: Option<Option<Profile>>,
}

/// `GET /api/me`: the caller and their organization.
pub(crate) async fn me(Shared(state): Shared<State>, Caller(caller): Caller) -> Result<Json<MeResponse>, ApiError> {
    let tenant = state.store.tenant(&caller.organization_id);
    let user = tenant.user(&caller.user_id).await?.ok_or(Code::InvalidToken)?;
    answer(&state, caller, user).await
}

/// `PATCH /api/me`: what people say of themselves.
pub(crate) async fn update(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Body(request): Body<UpdateRequest>,
) -> Result<Json<MeResponse>, ApiError> {
    let tenant = state.store.tenant(&caller.organization_id);
    let changed = tenant.change_own(&caller.user_id, &request.checked()?).await?;
    answer(&state, caller, changed.ok_or(Code::InvalidToken)?).await
}

async fn answer(state: &State, caller: Principal, user: User) -> Result<Json<MeResponse>, ApiError> {
    let tenant = state.store.tenant(&caller.organization_id);
    let organization = tenant.organization().await?.ok_or(Code::Internal)?;
    Ok(Json(MeResponse {
        success: true,
        user: OwnView {
            user: UserView::from(&user),
            first_name: user.first_name,
            last_name: user.last_name,
            profile: user.profile,
        },
        organization: OrganizationView {
            id: organization.id,
            name: organization.name,
            timezone: organization.timezone,
        },
        expires_in: caller.expires_at.saturating_sub(now().seconds()),
        csrf_token: csrf_token(state, &caller.token_id),
        permissions: caller.permissions,
    }))
}

impl UpdateRequest {
    fn checked(self) -> Result<OwnChange, ApiError> {
        let (first_name, last_name) = self.names.checked()?;
        let profile = self.profile.map(Option::unwrap_or_default).map(checked_profile).transpose()?;
        Ok(OwnChange { first_name, last_name, profile })
    }
}

fn checked_profile(profile: Profile) -> Result<Profile, ApiError> {
    if profile.len() > MAX_ENTRIES {
        return Err(ApiError::invalid(format!("profile has more than {MAX_ENTRIES} entries")));
    }
    profile.into_iter().map(|(name, value)| Ok((checked_name(name)?, checked_value(value)?))).collect()
}

fn checked_name(name: String) -> Result<String, ApiError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_ -".contains(&b);
    if (1..=MAX_ENTRY_NAME).contains(&name.len()) && name.bytes().all(allowed) && name.trim() == name {
        return Ok(name);
    }
    Err(ApiError::invalid(format!("names in profile have 1 to {MAX_ENTRY_NAME} letters, digits, _, - and blanks")))
}

fn checked_value(value: ProfileValue) -> Result<ProfileValue, ApiError> {
    match value {
        ProfileValue::Text(text) => Ok(ProfileValue::Text(short_text("a text in profile", &text, MAX_TEXT)?)),
        ProfileValue::Fraction(number) if number != 0.0 && !(SMALLEST..=LARGEST).contains(&number.abs()) => {
            Err(ApiError::invalid("a number in profile is too large or too small"))
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> Result<OwnChange, ApiError> {
        serde_json::from_str::<UpdateRequest>(json).unwrap().checked()
    }

    #[test]
    fn what_is_left_out_stays_and_null_empties_the_profile() {
        assert_eq!(change("{}").unwrap(), OwnChange::default());
        assert_eq!(change(r#"{"profile": null}"#).unwrap().profile, Some(Profile::new()));
        let changed = change(r#"{"first_name": " Ada ", "profile": {"age": 30, "weight kg": 61.5, "runs": true}}"#);
        let changed = changed.unwrap();
        assert_eq!((changed.first_name.as_deref(), changed.last_name), (Some("Ada"), None));
        let profile = changed.profile.unwrap();
        assert_eq!(profile["age"], ProfileValue::Whole(30));
        assert_eq!(
            (&profile["weight kg"], &profile["runs"]),
            (&ProfileValue::Fraction(61.5), &ProfileValue::Flag(true))
        );
    }

    #[test]
    fn profiles_are_small_and_plain() {
        let text = |length: usize| format!(r#"{{"profile": {{"goal": "{}"}}}}"#, "\u{e4}".repeat(length));
        assert!(change(&text(200)).is_ok() && change(&text(201)).is_err());
        let name = |name: &str| change(&format!(r#"{{"profile": {{"{name}": 1}}}}"#));
        assert!(name(&"x".repeat(40)).is_ok() && name(&"x".repeat(41)).is_err());
        for bad in ["", " x", "a.b", "a#b", "\u{e4}"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        for bad in ["1e16", "1e300", "-1e300", "1e-300", "\"a\\nb\""] {
            assert!(change(&format!(r#"{{"profile": {{"x": {bad}}}}}"#)).is_err(), "{bad}");
        }
        for good in ["0.0", "-273.15", "9007199254740993", "-9223372036854775808", "1e15"] {
            assert!(change(&format!(r#"{{"profile": {{"x": {good}}}}}"#)).is_ok(), "{good}");
        }
        let entries = |count: usize| {
            let entries: Vec<String> = (0..count).map(|n| format!(r#""e{n}": {n}"#)).collect();
            change(&format!(r#"{{"profile": {{{}}}}}"#, entries.join(", ")))
        };
        assert!(entries(20).is_ok() && entries(21).is_err());
        for bad in [r#"{"profile": {"x": null}}"#, r#"{"profile": {"x": [1]}}"#, r#"{"profile": 1}"#] {
            assert!(serde_json::from_str::<UpdateRequest>(bad).is_err(), "{bad}");
        }
    }
}
