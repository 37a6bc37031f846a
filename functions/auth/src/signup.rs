//! Making an account oneself, and proving its address (E16).
//!
//! Whether an address has an account is told to its mailbox only: the answer, the hash, the code's record and one mail
//! are the same for all addresses. Until the address is proved anybody can sign it up, so a later sign-up takes the
//! place of an unproved one, password and all: otherwise a stranger's password would wait in the account for its owner.

use crate::State;
use crate::codes::{self, CodeRequest};
use crate::limits::Visitor;
use crate::people::{Names, new_user};
use crate::{passwords, session};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use domain::ids::OrganizationId;
use domain::secret::Secret;
use domain::user::{Email, Role, User};
use identity::{code, random};
use providers::email::Mail;
use serde::{Deserialize, Serialize};
use store::{Account, CodePurpose, NewAccount, now};
use web::extract::Body;
use web::{ApiError, Code};

#[derive(Debug, Deserialize)]
pub(crate) struct SignUpRequest {
    email: Email,
    password: Secret,
    #[serde(flatten)]
    names: Names,
    #[serde(default)]
    organization_id: Option<OrganizationId>,
}

#[derive(Serialize)]
pub(crate) struct SignUpResponse {
    message: &'static str,
    email: Email,
}

/// `POST /auth/signup`: makes an end user's account, to be proved by the code that is mailed.
pub(crate) async fn sign_up(
    Shared(state): Shared<State>,
    _visitor: Visitor,
    Body(request): Body<SignUpRequest>,
) -> Result<Json<SignUpResponse>, ApiError> {
    passwords::check(&request.password)?;
    let organization_id = open_organization(&state, request.organization_id).await?;
    let user = new_user(organization_id, request.email.clone(), Role::User, &request.names, now())?;
    let password_hash = passwords::hash(&state, request.password).await?;
    match state.store.account(&user.email).await? {
        Some(Account { user: owner, .. }) if owner.email_verified => tell_owner(&state, &owner.email).await?,
        account => make(&state, &user, &password_hash, account.as_ref().map(|account| &account.user)).await?,
    }
    Ok(Json(SignUpResponse {
        message: "If this address is new to us, a code is on its way to it.",
        email: request.email,
    }))
}

/// The organization that takes sign-ups. One that is not there and one that is closed are the same to a stranger.
async fn open_organization(state: &State, named: Option<OrganizationId>) -> Result<OrganizationId, ApiError> {
    let closed = || ApiError::with(Code::Forbidden, "This organization takes people by invitation only");
    let id = match named {
        Some(id) => id,
        None => state.store.first_organization().await?.ok_or_else(closed)?,
    };
    let organization = state.store.tenant(&id).organization().await?;
    organization.filter(|organization| organization.open_sign_up).map(|_| id).ok_or_else(closed)
}

async fn make(state: &State, user: &User, password_hash: &Secret, old: Option<&User>) -> Result<(), ApiError> {
    let purpose = CodePurpose::VerifyEmail;
    let code = code::new_code();
    // The code in the mailbox and the password it makes valid change together, or neither does.
    if !codes::keep(state, purpose, &user.email, &code).await? {
        return Ok(());
    }
    let new = NewAccount { user, password_hash, replaces: old, invitation: None };
    if state.store.create_account(new).await? {
        return codes::mail(state, purpose, &user.email, &codes::of_code(state, purpose, &code)).await;
    }
    // Somebody else was faster with the address.
    Ok(state.store.remove_code(purpose, &user.email).await?)
}

/// Does as much as for a new address. The code kept here is none: nobody knows it, and it is no six digits.
async fn tell_owner(state: &State, email: &Email) -> Result<(), ApiError> {
    let nobody_knows = Secret::new(random::token(32));
    if codes::keep(state, CodePurpose::VerifyEmail, email, &nobody_knows).await? {
        codes::mail(state, CodePurpose::VerifyEmail, email, &account_exists()).await?;
    }
    Ok(())
}

fn account_exists() -> Mail {
    Mail {
        subject: "You already have an account".to_owned(),
        text: "Hello,\n\n\
               somebody, probably you, tried to create a Switchboard account with this address. It has one already: \
               please sign in as usual.\n\n\
               If it was not you, you can ignore this message; nothing has changed.\n"
            .to_owned(),
    }
}

/// `POST /auth/verify-email`: proves the address and signs in.
pub(crate) async fn verify_email(
    Shared(state): Shared<State>,
    _visitor: Visitor,
    Body(request): Body<CodeRequest>,
) -> Result<Response, ApiError> {
    let known_at = now();
    // Read before the code is tried: the record that the code belongs to, not one that replaced it meanwhile.
    let account = state.store.account(&request.email).await?;
    codes::check(&state, CodePurpose::VerifyEmail, &request).await?;
    let unproved = account.map(|account| account.user).filter(|user| user.active && !user.email_verified);
    let user = unproved.ok_or(Code::InvalidCode)?;
    if !state.store.mark_verified(&user).await? {
        return Err(Code::InvalidCode.into());
    }
    session::open(&state, &user, known_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_organization_are_optional() {
        let request: SignUpRequest =
            serde_json::from_str(r#"{"email": "Ada@Example.com", "password": "correct horse"}"#).unwrap();
        assert_eq!(request.email.as_str(), "ada@example.com");
        assert!(request.organization_id.is_none());
        let body = r#"{"email": "a@example.com", "password": "x", "first_name": "Ada", "organization_id": "a b"}"#;
        assert!(serde_json::from_str::<SignUpRequest>(body).is_err());
    }
}
