//! Our own bearer tokens: JWTs signed with HS256 by a rotating secret (protocols.md 5.2, U2, U5).
//!
//! To rotate: put the new secret first and keep the old one as `previous` until the last of its tokens has expired.

use crate::verifier::{self, AudienceClaim, Policy, TokenError};
use crate::{mac, random};
use domain::ids::{OrganizationId, UserId};
use domain::secret::Secret;
use domain::time::Timestamp;
use domain::user::{Permission, Principal, Role, User};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The issuer in our own tokens.
pub const ISSUER: &str = "switchboard";
/// The audience of our own tokens.
pub const AUDIENCE: &str = "switchboard";
const MIN_SECRET_BYTES: usize = 32;

/// A secret too short to sign with: HS256 is as strong as its key, and a short one can be found offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret has at least 32 bytes")]
pub struct WeakSecret;

/// One signing secret and its name.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKey {
    /// Takes a secret of 32 bytes or more. Its `kid` is the start of its SHA-256.
    pub fn new(secret: &Secret) -> Result<Self, WeakSecret> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(WeakSecret);
        }
        let mut kid = mac::sha256_hex(bytes);
        kid.truncate(16);
        Ok(Self { kid, encoding: EncodingKey::from_secret(bytes), decoding: DecodingKey::from_secret(bytes) })
    }

    /// The name of this key in a token's header.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

/// The secret that signs, and those whose tokens are still out.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// Signs and verifies.
    pub current: SigningKey,
    /// Verify only.
    pub previous: Vec<SigningKey>,
}

impl Keyring {
    /// Makes a keyring; a weak secret is an error at start, not at the first token.
    pub fn new(current: &Secret, previous: &[Secret]) -> Result<Self, WeakSecret> {
        Ok(Self {
            current: SigningKey::new(current)?,
            previous: previous.iter().map(SigningKey::new).collect::<Result<_, _>>()?,
        })
    }

    /// The keys to try, the one the token names first. The name is unsigned: a hint that saves work, never a reason
    /// to accept or refuse.
    pub(crate) fn candidates(&self, kid: Option<&str>) -> Vec<(Algorithm, &DecodingKey)> {
        let mut keys: Vec<&SigningKey> = std::iter::once(&self.current).chain(&self.previous).collect();
        keys.sort_by_key(|key| kid != Some(key.kid.as_str()));
        keys.iter().map(|key| (Algorithm::HS256, &key.decoding)).collect()
    }
}

/// Whom a token is issued to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The person.
    pub user_id: UserId,
    /// Their organization.
    pub organization_id: OrganizationId,
    /// What they are.
    pub role: Role,
    /// What they may do.
    pub permissions: BTreeSet<Permission>,
    /// Their name, for clients to show.
    pub name: Option<String>,
}

impl From<&User> for Subject {
    fn from(user: &User) -> Self {
        Self {
            user_id: user.id.clone(),
            organization_id: user.organization_id.clone(),
            role: user.role,
            permissions: user.role.permissions(),
            name: Some(user.display_name()).filter(|name| name != user.email.as_str()),
        }
    }
}

/// What our tokens say. Never an e-mail address: tokens end up in places where addresses should not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The person.
    pub sub: UserId,
    /// Their organization.
    pub organization_id: OrganizationId,
    /// Roles by wire name.
    pub roles: Vec<String>,
    /// Permissions by wire name.
    pub permissions: Vec<String>,
    /// The token's own id, by which it is revoked.
    pub jti: String,
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// Second of issue.
    pub iat: i64,
    /// Second from which it is no longer valid.
    pub exp: i64,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Alias of `sub` for admins and agents (seed A).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_id: Option<UserId>,
    /// Alias of `sub` (seeds C and E).
    pub user_id: UserId,
    /// Alias of `organization_id` (seed A).
    pub company_id: OrganizationId,
}

impl Claims {
    /// The caller these claims describe. Roles and permissions we do not know give nothing.
    pub fn principal(&self) -> Result<Principal, TokenError> {
        let role = self.roles.iter().find_map(|name| known(name)).ok_or(TokenError::Invalid)?;
        Ok(Principal {
            user_id: self.sub.clone(),
            organization_id: self.organization_id.clone(),
            role,
            permissions: self.permissions.iter().filter_map(|name| known(name)).collect(),
            token_id: self.jti.clone(),
            issued_at: self.iat,
            expires_at: self.exp,
        })
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("sub", &self.sub)
            .field("organization_id", &self.organization_id)
            .field("roles", &self.roles)
            .field("jti", &self.jti)
            .field("exp", &self.exp)
            .finish_non_exhaustive()
    }
}

fn known<'de, T: Deserialize<'de>>(name: &'de str) -> Option<T> {
    let name: serde::de::value::StrDeserializer<'_, ValueError> = name.into_deserializer();
    T::deserialize(name).ok()
}

/// A new token and what it says.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub token: Secret,
    /// Its claims.
    pub claims: Claims,
}

/// Issues a token to `subject` that is valid from `now` for `ttl_seconds`.
pub fn issue(keys: &Keyring, subject: &Subject, now: Timestamp, ttl_seconds: i64) -> Result<Issued, TokenError> {
    let staff = matches!(subject.role, Role::Admin | Role::Agent);
    let claims = Claims {
        sub: subject.user_id.clone(),
        organization_id: subject.organization_id.clone(),
        roles: vec![subject.role.as_str().to_owned()],
        permissions: subject.permissions.iter().map(|p| p.as_str().to_owned()).collect(),
        jti: random::new_id(),
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        iat: now.seconds(),
        exp: now.plus_seconds(ttl_seconds).seconds(),
        name: subject.name.clone(),
        admin_id: staff.then(|| subject.user_id.clone()),
        user_id: subject.user_id.clone(),
        company_id: subject.organization_id.clone(),
    };
    verifier::install_crypto();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(keys.current.kid.clone());
    let token = encode(&header, &claims, &keys.current.encoding).map_err(|_| TokenError::Invalid)?;
    Ok(Issued { token: Secret::new(token), claims })
}

/// Checks one of our own tokens at the time `now`. Whether it was revoked is for the caller to look up.
pub fn verify(keys: &Keyring, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
    let policy =
        Policy { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned(), audience_claim: AudienceClaim::Standard };
    let header = verifier::header_of(token)?;
    verifier::verify(&keys.candidates(header.kid.as_deref()), &policy, token, now)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
