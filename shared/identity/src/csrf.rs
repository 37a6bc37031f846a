//! Proof that a request with a session cookie was made by our own page (U5).
//!
//! The proof is derived from the session, so that nothing is stored and a planted cookie does not help.

use crate::mac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::secret::Secret;
use subtle::ConstantTimeEq;

/// What the page of the session with this token id sends back in its header.
pub fn token_for(secret: &Secret, jti: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac::hmac_sha256(secret, &["csrf", jti]))
}

/// Whether `token` belongs to the session with this token id, in constant time.
pub fn is_valid(secret: &Secret, jti: &str, token: &str) -> bool {
    token_for(secret, jti).as_bytes().ct_eq(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_only_its_session_and_secret() {
        let secret = Secret::new("secret");
        let token = token_for(&secret, "session-1");
        assert!(is_valid(&secret, "session-1", &token));
        assert!(!is_valid(&secret, "session-2", &token));
        assert!(!is_valid(&Secret::new("other"), "session-1", &token));
        assert!(!is_valid(&secret, "session-1", ""));
        assert!(!is_valid(&secret, "session-1", &token[1..]));
    }
}
