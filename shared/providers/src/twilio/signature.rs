//! `X-Twilio-Signature`: that a request comes from Twilio (protocols.md 1.1).
//!
//! Twilio signs the URL as it is configured there, and for a form every name and value, with the account's Auth
//! Token or a shared key. A JSON body is bound by its hash in the URL.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use subtle::{Choice, ConstantTimeEq};

/// What Twilio may sign with.
#[derive(Clone, Debug, Default)]
pub struct SigningKeys {
    /// Auth Tokens of the account: one, or two during a rotation.
    pub auth_tokens: Vec<Secret>,
    /// Shared keys by their id, `webhooks_sharedkey_…`.
    pub shared_keys: BTreeMap<String, Secret>,
}

/// A request to check, byte for byte as it arrived.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// The public URL as configured at Twilio, query included, neither decoded nor re-ordered.
    pub url: &'a str,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The raw body.
    pub body: &'a [u8],
    /// `X-Twilio-Signature`.
    pub signature: Option<&'a str>,
    /// `X-Twilio-Webhooks-Signature-Settings`.
    pub settings: Option<&'a str>,
}

impl fmt::Debug for SignedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("method", &self.method)
            .field("content_type", &self.content_type)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a request is not taken as Twilio's. The answer to all is 403 without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature.
    #[error("the signature header is missing")]
    Missing,
    /// The signature is of other content or by another key.
    #[error("the signature does not match")]
    Mismatch,
    /// Neither a form nor JSON, so that nothing would bind the body.
    #[error("the content type is neither a form nor JSON")]
    UnsupportedContentType,
    /// JSON without `bodySHA256`: the signature covers only the URL.
    #[error("a JSON body needs bodySHA256 in the URL")]
    MissingBodyHash,
    /// The body is not the one that was signed.
    #[error("the body does not match bodySHA256")]
    BodyHashMismatch,
    /// Signed with a shared key that is not configured.
    #[error("the shared key is unknown")]
    UnknownKey,
    /// Signed with an algorithm other than HMAC_SHA1 and HMAC_SHA256.
    #[error("the signature algorithm is not supported")]
    UnsupportedAlgorithm,
    /// No Auth Token is configured: nothing can be accepted.
    #[error("no signing key is configured")]
    NoKeys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
}

/// Checks that Twilio made this request.
pub fn verify(request: &SignedRequest<'_>, keys: &SigningKeys) -> Result<(), SignatureError> {
    let given = request.signature.filter(|text| !text.is_empty()).ok_or(SignatureError::Missing)?;
    let (algorithm, secrets) = signed_with(request.settings, keys)?;
    let parameters = signed_parameters(request)?;
    let mut matched = Choice::from(0);
    for url in signed_urls(request.url).ok_or(SignatureError::Mismatch)? {
        for secret in &secrets {
            let expected = signature(algorithm, secret, &[&url, &parameters]);
            matched |= expected.as_bytes().ct_eq(given.as_bytes());
        }
    }
    if matched.into() { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Signs a form request as Twilio does with an Auth Token: for the local cloud and tests.
pub fn sign(url: &str, body: &[u8], key: &Secret) -> String {
    signature(Algorithm::Sha1, key, &[url, &form_parameters(body)])
}

/// The algorithm and the keys a request claims to be signed with. The header that says so is not signed itself,
/// so it only ever selects: a named key is that key or nothing, never the Auth Token.
fn signed_with<'k>(
    settings: Option<&str>,
    keys: &'k SigningKeys,
) -> Result<(Algorithm, Vec<&'k Secret>), SignatureError> {
    let setting = |name: &str| {
        let pairs = settings.unwrap_or_default().split(',').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(key, value)| (key.trim(), value.trim()))
            .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
    };
    let auth_tokens = || -> Vec<&Secret> { keys.auth_tokens.iter().filter(|token| !token.is_empty()).collect() };
    let (algorithm, secrets) = match setting("algorithm") {
        None => (Algorithm::Sha1, auth_tokens()),
        Some(name) => {
            let algorithm = match name.to_ascii_uppercase().as_str() {
                "HMAC_SHA1" => Algorithm::Sha1,
                "HMAC_SHA256" => Algorithm::Sha256,
                _ => return Err(SignatureError::UnsupportedAlgorithm),
            };
            match setting("key") {
                None => (algorithm, auth_tokens()),
                Some(id) => {
                    let key = keys.shared_keys.get(id).filter(|key| !key.is_empty());
                    (algorithm, vec![key.ok_or(SignatureError::UnknownKey)?])
                }
            }
        }
    };
    if secrets.is_empty() { Err(SignatureError::NoKeys) } else { Ok((algorithm, secrets)) }
}

/// What is signed after the URL. The content type decides, never the URL, which anybody can write.
fn signed_parameters(request: &SignedRequest<'_>) -> Result<String, SignatureError> {
    let get = request.method.eq_ignore_ascii_case("GET") || request.method.eq_ignore_ascii_case("HEAD");
    if get && request.body.is_empty() {
        return Ok(String::new());
    }
    let content_type = request.content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" if !get => Ok(form_parameters(request.body)),
        "application/json" if !get => check_body_hash(request).map(|()| String::new()),
        _ => Err(SignatureError::UnsupportedContentType),
    }
}

fn check_body_hash(request: &SignedRequest<'_>) -> Result<(), SignatureError> {
    let (_, query) = request.url.split_once('?').ok_or(SignatureError::MissingBodyHash)?;
    let given = form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "bodySHA256" && !value.is_empty()).then_some(value))
        .ok_or(SignatureError::MissingBodyHash)?;
    let mut expected = String::with_capacity(64);
    for byte in Sha256::digest(request.body) {
        // Writing to a String cannot fail.
        let _ = write!(expected, "{byte:02x}");
    }
    if expected.as_bytes().ct_eq(given.as_bytes()).into() { Ok(()) } else { Err(SignatureError::BodyHashMismatch) }
}

/// Every decoded name and value, sorted, exact repeats dropped. Blank values stay.
fn form_parameters(body: &[u8]) -> String {
    let mut pairs: Vec<_> = form_urlencoded::parse(body).collect();
    pairs.sort();
    pairs.dedup();
    pairs.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]).collect()
}

/// The two spellings that Twilio may have signed: without a port and with one, as its products differ in that.
/// `user:pass@` is never signed. `None` for what no request can have been sent to: a fragment is an instruction to
/// Twilio that it keeps for itself, so a URL that has one is not the URL that was signed.
fn signed_urls(url: &str) -> Option<[String; 2]> {
    let (scheme, rest) = url.split_once("://")?;
    if rest.contains('#') {
        return None;
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // The colons of an IPv6 address are inside brackets.
    let host_end = host_and_port.rfind(']').map_or(0, |bracket| bracket + 1);
    let (bracketed, tail) = host_and_port.split_at(host_end);
    let (name, port) = match tail.split_once(':') {
        Some((name, port)) => (name, port),
        None if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") => (tail, "443"),
        None => (tail, "80"),
    };
    Some([format!("{scheme}://{bracketed}{name}{path}"), format!("{scheme}://{bracketed}{name}:{port}{path}")])
}

fn signature(algorithm: Algorithm, key: &Secret, parts: &[&str]) -> String {
    match algorithm {
        Algorithm::Sha1 => mac::<Hmac<Sha1>>(key, parts),
        Algorithm::Sha256 => mac::<Hmac<Sha256>>(key, parts),
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac<M: Mac + KeyInit>(key: &Secret, parts: &[&str]) -> String {
    let mut mac = <M as KeyInit>::new_from_slice(key.expose().as_bytes()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
