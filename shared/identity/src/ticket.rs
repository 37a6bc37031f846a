//! One-time tickets for clients that cannot send headers (U5): `EventSource` and WebSocket.
//!
//! The store keeps [`lookup_key`]s only, so that a copy of the table opens no stream.

use crate::mac;
use crate::random;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::secret::Secret;

/// A new ticket: 32 random bytes, base64url.
pub fn new_ticket() -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>()))
}

/// The key a ticket is stored and found under. No pepper: 256 random bits cannot be guessed from a digest.
pub fn lookup_key(ticket: &str) -> String {
    mac::sha256_hex(ticket.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_new_each_time_and_fit_into_a_query() {
        let (one, two) = (new_ticket(), new_ticket());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one, two);
        assert!(one.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }

    #[test]
    fn the_lookup_key_is_the_sha256_of_the_ticket() {
        assert_eq!(lookup_key("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
