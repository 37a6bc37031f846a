//! Reads: a conversation as it is now, lists of conversations, use of the model, health and configuration.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `GET /api/conversation/{conversation_id}` | [`conversation`] | A01-A06, G12 |
//! | `GET /api/conversations` | [`listing`] | A44, G28 |
//! | `GET /get-active-calls` | [`listing`] | A44 |
//! | `GET /api/usage` | [`usage`] | C11, E31 |
//! | `GET /api/usage/organization` | [`usage`] | C11, E31 |
//! | `GET /health` | [`about`] | E18 |
//! | `GET /api/config` | [`about`] | L6 |
//! | `GET /openapi.json` | [`about`] | |
//!
//! Nothing here writes; the function's policy has no write action.

mod about;
mod conversation;
mod listing;
mod usage;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use std::process::ExitCode;
use std::sync::Arc;
use store::Store;
use web::Authenticator;

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    store: Store,
    authenticator: Authenticator,
    about: Arc<about::About>,
}

impl FromRef<State> for Authenticator {
    fn from_ref(state: &State) -> Self {
        state.authenticator.clone()
    }
}

/// The function's routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/api/conversation/{conversation_id}", get(conversation::snapshot))
        .route("/api/conversations", get(listing::conversations))
        .route("/get-active-calls", get(listing::active_calls))
        .route("/api/usage", get(usage::own))
        .route("/api/usage/organization", get(usage::organization))
        .route("/health", get(about::health))
        .route("/api/config", get(about::config))
        .route("/openapi.json", get(about::openapi))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::http(|environment| {
        Some(router(State {
            store: environment.store(),
            authenticator: environment.authenticator()?,
            about: Arc::new(about::About {
                agent: environment.text("AGENT_NAME").unwrap_or("Switchboard").to_owned(),
                websocket_url: environment.required("WEBSOCKET_URL").to_owned(),
                base_url: environment.text("PUBLIC_BASE_URL").map(str::to_owned),
            }),
        }))
    })
}
