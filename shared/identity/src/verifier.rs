//! The rules a token must pass, ours and an external issuer's alike (protocols.md 5.1).
//!
//! The library checks the signature under the one algorithm of the key. Claims are checked here, against the time
//! that is passed in: the library reads the system's clock, and by default it lets absent or oddly typed claims pass.

use crate::jwks::Jwks;
use crate::token::Keyring;
use domain::time::Timestamp;
use jsonwebtoken::crypto::{CryptoProvider, rust_crypto};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::Once;

/// Longer texts than any header can carry are not looked at.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How far two clocks may be apart.
const LEEWAY_SECONDS: i64 = 5;

/// Why a token is refused. To the caller all are 401 `invalid_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Its time has passed.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Signed with a key that the external issuer's set does not have: fetch the set again, once a minute at most.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// Anything else: form, signature, algorithm or claims.
    #[error("the token is not valid")]
    Invalid,
}

/// Which claim says whom a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceClaim {
    /// `aud`, as the standard has it.
    Standard,
    /// `client_id` beside `token_use: access`, as in Cognito's access tokens, which have no `aud`.
    CognitoAccess,
}

/// What a token must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The exact issuer.
    pub issuer: String,
    /// Us.
    pub audience: String,
    /// Where the audience is named.
    pub audience_claim: AudienceClaim,
}

/// What signatures are checked with.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Our own secrets: HS256.
    Shared(Keyring),
    /// An issuer's public keys, found by `kid`.
    Published(Jwks),
}

/// Checks tokens of one issuer.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Keys,
    policy: Policy,
}

impl Verifier {
    /// A verifier of tokens that are signed by `keys` and meet `policy`.
    pub fn new(keys: Keys, policy: Policy) -> Self {
        Self { keys, policy }
    }

    /// Checks a token at the time `now` and reads its claims.
    pub fn verify<T: DeserializeOwned>(&self, token: &str, now: Timestamp) -> Result<T, TokenError> {
        verify(&self.keys_for(token)?, &self.policy, token, now)
    }

    fn keys_for(&self, token: &str) -> Result<Vec<(Algorithm, &DecodingKey)>, TokenError> {
        let header = header_of(token)?;
        match &self.keys {
            Keys::Shared(ring) => Ok(ring.candidates(header.kid.as_deref())),
            Keys::Published(jwks) => {
                let kid = header.kid.ok_or(TokenError::Invalid)?;
                let found = jwks.get(&kid).ok_or(TokenError::UnknownKey)?;
                Ok(vec![(found.algorithm, &found.key)])
            }
        }
    }
}

pub(crate) fn verify<T: DeserializeOwned>(
    keys: &[(Algorithm, &DecodingKey)],
    policy: &Policy,
    token: &str,
    now: Timestamp,
) -> Result<T, TokenError> {
    let header = header_of(token)?;
    // An extension that must be understood, and is not (RFC 7515, 4.1.11).
    if header.crit.is_some() {
        return Err(TokenError::Invalid);
    }
    let claims =
        keys.iter().find_map(|(algorithm, key)| signed_claims(token, *algorithm, key)).ok_or(TokenError::Invalid)?;
    check_time(&claims, now.seconds())?;
    check_parties(&claims, policy)?;
    serde_json::from_value(Value::Object(claims)).map_err(|_| TokenError::Invalid)
}

pub(crate) fn header_of(token: &str) -> Result<Header, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Invalid);
    }
    decode_header(token).map_err(|_| TokenError::Invalid)
}

/// Chooses the library's cryptography. Left to itself it panics at the first token when another crate of the build
/// switches on its second implementation.
pub(crate) fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that one is installed already, which is as good.
        let _ = CryptoProvider::install_default(&rust_crypto::DEFAULT_PROVIDER);
    });
}

/// The claims, if the signature is of this key under this algorithm.
fn signed_claims(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Option<Map<String, Value>> {
    install_crypto();
    let mut signature_only = Validation::new(algorithm);
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    decode(token, key, &signature_only).ok().map(|data| data.claims)
}

fn check_time(claims: &Map<String, Value>, now: i64) -> Result<(), TokenError> {
    let exp = claims.get("exp").and_then(seconds).ok_or(TokenError::Invalid)?;
    if exp < now.saturating_sub(LEEWAY_SECONDS) {
        return Err(TokenError::Expired);
    }
    match claims.get("nbf").map(seconds) {
        None => Ok(()),
        Some(Some(nbf)) if nbf <= now.saturating_add(LEEWAY_SECONDS) => Ok(()),
        Some(Some(_)) => Err(TokenError::NotYetValid),
        Some(None) => Err(TokenError::Invalid),
    }
}

/// A NumericDate; fractions are allowed, nonsense such as 1e300 is not.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the cast saturates")]
fn seconds(value: &Value) -> Option<i64> {
    const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0; // 2^64
    if let Some(whole) = value.as_i64() {
        return (whole >= 0).then_some(whole);
    }
    let number = value.as_f64()?;
    (0.0..TOO_LARGE).contains(&number).then(|| number.round() as i64)
}

fn check_parties(claims: &Map<String, Value>, policy: &Policy) -> Result<(), TokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let audience = policy.audience.as_str();
    let for_us = match policy.audience_claim {
        AudienceClaim::Standard => match claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(many)) => many.iter().all(Value::is_string) && many.iter().any(|one| one == audience),
            _ => false,
        },
        AudienceClaim::CognitoAccess => text("client_id") == Some(audience) && text("token_use") == Some("access"),
    };
    let known = text("iss") == Some(policy.issuer.as_str()) && text("sub").is_some_and(|sub| !sub.is_empty());
    if for_us && known { Ok(()) } else { Err(TokenError::Invalid) }
}

#[cfg(test)]
#[path = "verifier_tests.rs"]
mod tests;
