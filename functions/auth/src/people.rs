//! Making a person's record.

use domain::ids::{OrganizationId, UserId};
use domain::time::Timestamp;
use domain::user::{Email, Role, User};
use identity::random;
use serde::Deserialize;
use web::extract::short_text;
use web::{ApiError, Code};

const MAX_NAME: usize = 100;

/// The names a request may give.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Names {
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
}

impl Names {
    /// Both, where they are given.
    pub(crate) fn checked(&self) -> Result<(Option<String>, Option<String>), ApiError> {
        let name =
            |field, text: &Option<String>| text.as_deref().map(|text| short_text(field, text, MAX_NAME)).transpose();
        Ok((name("first_name", &self.first_name)?, name("last_name", &self.last_name)?))
    }
}

/// A new, active person.
pub(crate) fn new_user(
    organization_id: OrganizationId,
    email: Email,
    role: Role,
    names: &Names,
    created_at: Timestamp,
) -> Result<User, ApiError> {
    let (first_name, last_name) = names.checked()?;
    Ok(User {
        id: UserId::parse(&random::new_id()).map_err(|_| Code::Internal)?,
        organization_id,
        email,
        role,
        first_name: first_name.unwrap_or_default(),
        last_name: last_name.unwrap_or_default(),
        email_verified: false,
        active: true,
        created_at,
        tokens_valid_after: 0,
        profile: domain::user::Profile::new(),
    })
}
