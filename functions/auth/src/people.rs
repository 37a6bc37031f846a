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

/// A new, active person.
pub(crate) fn new_user(
    organization_id: OrganizationId,
    email: Email,
    role: Role,
    names: &Names,
    created_at: Timestamp,
) -> Result<User, ApiError> {
    let name = |field, text: &Option<String>| short_text(field, text.as_deref().unwrap_or_default(), MAX_NAME);
    Ok(User {
        id: UserId::parse(&random::new_id()).map_err(|_| Code::Internal)?,
        organization_id,
        email,
        role,
        first_name: name("first_name", &names.first_name)?,
        last_name: name("last_name", &names.last_name)?,
        email_verified: false,
        active: true,
        created_at,
        tokens_valid_after: 0,
    })
}
