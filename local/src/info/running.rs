//! `info.json` as the commands read it that talk to a running local cloud.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::secret::Secret;
use serde::Deserialize;

use super::FILE;

/// Why a local cloud cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is none.
    #[error("no local cloud is running on {0}: start it with `cargo run`")]
    NotRunning(PathBuf),
    /// Its `info.json` is of another version, or of a run without demo data.
    #[error("info.json cannot be read; this command needs a local cloud of this version with its demo data")]
    Unreadable(#[from] serde_json::Error),
}

/// What a running local cloud says of itself.
#[derive(Deserialize)]
pub(crate) struct Running {
    pub(crate) base_url: String,
    pub(crate) public_base_url: String,
    pub(crate) websocket_url: String,
    pub(crate) organizations: Vec<Organization>,
    #[serde(default)]
    pub(crate) users: Vec<User>,
    #[serde(default)]
    pub(crate) contacts: Vec<Contact>,
    pub(crate) twilio: Twilio,
    pub(crate) elevenlabs: ElevenLabs,
}

#[derive(Deserialize)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) phone_number: String,
}

#[derive(Deserialize)]
pub(crate) struct User {
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) organization_id: String,
    pub(crate) token: Secret,
}

#[derive(Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) phone_number: String,
    pub(crate) organization_id: String,
}

#[derive(Deserialize)]
pub(crate) struct Twilio {
    pub(crate) account_sid: String,
    pub(crate) auth_token: Secret,
}

#[derive(Deserialize)]
pub(crate) struct ElevenLabs {
    pub(crate) initiation_headers: BTreeMap<String, Secret>,
    pub(crate) post_call_secret: Secret,
    pub(crate) agent_id: String,
}

impl Running {
    /// Reads the file of the data folder.
    pub(crate) fn read(data_dir: &Path) -> Result<Self, Error> {
        let text = std::fs::read(data_dir.join(FILE)).map_err(|_| Error::NotRunning(data_dir.to_owned()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// The given number, or that of the first organization.
    pub(crate) fn own_number(&self, given: Option<&String>) -> String {
        let first = self.organizations.first().map(|organization| &organization.phone_number);
        given.or(first).cloned().unwrap_or_default()
    }
}
