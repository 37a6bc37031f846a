//! Six digits by mail: made, sent, checked (E16).

use crate::State;
use crate::limits::CODES;
use domain::secret::Secret;
use domain::user::Email;
use identity::code;
use providers::email::Mail;
use serde::Deserialize;
use store::{Attempt, CodePurpose};
use web::{ApiError, Code};

/// The least time between two mails of one purpose to one address.
const PAUSE_SECONDS: u32 = 60;

/// `POST /auth/verify-email` and `POST /auth/verify-signin`.
#[derive(Debug, Deserialize)]
pub(crate) struct CodeRequest {
    pub(crate) email: Email,
    pub(crate) code: Secret,
}

/// Mails a new code. Within a minute of the last one nothing happens, and that one stays valid.
pub(crate) async fn send(state: &State, purpose: CodePurpose, email: &Email) -> Result<(), ApiError> {
    let code = code::new_code();
    if keep(state, purpose, email, &code).await? {
        mail(state, purpose, email, &of_code(state, purpose, &code)).await?;
    }
    Ok(())
}

/// The mail that tells a code.
pub(crate) fn of_code(state: &State, purpose: CodePurpose, code: &Secret) -> Mail {
    let minutes = minutes(state.code_seconds);
    match purpose {
        CodePurpose::VerifyEmail => Mail::verification_code(code.expose(), minutes),
        CodePurpose::SignIn => Mail::sign_in_code(code.expose(), minutes),
    }
}

/// Keeps a code in place of an earlier one. False when the earlier one is too young.
pub(crate) async fn keep(state: &State, purpose: CodePurpose, email: &Email, code: &Secret) -> Result<bool, ApiError> {
    let digest = digest(state, purpose, email, code.expose());
    let pause = i64::from(PAUSE_SECONDS);
    if !state.store.put_code(purpose, email, &digest, state.code_seconds, pause).await? {
        return Ok(false);
    }
    if let Err(refusal) = CODES.count(state, &counted(purpose, email)).await {
        state.store.remove_code(purpose, email).await?;
        return Err(refusal);
    }
    Ok(true)
}

/// Sends what goes with a code. When that fails the code ends, so that asking again at once mails a new one.
pub(crate) async fn mail(state: &State, purpose: CodePurpose, email: &Email, mail: &Mail) -> Result<(), ApiError> {
    let Err(error) = state.mailer.send(email.as_str(), mail).await else { return Ok(()) };
    tracing::error!(error = &error as &dyn std::error::Error, "a code was not mailed");
    state.store.remove_code(purpose, email).await?;
    Err(ApiError::from(Code::Unavailable).retry_after(5))
}

/// Checks a code and uses it up.
pub(crate) async fn check(state: &State, purpose: CodePurpose, request: &CodeRequest) -> Result<(), ApiError> {
    let code = request.code.expose().trim();
    if !is_code(code) {
        return Err(Code::InvalidCode.into());
    }
    let digest = digest(state, purpose, &request.email, code);
    match state.store.try_code(purpose, &request.email, &digest).await? {
        Attempt::Right => CODES.forget(state, &counted(purpose, &request.email)).await,
        Attempt::Wrong => Err(Code::InvalidCode.into()),
        Attempt::Exhausted => Err(ApiError::from(Code::CodeExhausted).retry_after(PAUSE_SECONDS)),
    }
}

fn digest(state: &State, purpose: CodePurpose, email: &Email, code: &str) -> String {
    code::digest(&state.pepper, purpose.as_str(), email.as_str(), code)
}

/// Each purpose counts alone: anybody may ask for codes to verify an address, and must not use up its sign-in codes.
fn counted(purpose: CodePurpose, email: &Email) -> String {
    format!("{} {}", purpose.as_str(), email.as_str())
}

/// What cannot be a code costs no guess.
fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the mail says of a code's life.
fn minutes(seconds: i64) -> u32 {
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX).div_ceil(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_six_ascii_digits() {
        assert!(is_code("012345"));
        for text in ["", "12345", "1234567", "12345a", "１２３４５６", "-12345", "12 345"] {
            assert!(!is_code(text), "{text}");
        }
    }

    #[test]
    fn a_life_of_part_of_a_minute_is_one_minute() {
        assert_eq!([900, 901, 60, 1, 0, -5].map(minutes), [15, 16, 1, 1, 1, 1]);
    }

    #[test]
    fn a_request_does_not_print_its_code() {
        let request: CodeRequest = serde_json::from_str(r#"{"email": "a@example.com", "code": "012345"}"#).unwrap();
        assert!(!format!("{request:?}").contains("012345"));
    }
}
