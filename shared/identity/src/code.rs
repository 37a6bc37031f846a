//! Six digits sent by e-mail, to prove an address or a sign-in (protocols.md 5.4).
//!
//! The store keeps only [`digest`]s, counts attempts and deletes a code on use.

use crate::{mac, random};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::secret::Secret;
use subtle::ConstantTimeEq;

const CODES: u32 = 1_000_000;

/// A new code, each of the million equally likely.
pub fn new_code() -> Secret {
    // A remainder of all 32-bit numbers would favour low codes: draw again above the last full million.
    let limit = u32::MAX - u32::MAX % CODES;
    loop {
        let drawn = u32::from_le_bytes(random::bytes());
        if drawn < limit {
            return Secret::new(format!("{:06}", drawn % CODES));
        }
    }
}

/// What is stored instead of a code: bound to what it is for and whose it is.
pub fn digest(pepper: &Secret, purpose: &str, user: &str, code: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac::hmac_sha256(pepper, &["code", purpose, user, code]))
}

/// Whether `code` is the one that `stored` is the digest of, in constant time.
pub fn matches(pepper: &Secret, purpose: &str, user: &str, code: &str, stored: &str) -> bool {
    let expected = digest(pepper, purpose, user, code);
    expected.as_bytes().ct_eq(stored.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_are_six_digits_spread_over_the_million() {
        let mut first = [0u32; 10];
        for _ in 0..5000 {
            let code = new_code();
            assert!(code.expose().len() == 6 && code.expose().bytes().all(|b| b.is_ascii_digit()));
            first[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
        }
        // 500 expected each, standard deviation 21.
        assert!(first.iter().all(|n| (350..650).contains(n)), "{first:?}");
    }

    proptest! {
        #[test]
        fn a_code_fits_only_its_purpose_user_and_pepper(
            user in "[a-z|@.]{1,12}", other in "[a-z|@.]{1,12}", code in "[0-9]{6}", wrong in "[0-9]{6}",
        ) {
            let pepper = Secret::new("pepper");
            let stored = digest(&pepper, "sign_in", &user, &code);
            prop_assert!(matches(&pepper, "sign_in", &user, &code, &stored));
            prop_assert!(!matches(&pepper, "sign_up", &user, &code, &stored));
            prop_assert!(!matches(&Secret::new("other"), "sign_in", &user, &code, &stored));
            prop_assert!(!matches(&pepper, "sign_in", &user, &code, ""));
            prop_assert_eq!(matches(&pepper, "sign_in", &other, &code, &stored), user == other);
            prop_assert_eq!(matches(&pepper, "sign_in", &user, &wrong, &stored), wrong == code);
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let pepper = Secret::new("pepper");
        assert_ne!(digest(&pepper, "a", "bc", "1"), digest(&pepper, "ab", "c", "1"));
    }
}
