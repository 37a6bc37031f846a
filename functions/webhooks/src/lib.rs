//! Providers call us: public routes, each with its provider's own proof of origin.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `POST /api/webhooks/twilio/sms/incoming` | [`twilio`] | B24, B26 |
//! | `POST /api/webhooks/twilio/sms/status` | [`twilio`] | B25 |
//! | `POST /api/webhooks/elevenlabs/conversation-initiation` | [`initiation`] | B15, B22 |
//! | `POST /api/webhooks/elevenlabs/post-call` | [`post_call`] | B23 |
//!
//! To add a webhook: its signature and payload under `shared/providers/src/<provider>/`, its work in
//! `shared/conversations/src/webhooks.rs`, a handler in `src/<provider>.rs` here, a line in [`router`], the route in
//! `template.yaml`, a sample under `events/webhooks/`, its cases in `tests/it/webhooks.rs`.
//!
//! A webhook is verified over its exact bytes, recorded, and answered; whatever follows happens off the table's stream.
//! What came of it is in the organization's inbox ([`inbox`]).

mod inbox;
mod initiation;
mod origin;
mod post_call;
mod twilio;

use axum::Router;
use axum::routing::post;
use domain::organization::VoiceAgent;
use providers::twilio::signature::SigningKeys;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    store: Store,
    twilio_keys: Arc<SigningKeys>,
    voice_agent: Option<Arc<VoiceAgent>>,
    default_organization_name: Arc<str>,
    initiation_deadline: Duration,
    webhooks_per_minute: u32,
    public_base_url: Option<Arc<str>>,
}

/// The function's routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/api/webhooks/twilio/sms/incoming", post(twilio::sms_incoming))
        .route("/api/webhooks/twilio/sms/status", post(twilio::sms_status))
        .route("/api/webhooks/elevenlabs/conversation-initiation", post(initiation::conversation_initiation))
        .route("/api/webhooks/elevenlabs/post-call", post(post_call::post_call))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::http(|environment| {
        Some(router(State {
            store: environment.store(),
            twilio_keys: Arc::new(environment.twilio_keys()),
            voice_agent: environment.voice_agent().map(Arc::new),
            default_organization_name: environment.text("DEFAULT_ORGANIZATION_NAME").unwrap_or_default().into(),
            initiation_deadline: environment.seconds("INITIATION_DEADLINE_SECONDS", 1.0),
            webhooks_per_minute: environment.number("WEBHOOKS_PER_MINUTE", 6000),
            public_base_url: environment.public_base_url().map(Into::into),
        }))
    })
}
