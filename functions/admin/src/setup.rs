//! The first organization of a fresh stack and its first admin.
//!
//! Both, the numbers and the note that it is done are one transaction: a crash leaves nothing or all of it. A caller who
//! lost the answer asks again and is told by 409 that it is done; then `POST /login` works.

use crate::State;
use crate::organization::OrganizationView;
use crate::phone_numbers;
use crate::users::{MAX_NAME, UserView};
use axum::Json;
use axum::extract::{FromRequestParts, State as Shared};
use domain::ids::{OrganizationId, UserId};
use domain::organization::Organization;
use domain::phone::{PhoneNumber, Region};
use domain::secret::Secret;
use domain::time::{Timestamp, Zone};
use domain::user::{Email, Role, User};
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;
use identity::password::{self, HashError};
use identity::{code, random};
use serde::{Deserialize, Serialize};
use store::now;
use web::extract::{Body, short_text};
use web::{ApiError, Code};

/// Numbers that one transaction has room for.
const MAX_NUMBERS: usize = 50;

/// The set-up token, as it is compared: in constant time, by digests under a key of this process.
pub(crate) struct SetupToken {
    key: Secret,
    digest: String,
}

impl SetupToken {
    /// `None` where none is set: then nobody may set up.
    pub(crate) fn new(token: &Secret) -> Option<Self> {
        let key = Secret::new(random::token(43));
        let digest = code::digest(&key, "set-up", "", token.expose());
        (!token.is_empty()).then_some(Self { key, digest })
    }

    fn fits(&self, sent: &str) -> bool {
        code::matches(&self.key, "set-up", "", sent, &self.digest)
    }
}

/// Whoever sent the set-up token.
pub(crate) struct Installer;

impl FromRequestParts<State> for Installer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        let value = parts.headers.get(AUTHORIZATION).ok_or(Code::MissingToken)?;
        let sent = value.to_str().ok().and_then(|value| value.split_once(' '));
        let (_, sent) = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).ok_or(Code::InvalidToken)?;
        let fits = state.setup_token.as_ref().is_some_and(|token| token.fits(sent.trim()));
        if fits { Ok(Self) } else { Err(Code::InvalidToken.into()) }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct SetupRequest {
    organization: NewOrganization,
    admin: NewAdmin,
}

#[derive(Debug, Deserialize)]
struct NewOrganization {
    #[serde(default)]
    id: Option<OrganizationId>,
    name: String,
    #[serde(default)]
    timezone: Option<Zone>,
    #[serde(default)]
    region: Option<Region>,
    #[serde(default)]
    phone_numbers: Vec<String>,
    #[serde(default)]
    open_sign_up: bool,
}

#[derive(Debug, Deserialize)]
struct NewAdmin {
    email: Email,
    password: Secret,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
}

#[derive(Serialize)]
pub(crate) struct SetupResponse {
    success: bool,
    organization: OrganizationView,
    admin: UserView,
}

/// `POST /api/admin/setup`: makes the first organization and its admin, once.
pub(crate) async fn set_up(
    Shared(state): Shared<State>,
    _installer: Installer,
    Body(request): Body<SetupRequest>,
) -> Result<(StatusCode, Json<SetupResponse>), ApiError> {
    let organization = request.organization.record(now())?;
    let admin = request.admin.record(&organization)?;
    if state.store.first_organization().await?.is_some() {
        return Err(done());
    }
    let password_hash = hash(request.admin.password).await?;
    if !state.store.set_up(&organization, &admin, &password_hash).await? {
        return Err(refusal(&state, &admin.email).await);
    }
    let response = SetupResponse { success: true, admin: UserView::of(admin), organization: organization.into() };
    Ok((StatusCode::CREATED, Json(response)))
}

fn done() -> ApiError {
    ApiError::with(Code::Conflict, "Set-up is done already")
}

/// Why the transaction was refused. Only whoever has the set-up token is told.
async fn refusal(state: &State, email: &Email) -> ApiError {
    match (state.store.first_organization().await, state.store.account(email).await) {
        (Err(error), _) | (_, Err(error)) => error.into(),
        (Ok(Some(_)), _) => done(),
        (_, Ok(Some(_))) => ApiError::with(Code::Conflict, "The admin's address has an account already"),
        _ => ApiError::with(Code::Conflict, "The organization's id or one of its numbers is taken"),
    }
}

async fn hash(password: Secret) -> Result<Secret, ApiError> {
    match tokio::task::spawn_blocking(move || password::hash(&password)).await {
        Ok(Ok(hash)) => Ok(Secret::new(hash.expose())),
        Ok(Err(HashError::Policy(error))) => Err(ApiError::invalid(error.to_string())),
        Ok(Err(error)) => Err(internal(&error)),
        Err(error) => Err(internal(&error)),
    }
}

fn internal(error: &(dyn std::error::Error + 'static)) -> ApiError {
    tracing::error!(error, "a password could not be hashed");
    Code::Internal.into()
}

impl NewOrganization {
    fn record(self, created_at: Timestamp) -> Result<Organization, ApiError> {
        if self.phone_numbers.len() > MAX_NUMBERS {
            return Err(ApiError::invalid(format!("phone_numbers has more than {MAX_NUMBERS} entries")));
        }
        let read = |text: &String| phone_numbers::read(text, self.region);
        let mut numbers = self.phone_numbers.iter().map(read).collect::<Result<Vec<PhoneNumber>, _>>()?;
        numbers.sort();
        numbers.dedup();
        let made = || OrganizationId::parse(&random::new_id()).map_err(|_| Code::Internal);
        Ok(Organization {
            id: self.id.map_or_else(made, Ok)?,
            name: crate::organization::name(&self.name)?,
            timezone: self.timezone.unwrap_or_else(Zone::utc),
            region: self.region,
            sign_in_code_required: false,
            open_sign_up: self.open_sign_up,
            created_at,
            phone_numbers: numbers,
            twilio: None,
            elevenlabs: None,
            instructions: None,
            ai: domain::points::AiSettings::default(),
        })
    }
}

impl NewAdmin {
    /// The admin's record. Whoever has the set-up token vouches for the address.
    fn record(&self, organization: &Organization) -> Result<User, ApiError> {
        password::check_policy(&self.password).map_err(|error| ApiError::invalid(error.to_string()))?;
        Ok(User {
            id: UserId::parse(&random::new_id()).map_err(|_| Code::Internal)?,
            organization_id: organization.id.clone(),
            email: self.email.clone(),
            role: Role::Admin,
            first_name: short_text("first_name", &self.first_name, MAX_NAME)?,
            last_name: short_text("last_name", &self.last_name, MAX_NAME)?,
            email_verified: true,
            active: true,
            created_at: organization.created_at,
            tokens_valid_after: 0,
            profile: domain::user::Profile::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(json: &str) -> Result<Organization, ApiError> {
        serde_json::from_str::<NewOrganization>(json).unwrap().record(Timestamp::from_millis(0))
    }

    #[test]
    fn only_the_set_up_token_fits_and_an_unset_one_fits_nobody() {
        let token = SetupToken::new(&Secret::new("a long random text")).unwrap();
        assert!(token.fits("a long random text"));
        assert!(!token.fits("a long random tex") && !token.fits(""));
        assert!(SetupToken::new(&Secret::default()).is_none());
    }

    #[test]
    fn a_name_is_enough_for_an_organization() {
        let made = organization(r#"{"name": " Acme "}"#).unwrap();
        assert_eq!((made.name.as_str(), made.timezone.name()), ("Acme", "UTC"));
        assert!(!made.open_sign_up && !made.sign_in_code_required);
        assert!(organization(r#"{"name": " "}"#).is_err());
    }

    #[test]
    fn numbers_are_read_in_the_region_and_named_once() {
        let made = organization(
            r#"{"name": "Acme", "region": "US", "phone_numbers": ["(415) 867-5309", "+14158675309", "22395"]}"#,
        );
        let numbers: Vec<_> = made.unwrap().phone_numbers.iter().map(|n| n.as_str().to_owned()).collect();
        assert_eq!(numbers, ["+14158675309", "22395"]);
        assert!(organization(r#"{"name": "Acme", "phone_numbers": ["nobody"]}"#).is_err());
    }

    #[test]
    fn the_password_policy_holds_for_the_first_admin_too() {
        let acme = organization(r#"{"name": "Acme"}"#).unwrap();
        let admin: NewAdmin = serde_json::from_str(r#"{"email": "a@example.com", "password": "short"}"#).unwrap();
        assert!(admin.record(&acme).is_err());
        assert!(!format!("{admin:?}").contains("short"));
    }
}
