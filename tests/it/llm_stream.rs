//! Answers of the model over server-sent events: seed C's events, coming back to them, stopping them, and what they cost.

mod cache;
mod framing;
mod once;
mod providers;
mod refused;
mod resuming;
mod simple;
mod stopping;
mod storm;
mod ui;
mod viewers;

use serde_json::{Value, json};

/// The model says this.
fn says(text: &str) -> Value {
    json!({"kind": "say", "text": text})
}

/// So long between two tokens.
fn pace(milliseconds: u64) -> Value {
    json!({"kind": "pace", "token_delay_ms": milliseconds})
}

/// Says nothing more after so many tokens, for a minute.
fn stalls(tokens: usize) -> Value {
    json!({"kind": "stall", "tokens": tokens})
}
