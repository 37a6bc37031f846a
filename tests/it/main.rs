//! Tests of the whole: one binary, a file per function and per journey, against the local cloud over real sockets.

// Tells clippy that helpers outside #[test] functions are test code too.
#![cfg(test)]

mod support;

mod access;
mod admin;
mod auth;
mod budgets;
mod chat;
mod chat_sessions;
mod demo;
mod events;
mod fanout;
mod human_control;
mod journeys;
mod live_stream;
mod llm_stream;
mod log;
mod memory;
mod points;
mod privacy;
mod replies;
mod seeds;
mod seeds_chat;
mod snapshots;
mod torture;
mod vectors;
mod webhooks;
mod websocket;
mod websocket_chat;
mod wiring;
