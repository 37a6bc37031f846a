//! Running an organization: its settings, numbers, people and contacts.
//!
//! | route | file | who may |
//! |---|---|---|
//! | `POST /api/admin/setup` | [`setup`] | whoever has `SETUP_TOKEN`, once |
//! | `GET`, `PATCH /api/admin/organization` | [`organization`] | `org:admin` |
//! | `GET`, `POST /api/admin/phone-numbers`, `DELETE /api/admin/phone-numbers/{number}` | [`phone_numbers`] | `org:admin` |
//! | `GET /api/admin/users`, `PATCH /api/admin/users/{user_id}` | [`users`] | `org:admin` |
//! | `POST /api/admin/users/{user_id}/points` | [`points`] | `org:admin` |
//! | `GET`, `POST /api/admin/invitations`, `DELETE /api/admin/invitations/{invitation_id}` | [`invitations`] | `org:admin` |
//! | `GET /api/admin/contacts`, `GET /api/admin/contacts/{contact_id}` | [`contacts`] | `conversations:read` |
//! | `POST /api/admin/contacts`, `PATCH /api/admin/contacts/{contact_id}` | [`contacts`] | `conversations:manage` |
//! | `GET /api/admin/webhooks`, `POST /api/admin/webhooks/{webhook_id}/replay` | [`webhooks`] | `org:admin` |
//!
//! Each caller reaches their own organization only; another's ids are ids of nothing here.
//!
//! To add a route: a handler in the file of its noun that takes [`caller::Admin`], a line in [`router`], the route in
//! `template.yaml`, a sample under `events/admin/`, its cases in `tests/it/admin.rs`.

mod ai;
mod caller;
mod contacts;
mod invitations;
mod organization;
mod phone_numbers;
mod points;
mod setup;
mod users;
mod voice_agent;
mod webhooks;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{delete, get, patch, post};
use providers::email::Mailer;
use providers::push::Push;
use runtime::Environment;
use setup::SetupToken;
use std::process::ExitCode;
use std::sync::Arc;
use store::Store;
use web::Authenticator;

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    store: Store,
    authenticator: Authenticator,
    mailer: Mailer,
    push: Push,
    setup_token: Option<Arc<SetupToken>>,
    public_base_url: Option<Arc<str>>,
}

impl State {
    /// Reads the function's configuration. `None` notes what is missing.
    pub fn from_environment(environment: &Environment) -> Option<Self> {
        let (mailer, push) = (environment.mailer(), environment.push());
        Some(Self {
            store: environment.store(),
            authenticator: environment.authenticator()?,
            mailer,
            push,
            setup_token: SetupToken::new(&environment.secret("SETUP_TOKEN")).map(Arc::new),
            public_base_url: environment.public_base_url().map(Into::into),
        })
    }
}

impl FromRef<State> for Authenticator {
    fn from_ref(state: &State) -> Self {
        state.authenticator.clone()
    }
}

/// The function's routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/api/admin/setup", post(setup::set_up))
        .route("/api/admin/organization", get(organization::get).patch(organization::update))
        .route("/api/admin/phone-numbers", get(phone_numbers::list).post(phone_numbers::add))
        .route("/api/admin/phone-numbers/{number}", delete(phone_numbers::remove))
        .route("/api/admin/users", get(users::list))
        .route("/api/admin/users/{user_id}", patch(users::update))
        .route("/api/admin/users/{user_id}/points", post(points::grant))
        .route("/api/admin/contacts", get(contacts::list).post(contacts::add))
        .route("/api/admin/contacts/{contact_id}", get(contacts::get).patch(contacts::update))
        .route("/api/admin/invitations", get(invitations::list).post(invitations::add))
        .route("/api/admin/invitations/{invitation_id}", delete(invitations::remove))
        .route("/api/admin/webhooks", get(webhooks::list))
        .route("/api/admin/webhooks/{webhook_id}/replay", post(webhooks::replay))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::http(|environment| Some(router(State::from_environment(environment)?)))
}
