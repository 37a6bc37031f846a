//! Twilio: text messages.

pub mod client;
mod graphemes;
mod rest;
pub mod segments;
pub mod signature;
pub mod twiml;
pub mod webhook;
