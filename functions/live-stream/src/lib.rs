//! A conversation over server-sent events, for as long as it lasts.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `GET /api/conversation/{conversation_id}/stream` | [`conversation`] | A07-A15, A18, A21: named events |
//! | `GET /api/stream/conversation/{lead_id}` | [`contact`] | B01-B06, B11, B12: unnamed events |
//!
//! Both are one [`tail`] over one log, in two framings. The tail reads; nothing here writes but the use of a ticket.

mod contact;
mod conversation;
mod framing;
mod tail;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use std::process::ExitCode;
use std::time::Duration;
use store::Store;
use tail::Pace;
use web::Authenticator;

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    store: Store,
    authenticator: Authenticator,
    pace: Pace,
}

impl FromRef<State> for Authenticator {
    fn from_ref(state: &State) -> Self {
        state.authenticator.clone()
    }
}

/// The function's routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/api/conversation/{conversation_id}/stream", get(conversation::stream))
        .route("/api/stream/conversation/{lead_id}", get(contact::stream))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::streaming(|environment| {
        let lease = environment.seconds("STREAM_LEASE_SECONDS", 300.0);
        let pace = Pace {
            idle_poll: Duration::from_millis(environment.number("STREAM_POLL_INTERVAL_MS", 1000)),
            heartbeat: environment.seconds("STREAM_HEARTBEAT_SECONDS", 30.0),
            ping: environment.seconds("STREAM_PING_SECONDS", 15.0),
            lease: (!lease.is_zero()).then_some(lease),
        };
        Some(router(State { store: environment.store(), authenticator: environment.authenticator()?, pace }))
    })
}
