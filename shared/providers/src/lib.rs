//! The services we call and that call us: both directions of a provider in one place.
//!
//! - [`twilio`]: signatures and forms of its webhooks, and our answer to them.
//! - [`email`]: codes and invitations through SES. [`push`]: frames to WebSocket clients through `@connections`.
//! - [`error`]: what went wrong with a provider, and whether to try again.
//!
//! Not here: storage, HTTP routing, and any stand-in for a provider (`local` serves the real wire formats instead).
//!
//! To add a provider: a folder with `signature.rs` and `webhook.rs` for what it sends us, `client.rs` for what we
//! send, and a name in [`error::Provider`].

pub mod email;
pub mod error;
pub mod push;
pub mod twilio;

#[cfg(test)]
mod wire_tests;
