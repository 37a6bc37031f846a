//! The demo's organizations and people.

use domain::organization::Organization;
use domain::phone::PhoneNumber;
use domain::points::AiSettings;
use domain::secret::Secret;
use domain::time::Zone;
use domain::user::User;
use identity::password;
use identity::token::{self, Keyring, Subject};
use store::{Store, now};

use super::{DemoOrganization, DemoUser, Error, PASSWORD, SeedContext, email, organization_id, user_id};
use crate::files;

/// Demo tokens last a week, so that a terminal left open still works tomorrow.
const TOKEN_SECONDS: i64 = 7 * 86_400;

/// Adds an organization, or finds it. The one with a `first_admin` is the stack's first.
pub(super) async fn add_organization(
    store: &Store,
    organization: &DemoOrganization,
    first_admin: Option<(&DemoUser, &Secret)>,
) -> Result<(), Error> {
    let record = Organization {
        id: organization_id(organization)?,
        name: organization.name.to_owned(),
        timezone: Zone::named(organization.timezone)?,
        region: Some(organization.region.parse()?),
        sign_in_code_required: false,
        open_sign_up: true,
        created_at: now(),
        phone_numbers: vec![PhoneNumber::from_provider(organization.phone_number)?],
        twilio: None,
        elevenlabs: None,
        instructions: None,
        ai: generous(),
    };
    // False means an earlier start made it.
    match first_admin {
        Some((admin, password_hash)) => store.set_up(&record, &record_of(admin)?, password_hash).await?,
        None => store.add_organization(&record).await?,
    };
    Ok(())
}

/// Whoever tries things out, or measures them, is not to be stopped by quotas meant for production.
fn generous() -> AiSettings {
    AiSettings { starting_points: 1_000_000, answers_at_once: 300, ..AiSettings::default() }
}

fn record_of(demo: &DemoUser) -> Result<User, Error> {
    Ok(User {
        id: user_id(demo)?,
        organization_id: organization_id(demo.organization)?,
        email: email(demo)?,
        role: demo.role,
        first_name: demo.first_name.to_owned(),
        last_name: String::new(),
        email_verified: true,
        active: true,
        created_at: now(),
        tokens_valid_after: 0,
        profile: domain::user::Profile::new(),
    })
}

/// Adds a person, or finds them, and gives them a token.
pub(super) async fn add_user(
    store: &Store,
    context: &SeedContext,
    demo: &DemoUser,
    password_hash: &Secret,
) -> Result<String, Error> {
    let user = record_of(demo)?;
    store.add_account(&user, password_hash).await?;
    // An earlier start's record may have been changed by its admin.
    let user = store.tenant(&user.organization_id).user(&user.id).await?.unwrap_or(user);
    let secret = |name: &str| Secret::new(context.secrets.get(name).cloned().unwrap_or_default());
    let keys = Keyring::new(&secret("JWT_SECRET"), &[])?;
    let issued = token::issue(&keys, &Subject::from(&user), now(), TOKEN_SECONDS)?;
    Ok(issued.token.expose().to_owned())
}

/// The hash of the demo password, made once per data folder: hashing is slow on purpose.
pub(super) fn password_hash(context: &SeedContext) -> Result<Secret, Error> {
    let path = context.data_dir.join("demo-password-hash");
    if let Ok(hash) = std::fs::read_to_string(&path) {
        return Ok(Secret::new(hash));
    }
    let hash = password::hash(&Secret::new(PASSWORD)).map_err(|_| Error::Password)?;
    if let Err(error) = files::write_atomically(&path, hash.expose().as_bytes()) {
        tracing::warn!(%error, "the demo password's hash is not kept");
    }
    Ok(Secret::new(hash.expose()))
}
