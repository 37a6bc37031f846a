//! Passwords: hashed with Argon2id, older bcrypt hashes verified and marked for re-hashing (protocols.md 5.3).
//!
//! Every function here takes tens of milliseconds and 19 MB: call it on a blocking thread.

use crate::random;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::secret::Secret;
use serde::{Deserialize, Serialize};
use std::fmt;

const MIN_BYTES: usize = 8;
/// Longer texts are no passwords; hashing them would be work for an attacker to order.
const MAX_BYTES: usize = 1024;
/// OWASP's minimum for Argon2id.
const PARAMS: (u32, u32, u32) = (19_456, 2, 1);

/// A stored password hash: a PHC string, or a bcrypt string from before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a hash made elsewhere. One that cannot be read fits no password.
    pub fn new(hash: impl Into<String>) -> Self {
        Self(hash.into())
    }

    /// The hash as it is stored.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// Why a text is not accepted as a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordPolicyError {
    /// Fewer than 8 bytes.
    #[error("a password has at least 8 characters")]
    TooShort,
    /// More than 1024 bytes.
    #[error("a password has at most 1024 bytes")]
    TooLong,
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The password is not accepted.
    #[error(transparent)]
    Policy(#[from] PasswordPolicyError),
    /// The hash function failed.
    #[error("the password could not be hashed")]
    Failed(#[source] argon2::password_hash::Error),
}

/// What a password check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The right password.
    Correct {
        /// The stored hash is weaker than today's: store a new one.
        rehash: bool,
    },
    /// A wrong password, or nobody to compare it with.
    Wrong,
}

/// Checks a new password's length.
pub fn check_policy(password: &Secret) -> Result<(), PasswordPolicyError> {
    match password.expose().len() {
        0..MIN_BYTES => Err(PasswordPolicyError::TooShort),
        MIN_BYTES..=MAX_BYTES => Ok(()),
        _ => Err(PasswordPolicyError::TooLong),
    }
}

/// Hashes a new password.
pub fn hash(password: &Secret) -> Result<PasswordHash, HashError> {
    check_policy(password)?;
    let salt: [u8; 16] = random::bytes();
    hasher()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map(|phc| PasswordHash(phc.to_string()))
        .map_err(HashError::Failed)
}

/// Compares a password with the stored hash of a user. For an unknown user (`None`) it does the same work and
/// says [`Verdict::Wrong`], so that the time taken does not tell who has an account.
pub fn verify(password: &Secret, stored: Option<&PasswordHash>) -> Verdict {
    let password = password.expose().as_bytes();
    if password.len() > MAX_BYTES {
        return Verdict::Wrong;
    }
    let Some(PasswordHash(stored)) = stored else {
        let mut unused = [0; 32];
        // The outcome does not matter, only the time it takes.
        let _ = hasher().hash_password_into(password, b"of nobody at all", &mut unused);
        return Verdict::Wrong;
    };
    if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| stored.starts_with(prefix)) {
        return match bcrypt::verify(password, stored) {
            Ok(true) => Verdict::Correct { rehash: true },
            _ => Verdict::Wrong,
        };
    }
    verify_argon2id(password, stored).unwrap_or(Verdict::Wrong)
}

fn verify_argon2id(password: &[u8], stored: &str) -> Option<Verdict> {
    let phc = Phc::new(stored).ok()?;
    if phc.algorithm.as_str() != "argon2id" {
        return None;
    }
    // Memory, passes and lanes come from the hash, not from this hasher.
    hasher().verify_password(password, &phc).ok()?;
    let used = Params::try_from(&phc).ok()?;
    let current = (used.m_cost(), used.t_cost(), used.p_cost()) == PARAMS && phc.version == Some(19);
    Some(Verdict::Correct { rehash: !current })
}

fn hasher() -> Argon2<'static> {
    let (memory, passes, lanes) = PARAMS;
    let params = Params::new(memory, passes, lanes, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn a_hash_fits_its_password_only() {
        let hash = hash(&secret("correct horse")).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(verify(&secret("correct horse"), Some(&hash)), Verdict::Correct { rehash: false });
        assert_eq!(verify(&secret("correct horsf"), Some(&hash)), Verdict::Wrong);
        assert_ne!(super::hash(&secret("correct horse")).unwrap(), hash, "each hash has its own salt");
        assert!(!format!("{hash:?}").contains("argon2"));
    }

    #[test]
    fn older_hashes_are_marked_for_rehashing() {
        let bcrypt = PasswordHash::new("$2b$05$70UL1bctDq5.AMzSUah/2uIBDZaLmkx/7/ZXJ6k9oqNm9kRdhJ4K.");
        assert_eq!(verify(&secret("correct horse"), Some(&bcrypt)), Verdict::Correct { rehash: true });
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let weak = weak.hash_password_with_salt(b"correct horse", b"0123456789abcdef").unwrap();
        let weak = PasswordHash::new(weak.to_string());
        assert_eq!(verify(&secret("correct horse"), Some(&weak)), Verdict::Correct { rehash: true });
    }

    #[test]
    fn lengths_have_limits() {
        assert_eq!(check_policy(&secret("1234567")), Err(PasswordPolicyError::TooShort));
        assert_eq!(check_policy(&secret("12345678")), Ok(()));
        assert_eq!(check_policy(&secret(&"x".repeat(1024))), Ok(()));
        assert_eq!(check_policy(&secret(&"x".repeat(1025))), Err(PasswordPolicyError::TooLong));
        assert!(matches!(hash(&secret("")), Err(HashError::Policy(PasswordPolicyError::TooShort))));
        assert_eq!(verify(&secret(&"x".repeat(1025)), None), Verdict::Wrong);
    }

    #[test]
    fn unreadable_hashes_fit_nothing() {
        for stored in
            ["", "plain", "$2b$", "$2x$05$aaaa", "$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$YWJjZA"]
        {
            assert_eq!(verify(&secret("plain"), Some(&PasswordHash::new(stored))), Verdict::Wrong, "{stored}");
        }
    }

    #[test]
    fn an_unknown_user_costs_as_much_as_a_known_one() {
        let stored = hash(&secret("correct horse")).unwrap();
        let fastest = |stored: Option<&PasswordHash>| {
            (0..3)
                .map(|_| {
                    let start = Instant::now();
                    assert_eq!(verify(&secret("wrong password"), stored), Verdict::Wrong);
                    start.elapsed()
                })
                .min()
                .unwrap()
        };
        let (known, unknown) = (fastest(Some(&stored)), fastest(None));
        assert!(unknown * 3 > known && known * 3 > unknown, "{known:?} and {unknown:?}");
    }
}
