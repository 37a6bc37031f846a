//! People who sign in, and what they may do.

use crate::ids::{OrganizationId, UserId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a person is to an organization (U4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the organization and its conversations.
    Admin,
    /// Watches and takes over conversations.
    Agent,
    /// An end user: their own chats, interactions and documents.
    User,
    /// A program.
    Service,
}

impl Role {
    /// The role's wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::User => "user",
            Self::Service => "service",
        }
    }

    /// What the role allows.
    pub fn permissions(self) -> BTreeSet<Permission> {
        use Permission::{AnalysisRun, ConversationsManage, ConversationsRead, OrgAdmin, UsageRead};
        match self {
            Self::Admin => [ConversationsRead, ConversationsManage, AnalysisRun, UsageRead, OrgAdmin].into(),
            Self::Agent => [ConversationsRead, ConversationsManage, AnalysisRun].into(),
            Self::User => [AnalysisRun].into(),
            Self::Service => [ConversationsRead, ConversationsManage, AnalysisRun, UsageRead].into(),
        }
    }
}

/// One thing a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// See conversations, live and past.
    #[serde(rename = "conversations:read")]
    ConversationsRead,
    /// Take over, write to customers, call them.
    #[serde(rename = "conversations:manage")]
    ConversationsManage,
    /// Have documents analysed.
    #[serde(rename = "analysis:run")]
    AnalysisRun,
    /// See what was used and what it cost.
    #[serde(rename = "usage:read")]
    UsageRead,
    /// Change the organization.
    #[serde(rename = "org:admin")]
    OrgAdmin,
}

impl Permission {
    /// The permission's wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConversationsRead => "conversations:read",
            Self::ConversationsManage => "conversations:manage",
            Self::AnalysisRun => "analysis:run",
            Self::UsageRead => "usage:read",
            Self::OrgAdmin => "org:admin",
        }
    }
}

/// A person's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Lower-cased address.
    pub email: Email,
    /// What they are.
    pub role: Role,
    /// Given name.
    #[serde(default)]
    pub first_name: String,
    /// Family name.
    #[serde(default)]
    pub last_name: String,
    /// Whether the address was proved by a code.
    pub email_verified: bool,
    /// Whether they may sign in.
    pub active: bool,
    /// When the record was made.
    pub created_at: Timestamp,
    /// Tokens issued before this second are refused ("log out everywhere", role changes, deactivation).
    #[serde(default)]
    pub tokens_valid_after: i64,
    /// What the model is told about them (E15).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: Profile,
}

/// What a person says of themselves, by name: `age`, `fitness_level` (E12).
pub type Profile = BTreeMap<String, ProfileValue>;

/// A value of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProfileValue {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Fraction(f64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for ProfileValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(value) => value.fmt(f),
            Self::Whole(value) => value.fmt(f),
            Self::Fraction(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl User {
    /// First and last name, or the address where there is none.
    pub fn display_name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match name.trim() {
            "" => self.email.as_str().to_owned(),
            name => name.to_owned(),
        }
    }
}

/// A lower-cased e-mail address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(Box<str>);

/// A text that is no e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

impl Email {
    /// Trims and lower-cases an address; the proof that it works is the code sent to it.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim().to_lowercase();
        let (name, host) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let plain =
            text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '#' | '<' | '>' | '"' | ','));
        let dotted = host.contains('.') && !host.starts_with('.') && !host.ends_with('.');
        if plain && dotted && !name.is_empty() && !name.contains('@') && text.len() <= 254 {
            Ok(Self(text.into()))
        } else {
            Err(InvalidEmail)
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;
    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0.into()
    }
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(***)")
    }
}

/// Who is calling: what a verified token, cookie or ticket says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The caller.
    pub user_id: UserId,
    /// Their organization: the only one whose data they can reach.
    pub organization_id: OrganizationId,
    /// What they are.
    pub role: Role,
    /// What they may do.
    pub permissions: BTreeSet<Permission>,
    /// The token's id, by which it is revoked.
    pub token_id: String,
    /// Second at which the token was issued.
    pub issued_at: i64,
    /// Second at which the token ends.
    pub expires_at: i64,
}

impl Principal {
    /// Whether the caller may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lower_cased_and_checked() {
        assert_eq!(Email::parse(" Ada@Example.COM ").unwrap().as_str(), "ada@example.com");
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "a#b@example.com",
            "a@b@example.com",
            "ada@localhost",
        ] {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{bad}");
        }
    }

    #[test]
    fn permission_names_match_their_wire_form() {
        for permission in Role::Admin.permissions() {
            let wire = serde_json::to_string(&permission).unwrap();
            assert_eq!(wire, format!("\"{}\"", permission.as_str()));
        }
    }
}
