//! People take conversations over from the AI, write to customers, call them, and hand back.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `POST /api/conversations/human-control/join` | [`control`] | B17, A19 |
//! | `POST /api/conversations/human-control/leave` | [`control`] | B18 |
//! | `POST /api/conversations/human-control/heartbeat` | [`control`] | B21 |
//! | `POST /api/conversations/human-control/send-message` | [`messages`] | B19, A40 |
//! | `GET /api/conversations/human-control/status/{phone_number}` | [`status`] | B20 |
//! | `POST /api/conversations/outbound-call` | [`outbound`] | B27 |
//!
//! What happens is in `conversations::control` and `conversations::calls`; here requests are read, limits are kept
//! ([`limits`]) and answers are written. All routes need `conversations:manage`, the status `conversations:read`.

mod caller;
mod control;
mod limits;
mod messages;
mod outbound;
mod request;
mod status;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use conversations::texting::Texting;
use domain::event::CONTROL_LEASE_SECONDS;
use domain::organization::VoiceAgent;
use limits::Limits;
use providers::elevenlabs::client::ElevenLabsClient;
use std::process::ExitCode;
use std::sync::Arc;
use store::Store;
use web::Authenticator;

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    store: Store,
    authenticator: Authenticator,
    texting: Texting,
    elevenlabs: ElevenLabsClient,
    voice_agent: Option<Arc<VoiceAgent>>,
    lease_seconds: u32,
    limits: Limits,
}

impl FromRef<State> for Authenticator {
    fn from_ref(state: &State) -> Self {
        state.authenticator.clone()
    }
}

/// The function's routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/api/conversations/human-control/join", post(control::join))
        .route("/api/conversations/human-control/leave", post(control::leave))
        .route("/api/conversations/human-control/heartbeat", post(control::heartbeat))
        .route("/api/conversations/human-control/send-message", post(messages::send))
        .route("/api/conversations/human-control/status/{phone_number}", get(status::status))
        .route("/api/conversations/outbound-call", post(outbound::call))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::http(|environment| {
        let http = environment.http();
        Some(router(State {
            store: environment.store(),
            authenticator: environment.authenticator()?,
            texting: environment.texting(&http),
            elevenlabs: environment.elevenlabs(&http),
            voice_agent: environment.voice_agent().map(Arc::new),
            lease_seconds: environment.number("HUMAN_CONTROL_SECONDS", CONTROL_LEASE_SECONDS),
            limits: Limits {
                sends: environment.number("SENDS_PER_MINUTE", 60),
                calls: environment.number("CALLS_PER_MINUTE", 10),
            },
        }))
    })
}
