//! Password hashing off the async thread, a few at once.

use crate::State;
use domain::secret::Secret;
use identity::password::{self, HashError, PasswordHash, Verdict};
use std::error::Error;
use web::{ApiError, Code};

/// Refuses a new password that is too short or too long.
pub(crate) fn check(password: &Secret) -> Result<(), ApiError> {
    password::check_policy(password).map_err(|error| ApiError::invalid(error.to_string()))
}

/// Hashes a new password.
pub(crate) async fn hash(state: &State, password: Secret) -> Result<Secret, ApiError> {
    let hashed = blocking(state, move || password::hash(&password)).await?;
    hashed.map(|hash| Secret::new(hash.expose())).map_err(|error| match error {
        HashError::Policy(error) => ApiError::invalid(error.to_string()),
        HashError::Failed(_) => internal(&error),
    })
}

/// Compares a password with a stored hash; without one, takes as long and says wrong.
pub(crate) async fn verify(state: &State, password: Secret, stored: Option<Secret>) -> Result<Verdict, ApiError> {
    blocking(state, move || {
        let stored = stored.map(|stored| PasswordHash::new(stored.expose()));
        password::verify(&password, stored.as_ref())
    })
    .await
}

async fn blocking<T: Send + 'static>(state: &State, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let _permit = state.hashing.acquire().await.map_err(|error| internal(&error))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| internal(&error))
}

fn internal(error: &(dyn Error + 'static)) -> ApiError {
    tracing::error!(error, "a password could not be hashed");
    Code::Internal.into()
}
