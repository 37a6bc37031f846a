//! The services we call and that call us: both directions of a provider in one place.
//!
//! - [`twilio`]: signatures and forms of its webhooks, our answer to them, and messages we send.
//! - [`elevenlabs`]: signatures and payloads of its webhooks, and calls we place.
//! - [`llm`]: answers of language models, whole or as they come.
//! - [`media`]: images that users point at.
//! - [`email`]: codes and invitations through SES. [`push`]: frames to WebSocket clients through `@connections`.
//! - [`error`]: what went wrong with a provider, and whether to try again. [`http`]: the client they share.
//!
//! Not here: storage, HTTP routing, and any stand-in for a provider (`local` serves the real wire formats instead).
//!
//! To add a provider: a folder with `signature.rs` and `webhook.rs` for what it sends us, `client.rs` for what we
//! send, and a name in [`error::Provider`].

pub mod elevenlabs;
pub mod email;
pub mod error;
pub mod http;
mod lenient;
pub mod llm;
pub mod media;
pub mod push;
pub mod twilio;

#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod wire_tests;
