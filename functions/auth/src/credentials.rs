//! An address and its password, checked the same for all ways to sign in (U14).

use crate::State;
use crate::limits::PASSWORDS;
use crate::passwords;
use domain::secret::Secret;
use domain::time::Timestamp;
use domain::user::{Email, User};
use identity::password::Verdict;
use serde::Deserialize;
use store::{Account, now};
use web::{ApiError, Code};

/// `POST /login` and `POST /auth/signin`.
#[derive(Debug, Deserialize)]
pub(crate) struct CredentialsRequest {
    #[serde(alias = "username")]
    pub(crate) email: Email,
    pub(crate) password: Secret,
}

/// A person who gave the right password.
pub(crate) struct Proven {
    pub(crate) user: User,
    /// A moment before the record was read: see [`crate::session::open`].
    pub(crate) known_at: Timestamp,
}

/// Checks a password. Unknown, inactive and wrong are one answer, after the same work.
pub(crate) async fn check(state: &State, request: CredentialsRequest) -> Result<Proven, ApiError> {
    let CredentialsRequest { email, password } = request;
    PASSWORDS.count(state, email.as_str()).await?;
    let known_at = now();
    let account = state.store.account(&email).await?;
    let stored = account.as_ref().map(|account| account.password_hash.clone());
    let verdict = passwords::verify(state, password.clone(), stored).await?;
    let (Some(Account { user, .. }), Verdict::Correct { rehash }) = (account.filter(|a| a.user.active), verdict) else {
        return Err(Code::InvalidCredentials.into());
    };
    PASSWORDS.forget(state, email.as_str()).await?;
    if rehash {
        strengthen(state, &email, password).await;
    }
    Ok(Proven { user, known_at })
}

/// Stores the password under today's hash. It may fail: the next sign-in tries again.
async fn strengthen(state: &State, email: &Email, password: Secret) {
    // A password from before the rules may be too short for a new hash: it keeps the old one.
    let Ok(hash) = passwords::hash(state, password).await else { return };
    if let Err(error) = state.store.set_password(email, &hash).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a stronger password hash was not stored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_a_may_call_the_address_username() {
        for field in ["email", "username"] {
            let body = format!(r#"{{"{field}": "Ada@Example.com", "password": "correct horse"}}"#);
            let request: CredentialsRequest = serde_json::from_str(&body).unwrap();
            assert_eq!(request.email.as_str(), "ada@example.com");
            assert!(!format!("{request:?}").contains("horse"));
        }
    }
}
