//! Providers call us: public routes, each with its provider's own proof of origin.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `POST /api/webhooks/twilio/sms/incoming` | [`twilio`] | B24, B26 |
//! | `POST /api/webhooks/twilio/sms/status` | [`twilio`] | B25 |
//!
//! To add a webhook: its signature and payload under `shared/providers/src/<provider>/`, a handler in
//! `src/<provider>.rs` here, a line in [`router`], the route in `template.yaml`, a sample under `events/webhooks/`, its
//! cases in `tests/it/webhooks.rs`.
//!
//! A webhook is verified over its exact bytes, recorded, and answered; whatever follows happens off the table's stream.

mod twilio;

use axum::Router;
use axum::routing::post;
use providers::twilio::signature::SigningKeys;
use std::process::ExitCode;
use std::sync::Arc;
use store::Store;

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    store: Store,
    twilio_keys: Arc<SigningKeys>,
    public_base_url: Option<Arc<str>>,
}

/// The function's routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/api/webhooks/twilio/sms/incoming", post(twilio::sms_incoming))
        .route("/api/webhooks/twilio/sms/status", post(twilio::sms_status))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::http(|environment| {
        Some(router(State {
            store: environment.store(),
            twilio_keys: Arc::new(environment.twilio_keys()),
            public_base_url: environment.text("PUBLIC_BASE_URL").map(|url| url.trim_end_matches('/').into()),
        }))
    })
}
