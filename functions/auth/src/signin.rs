//! Signing in by password and mailed code (E16).

use crate::State;
use crate::codes::{self, CodeRequest};
use crate::credentials::{self, CredentialsRequest};
use crate::limits::Visitor;
use crate::session;
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use domain::user::User;
use serde::Serialize;
use store::{CodePurpose, now};
use web::extract::Body;
use web::{ApiError, Code};

/// The password was right, and a code is needed too.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CodeSentResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    message: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    requires_code: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    requires_verification: bool,
}

/// `POST /auth/signin`: checks the password and mails a code, always.
pub(crate) async fn sign_in(
    Shared(state): Shared<State>,
    _visitor: Visitor,
    Body(request): Body<CredentialsRequest>,
) -> Result<Json<CodeSentResponse>, ApiError> {
    let proven = credentials::check(&state, request).await?;
    send_code(&state, &proven.user).await.map(Json)
}

/// Mails the code that is missing: that of the sign-in or, first, that of the address.
pub(crate) async fn send_code(state: &State, user: &User) -> Result<CodeSentResponse, ApiError> {
    let purpose = if user.email_verified { CodePurpose::SignIn } else { CodePurpose::VerifyEmail };
    codes::send(state, purpose, &user.email).await?;
    Ok(CodeSentResponse::of(purpose))
}

impl CodeSentResponse {
    /// The same, for clients that look for `success` first (seed A).
    pub(crate) fn without_success(self) -> Self {
        Self { success: Some(false), ..self }
    }

    fn of(purpose: CodePurpose) -> Self {
        let (requires_code, message) = match purpose {
            CodePurpose::SignIn => (true, "A sign-in code is on its way to your address."),
            CodePurpose::VerifyEmail => {
                (false, "Your address is not verified yet. A verification code is on its way to it.")
            }
        };
        Self { success: None, message, requires_code, requires_verification: !requires_code }
    }
}

/// `POST /auth/verify-signin`: checks the code and issues the token.
pub(crate) async fn verify_sign_in(
    Shared(state): Shared<State>,
    _visitor: Visitor,
    Body(request): Body<CodeRequest>,
) -> Result<Response, ApiError> {
    codes::check(&state, CodePurpose::SignIn, &request).await?;
    let known_at = now();
    let account = state.store.account(&request.email).await?.filter(|account| account.user.active);
    let account = account.ok_or(Code::InvalidCredentials)?;
    session::open(&state, &account.user, known_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_the_one_step_that_is_missing() {
        let sign_in = serde_json::to_value(CodeSentResponse::of(CodePurpose::SignIn)).unwrap();
        assert_eq!(sign_in["requires_code"], true);
        assert!(sign_in.get("requires_verification").is_none() && sign_in.get("success").is_none());
        let verify = serde_json::to_value(CodeSentResponse::of(CodePurpose::VerifyEmail)).unwrap();
        assert_eq!(verify["requires_verification"], true);
        assert!(verify.get("requires_code").is_none());
    }
}
