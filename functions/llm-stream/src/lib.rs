//! Answers of the model over server-sent events (seed C), and for the AI SDK.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `POST /api/stream/stream-conversation` | [`conversation`] | C01-C07, C19 |
//! | `GET /api/stream/stream-simple` | [`simple`] | C08 |
//! | `GET /api/stream/interactions/{interaction_id}` | [`interaction`] | G9: resume |
//! | `POST /api/stream/interactions/{interaction_id}/stop` | [`interaction`] | G9: stop |
//! | `GET /api/stream/health` | [`health`] | C09, C17 |
//! | `POST /api/chat` | [`ui_chat`] | G10: UI message stream v1 |
//! | `GET /api/chat/{id}/stream`, `POST /api/chat/{id}/stop` | [`ui_chat`] | G10 |
//!
//! An answer belongs to its exchange, not to the response that shows it ([`making`]): it goes on when the client is gone,
//! and [`feed`] shows it to whoever comes, from whichever token on.

mod conversation;
mod events;
mod feed;
mod health;
mod interaction;
mod making;
mod media;
mod repeated;
mod respond;
mod simple;
mod ui_chat;
mod ui_message;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};
use conversations::chat::Chats;
use providers::media::ImageFetcher;
use std::process::ExitCode;
use std::time::Duration;
use web::Authenticator;

/// Bytes of a request's body.
const BODY_BYTES: usize = 1024 * 1024;
/// Bytes of the body that the `ai` package sends: a whole chat, as far as Lambda takes it.
const CHAT_BYTES: usize = 6 * 1024 * 1024;

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    chats: Chats,
    authenticator: Authenticator,
    images: ImageFetcher,
    /// Time between two comments while nothing is said (L4).
    ping: Duration,
}

impl FromRef<State> for Authenticator {
    fn from_ref(state: &State) -> Self {
        state.authenticator.clone()
    }
}

/// The function's routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/api/stream/stream-conversation", post(conversation::stream))
        .route("/api/stream/stream-simple", get(simple::stream))
        .route("/api/stream/interactions/{interaction_id}", get(interaction::resume))
        .route("/api/stream/interactions/{interaction_id}/stop", post(interaction::stop))
        .route("/api/stream/health", get(health::health))
        .route("/api/chat", post(ui_chat::send).layer(DefaultBodyLimit::max(CHAT_BYTES)))
        .route("/api/chat/{id}/stream", get(ui_chat::resume))
        .route("/api/chat/{id}/stop", post(ui_chat::stop))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::streaming(|environment| {
        let http = environment.http();
        Some(router(State {
            chats: environment.chats(&http),
            authenticator: environment.authenticator()?,
            images: environment.images(),
            ping: environment.seconds("STREAM_PING_SECONDS", 10.0),
        }))
    })
}
