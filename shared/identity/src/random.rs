//! Randomness from the operating system.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::Timestamp;

/// `N` random bytes.
///
/// # Panics
/// If the operating system has no randomness: nothing that asks for it could go on safely.
#[expect(
    clippy::expect_used,
    reason = "without randomness every token would be guessable; failing the request is the only safe answer"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

/// A random text of `len` characters of the URL-safe base64 alphabet: 6 bits each.
pub fn token(len: usize) -> String {
    let mut text = String::with_capacity(len + 32);
    while text.len() < len {
        URL_SAFE_NO_PAD.encode_string(bytes::<24>(), &mut text);
    }
    text.truncate(len);
    text
}

/// A new id that says nothing (UUID version 4).
pub fn new_id() -> String {
    uuid::Builder::from_random_bytes(bytes()).into_uuid().to_string()
}

/// A new id that sorts by `now` (UUID version 7).
pub fn new_ordered_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn tokens_have_the_asked_length_and_never_repeat() {
        for len in [0, 1, 31, 32, 33, 100] {
            assert_eq!(token(len).len(), len);
        }
        let many: HashSet<String> = (0..1000).map(|_| token(22)).collect();
        assert_eq!(many.len(), 1000);
    }

    #[test]
    fn ordered_ids_sort_by_time() {
        let ids: Vec<String> =
            [1, 2, 1_759_472_884_000].map(|millis| new_ordered_id(Timestamp::from_millis(millis))).into();
        assert!(ids.is_sorted());
        assert_eq!(ids[2].as_bytes()[14], b'7');
        assert_eq!(new_id().as_bytes()[14], b'4');
    }
}
