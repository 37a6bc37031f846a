//! That a request comes from ElevenLabs (protocols.md 2.1 and 2.3).
//!
//! Post-call webhooks carry `ElevenLabs-Signature: t=<seconds>,v0=<hex>`, an HMAC-SHA256 over `<seconds>.<body>`.
//! The initiation webhook carries only a header of our own choosing, with a shared secret.

use domain::secret::Secret;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;
use subtle::{Choice, ConstantTimeEq};

/// The oldest signature that is taken, as in ElevenLabs' own SDKs.
const MAX_AGE_SECONDS: i64 = 30 * 60;
/// How far a clock of theirs may be ahead. Their SDKs have no such limit.
const MAX_SKEW_SECONDS: i64 = 5 * 60;

/// Why a request is not taken as ElevenLabs'. For the log: the answer to all is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No signature.
    #[error("the signature header is missing")]
    Missing,
    /// Not `t=<seconds>,v0=<hex>`.
    #[error("the signature header is malformed")]
    Malformed,
    /// Signed more than 30 minutes ago.
    #[error("the signature is too old")]
    TooOld,
    /// Signed more than 5 minutes from now.
    #[error("the signature is from the future")]
    FromTheFuture,
    /// Of other content or by another secret.
    #[error("the signature does not fit the body and the secret")]
    Mismatch,
    /// No secret is configured: nothing can be accepted.
    #[error("no signing secret is configured")]
    NoSecrets,
}

/// Checks that ElevenLabs signed this body, byte for byte as it arrived, with one of our secrets.
pub fn verify(header: Option<&str>, body: &[u8], secrets: &[Secret], now: Timestamp) -> Result<(), Refusal> {
    let header = header.filter(|text| !text.is_empty()).ok_or(Refusal::Missing)?;
    let (time, given) = parts(header).ok_or(Refusal::Malformed)?;
    let seconds: i64 = time.parse().map_err(|_| Refusal::Malformed)?;
    let secrets: Vec<&Secret> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    if secrets.is_empty() {
        return Err(Refusal::NoSecrets);
    }
    let age = now.seconds().saturating_sub(seconds);
    if age > MAX_AGE_SECONDS {
        return Err(Refusal::TooOld);
    }
    if age < -MAX_SKEW_SECONDS {
        return Err(Refusal::FromTheFuture);
    }
    let mut matched = Choice::from(0);
    for secret in secrets {
        let expected = signature(secret, time, body);
        for hash in &given {
            matched |= expected.as_bytes().ct_eq(hash.as_bytes());
        }
    }
    if matched.into() { Ok(()) } else { Err(Refusal::Mismatch) }
}

/// Signs a body as ElevenLabs does: for the local cloud and tests.
pub fn sign(body: &[u8], secret: &Secret, at: Timestamp) -> String {
    let time = at.seconds().to_string();
    format!("t={time},v0={}", signature(secret, &time, body))
}

/// Whether the shared secret of the initiation webhook is one of ours.
pub fn shared_secret_matches(given: Option<&str>, secrets: &[Secret]) -> bool {
    let given = given.unwrap_or_default();
    let mut matched = Choice::from(0);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        matched |= secret.expose().as_bytes().ct_eq(given.as_bytes());
    }
    matched.into()
}

/// The time as it was written, which is what is signed, and every hash of the scheme that we know.
fn parts(header: &str) -> Option<(&str, Vec<&str>)> {
    // Neither trimmed nor repeated: their SDKs send none of that, and what is read loosely is forged easily.
    let mut times = header.split(',').filter_map(|part| part.strip_prefix("t="));
    let time = times.next()?;
    let digits = (1..=12).contains(&time.len()) && time.bytes().all(|b| b.is_ascii_digit());
    let hashes: Vec<&str> = header.split(',').filter_map(|part| part.strip_prefix("v0=")).collect();
    (digits && times.next().is_none() && !hashes.is_empty()).then_some((time, hashes))
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn signature(secret: &Secret, time: &str, body: &[u8]) -> String {
    // The secret is text, also where it looks like base64 after a prefix.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut hex = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
