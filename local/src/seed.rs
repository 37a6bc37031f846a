//! Demo data: two organizations, their people with tokens, contacts, and conversations, live and ended.
//!
//! It is made through the same repositories that the functions use, so it looks exactly like real data.

mod conversations;
mod people;

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::ids::{InvalidId, OrganizationId, UserId};
use domain::phone::InvalidPhone;
use domain::time::UnknownZone;
use domain::user::{Email, InvalidEmail, Role};
use identity::verifier::TokenError;
use serde_json::{Value, json};
use store::{Store, StoreError};

use crate::elevenlabs::INITIATION_HEADER;

/// What the demo data is made with.
#[derive(Clone)]
pub(crate) struct SeedContext {
    pub(crate) dynamodb_url: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) base_url: String,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) core_table: String,
    pub(crate) ephemeral_table: String,
}

/// What the demo data consists of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demo {
    /// Members of `info.json`.
    pub(crate) info: Value,
    /// Lines below the URLs.
    pub(crate) banner: String,
}

/// Why there is no demo data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the demo data cannot be stored")]
    Store(#[from] StoreError),
    #[error("the configuration of the demo data is wrong")]
    Config(#[from] runtime::ConfigError),
    #[error("a password of the demo data cannot be hashed")]
    Password,
    #[error("the tokens of the demo data cannot be made")]
    Token(#[from] TokenError),
    #[error("JWT_SECRET: {0}")]
    Secret(#[from] identity::token::WeakSecret),
    #[error("the demo data names an impossible id")]
    Id(#[from] InvalidId),
    #[error("the demo data names an impossible number")]
    Phone(#[from] InvalidPhone),
    #[error("the demo data names an impossible address")]
    Email(#[from] InvalidEmail),
    #[error("the demo data names an unknown zone")]
    Zone(#[from] UnknownZone),
}

/// Password of every demo user.
const PASSWORD: &str = "switchboard-demo";

/// An organization of the demo.
struct DemoOrganization {
    id: &'static str,
    name: &'static str,
    timezone: &'static str,
    region: &'static str,
    phone_number: &'static str,
}

const AURORA: DemoOrganization = DemoOrganization {
    id: "aurora-demo",
    name: "Aurora Rescue",
    timezone: "Asia/Kolkata",
    region: "IN",
    phone_number: "+14155550110",
};
const BICI: DemoOrganization = DemoOrganization {
    id: "bici-demo",
    name: "BICI Bike Store",
    timezone: "America/Toronto",
    region: "CA",
    phone_number: "+14165550120",
};

/// The stack's own number, for who has none: that of the organization that seed B is about.
pub(crate) const DEFAULT_NUMBER: &str = BICI.phone_number;

/// Numbers of the demo's organizations, by their ids.
pub(crate) fn numbers() -> BTreeMap<&'static str, &'static str> {
    [&AURORA, &BICI].map(|organization| (organization.id, organization.phone_number)).into()
}

/// A person of the demo.
struct DemoUser {
    id: &'static str,
    email: &'static str,
    first_name: &'static str,
    role: Role,
    organization: &'static DemoOrganization,
}

const USERS: [DemoUser; 5] = [
    DemoUser {
        id: "admin_ada",
        email: "ada@aurora.example",
        first_name: "Ada",
        role: Role::Admin,
        organization: &AURORA,
    },
    DemoUser {
        id: "admin_ben",
        email: "ben@aurora.example",
        first_name: "Ben",
        role: Role::Admin,
        organization: &AURORA,
    },
    DemoUser {
        id: "admin_cleo",
        email: "cleo@bici.example",
        first_name: "Cleo",
        role: Role::Admin,
        organization: &BICI,
    },
    DemoUser {
        id: "agent_dan",
        email: "dan@aurora.example",
        first_name: "Dan",
        role: Role::Agent,
        organization: &AURORA,
    },
    DemoUser {
        id: "user_uma",
        email: "uma@aurora.example",
        first_name: "Uma",
        role: Role::User,
        organization: &AURORA,
    },
];

/// Makes the demo data, or finds that of an earlier start.
pub(crate) async fn run(context: &SeedContext) -> Result<Demo, Error> {
    let store = store(context).await?;
    let hash = people::password_hash(context)?;
    let [ada, ..] = &USERS;
    people::add_organization(&store, &AURORA, Some((ada, &hash))).await?;
    people::add_organization(&store, &BICI, None).await?;
    let mut users = Vec::new();
    for user in &USERS {
        let token = people::add_user(&store, context, user, &hash).await?;
        users.push((user, token));
    }
    conversations::add(&store).await?;
    let info = info(context, &store, &users).await?;
    Ok(Demo { info, banner: banner(context, &users) })
}

async fn store(context: &SeedContext) -> Result<Store, Error> {
    let values = [
        ("AWS_ENDPOINT_URL_DYNAMODB", &context.dynamodb_url),
        ("CORE_TABLE", &context.core_table),
        ("EPHEMERAL_TABLE", &context.ephemeral_table),
    ];
    let credentials = [("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")];
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.clone()));
    let credentials = credentials.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(runtime::Environment::from_values(values.chain(credentials).collect()).await?.store())
}

async fn info(context: &SeedContext, store: &Store, users: &[(&DemoUser, String)]) -> Result<Value, Error> {
    let secret = |name: &str| context.secrets.get(name).cloned().unwrap_or_default();
    let organizations: Vec<Value> = [&AURORA, &BICI]
        .iter()
        .map(|org| json!({"id": org.id, "name": org.name, "phone_number": org.phone_number}))
        .collect();
    let users: Vec<Value> = users
        .iter()
        .map(|(user, token)| {
            json!({
                "id": user.id, "email": user.email, "password": PASSWORD, "role": user.role,
                "organization_id": user.organization.id, "token": token,
            })
        })
        .collect();
    Ok(json!({
        "organizations": organizations,
        "users": users,
        "contacts": conversations::contacts(store).await?,
        "conversations": conversations::list(store).await?,
        "twilio": {"account_sid": secret("TWILIO_ACCOUNT_SID"), "auth_token": secret("TWILIO_AUTH_TOKEN")},
        "elevenlabs": {
            "initiation_headers": {INITIATION_HEADER: secret("ELEVENLABS_CONVERSATION_INITIATION_WEBHOOK_SECRET")},
            "post_call_secret": secret("ELEVENLABS_POST_CALL_WEBHOOK_SECRET"),
            "agent_id": secret("ELEVENLABS_AGENT_ID"),
        },
    }))
}

fn banner(context: &SeedContext, users: &[(&DemoUser, String)]) -> String {
    let base = &context.base_url;
    let mut banner = format!("Demo users, password {PASSWORD}:\n");
    for (user, _) in users {
        let DemoUser { email, role, organization, .. } = user;
        banner.push_str(&format!("  {email:<20} {:<6} {}\n", role.as_str(), organization.name));
    }
    let token = |id: &str| users.iter().find(|(user, _)| user.id == id).map_or("", |(_, token)| token.as_str());
    let conversation = conversations::SEED_CONVERSATION;
    banner.push_str(&format!(
        "\nTokens of ada (Aurora) and cleo (BICI), valid for a week:\n  export TOKEN={}\n  export BICI_TOKEN={}\n",
        token("admin_ada"),
        token("admin_cleo"),
    ));
    banner.push_str(&format!(
        "\nSeed A, a snapshot and a live stream:\n  \
         curl {base}/api/conversation/{conversation} -H \"Authorization: Bearer $TOKEN\"\n  \
         curl -N {base}/api/conversation/{conversation}/stream -H \"Authorization: Bearer $TOKEN\"\n\
         Seed B, a contact's stream, then (in another terminal) a text message:\n  \
         curl -N \"{base}/api/stream/conversation/{lead}?load=true&organizationId={bici}\" -H \"Authorization: Bearer $BICI_TOKEN\"\n  \
         cargo run -- simulate sms \"Is my bike ready?\" --from {phone} --to {number}\n  \
         cargo run -- simulate call --from {phone} --to {number}\n\
         All of seed B in one go, with a person who takes over:\n  \
         cargo run -- demo",
        lead = conversations::SHARED_CONTACT,
        bici = BICI.id,
        phone = conversations::SHARED_PHONE,
        number = BICI.phone_number,
    ));
    banner
}

fn organization_id(organization: &DemoOrganization) -> Result<OrganizationId, Error> {
    Ok(OrganizationId::parse(organization.id)?)
}

fn user_id(user: &DemoUser) -> Result<UserId, Error> {
    Ok(UserId::parse(user.id)?)
}

fn email(user: &DemoUser) -> Result<Email, Error> {
    Ok(Email::parse(user.email)?)
}
