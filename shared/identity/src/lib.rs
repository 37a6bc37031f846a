//! Who somebody is, and how they prove it: pure rules and cryptography, no I/O and no clock.
//!
//! - [`password`]: Argon2id hashes, older bcrypt hashes still verified.
//! - [`token`]: bearer tokens of our own; [`verifier`] holds the strict rules that ours and an external
//!   issuer's ([`jwks`]) go through.
//! - [`code`]: six digits by e-mail. [`ticket`]: one-time keys for `EventSource` and WebSocket. [`csrf`]: cookies.
//! - [`random`]: the only source of randomness in the workspace.
//!
//! Not here: storage of users, codes, tickets and revocations (`store`), and reading a request (`web`).
//! Password functions are slow on purpose: call them on a blocking thread.

pub mod code;
pub mod csrf;
pub mod jwks;
mod mac;
pub mod password;
pub mod random;
pub mod ticket;
pub mod token;
pub mod verifier;
