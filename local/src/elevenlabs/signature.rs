//! `ElevenLabs-Signature` (protocols.md 2.3), as ElevenLabs makes it; that it is right is for `providers` to check.

use domain::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header's name.
pub(crate) const HEADER: &str = "elevenlabs-signature";

/// The header's value for a body sent at `seconds` of Unix time.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(crate) fn sign(body: &str, seconds: u64, secret: &Secret) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes()).expect("any length is taken");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v0={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_taken_as_it_stands() {
        // Python: hmac.new(b"wsec_test", b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
        let expected = "t=1700000000,v0=46c80693bcd6e7899b680f38f4ceb87fc5b1833ada76ac45f80bebd8e2bec959";
        assert_eq!(sign(r#"{"a":1}"#, 1_700_000_000, &Secret::new("wsec_test")), expected);
    }
}
