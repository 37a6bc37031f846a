//! Digests of what must not be kept as it is, or is too long for a key.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A digest of texts that must not be kept as they are; where one ends and the next begins counts.
pub fn fingerprint(texts: &[&str]) -> String {
    let mut digest = Fingerprint::new();
    texts.iter().for_each(|text| digest.add(text));
    digest.finish()
}

/// A digest of several texts; where one ends and the next begins counts.
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(super) fn add(&mut self, text: &str) {
        self.0.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(text);
    }

    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cuts_between_texts_count() {
        assert_eq!(fingerprint(&["ab", "c"]), fingerprint(&["ab", "c"]));
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
        assert_eq!(fingerprint(&[]).len(), 64);
    }
}
