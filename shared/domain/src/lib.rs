//! Types and rules of Switchboard: no I/O, no clock, no async.
//!
//! Everything that happens in a conversation is an [`event::Event`] of its append-only log; what clients see
//! ([`message`], [`broadcast`]) are projections of it. Whoever needs the time or randomness is given it.
//!
//! To add a kind of event: a variant of [`event::EventBody`], its effect in [`conversation::Conversation::apply`],
//! and what viewers are told in [`broadcast`]. The compiler names each place.

pub mod access;
pub mod broadcast;
pub mod chat;
pub mod contact;
pub mod context;
pub mod conversation;
pub mod event;
pub mod ids;
pub mod message;
pub mod organization;
pub mod phone;
pub mod points;
pub mod secret;
pub mod sms;
pub mod time;
pub mod user;
