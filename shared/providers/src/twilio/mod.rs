//! Twilio: text messages.

pub mod signature;
pub mod twiml;
pub mod webhook;
