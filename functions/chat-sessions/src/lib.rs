//! A person's chats with the model: list, read, search, export, delete.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `GET /chat/sessions` | [`list`] | E08, E24 |
//! | `GET /chat/sessions/{session_id}` | [`session`] | E09, E12, E24 |
//! | `DELETE /chat/sessions/{session_id}` | [`removal`] | E10 |
//! | `GET /chat/sessions/{session_id}/export` | [`export`] | E26 |
//! | `GET /chat/search` | [`search`] | E25 |
//!
//! Everybody sees their own chats only, whatever their role: another's are not there. What they share: [`view`] is a
//! chat as clients see it, [`cursor`] a place in a list of the caller's.

mod cursor;
mod export;
mod list;
mod markdown;
mod pages;
mod removal;
#[cfg(test)]
mod samples;
mod search;
mod session;
mod view;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use domain::chat::Chat;
use domain::ids::ChatId;
use domain::user::Principal;
use std::process::ExitCode;
use store::{Store, Tenant};
use web::{ApiError, Authenticator, Code};

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    store: Store,
    authenticator: Authenticator,
}

impl State {
    fn tenant(&self, caller: &Principal) -> Tenant {
        self.store.tenant(&caller.organization_id)
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
        .route("/chat/sessions", get(list::sessions))
        .route("/chat/sessions/{session_id}", get(session::session).delete(removal::remove))
        .route("/chat/sessions/{session_id}/export", get(export::export))
        .route("/chat/search", get(search::search))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::http(|environment| {
        Some(router(State { store: environment.store(), authenticator: environment.authenticator()? }))
    })
}

/// The caller's chat of this id; an impossible id is that of none.
async fn own_chat(tenant: &Tenant, caller: &Principal, id: &str) -> Result<Chat, ApiError> {
    let id = ChatId::parse(id).map_err(|_| not_found())?;
    tenant.chat(&caller.user_id, &id).await?.ok_or_else(not_found)
}

/// Seed E's words.
fn not_found() -> ApiError {
    ApiError::with(Code::NotFound, "Session not found")
}
