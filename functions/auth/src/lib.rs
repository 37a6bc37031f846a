//! Who somebody is: sign-up, sign-in, sign-out, and the keys that open streams.
//!
//! | route | file | contract |
//! |---|---|---|
//! | `POST /auth/signup`, `POST /auth/verify-email` | [`signup`] | E16 |
//! | `POST /auth/signin`, `POST /auth/verify-signin` | [`signin`] | E16, U14 |
//! | `POST /login` | [`login`] | A16, U14 |
//! | `POST /auth/accept-invitation` | [`invitation`] | U4 |
//! | `POST /logout`, `POST /auth/logout` | [`logout`] | A17 |
//! | `GET /api/me`, `PATCH /api/me` | [`me`] | U2, E15 |
//! | `POST /api/stream/ticket` | [`ticket`] | U5 |
//!
//! What they share: [`credentials`] checks a password, [`codes`] mails and checks six digits, [`session`] issues the
//! token and its cookies, [`limits`] counts against guessing (G45). No answer tells whether an address has an account,
//! unless the right password came with it.
//!
//! To add a way to sign in: a file here that ends in [`session::open`], a line in [`router`], the route in
//! `template.yaml`, a sample under `events/auth/`, its cases in `tests/it/auth.rs`. A public route takes
//! [`limits::Visitor`].

mod codes;
mod credentials;
mod invitation;
mod limits;
mod login;
mod logout;
mod me;
mod passwords;
mod people;
mod session;
mod signin;
mod signup;
mod ticket;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use domain::secret::Secret;
use identity::code;
use identity::token::Keyring;
use providers::email::Mailer;
use providers::push::Push;
use runtime::Environment;
use std::process::ExitCode;
use std::sync::Arc;
use store::Store;
use tokio::sync::Semaphore;
use web::Authenticator;

/// Hashes at once in one process. Each takes 19 MB and a processor, and anybody may ask for one.
const HASHES_AT_ONCE: usize = 4;

/// All this function may touch.
#[derive(Clone)]
pub struct State {
    store: Store,
    authenticator: Authenticator,
    keys: Arc<Keyring>,
    csrf_secret: Secret,
    pepper: Secret,
    mailer: Mailer,
    push: Push,
    hashing: Arc<Semaphore>,
    secure_cookies: bool,
    token_seconds: i64,
    code_seconds: i64,
    ticket_seconds: i64,
}

impl State {
    /// Reads the function's configuration. `None` notes what is missing.
    pub fn from_environment(environment: &Environment) -> Option<Self> {
        let csrf_secret = environment.secret("JWT_SECRET");
        let (mailer, push) = (environment.mailer(), environment.push());
        Some(Self {
            store: environment.store(),
            authenticator: environment.authenticator()?,
            keys: environment.keyring()?,
            pepper: Secret::new(code::digest(&csrf_secret, "pepper", "", "")),
            csrf_secret,
            mailer,
            push,
            hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            secure_cookies: secure_cookies(environment.text("PUBLIC_BASE_URL")),
            token_seconds: environment.number("TOKEN_SECONDS", 1800),
            code_seconds: environment.number("CODE_SECONDS", 900),
            ticket_seconds: environment.number("TICKET_SECONDS", 60),
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
        .route("/auth/signup", post(signup::sign_up))
        .route("/auth/verify-email", post(signup::verify_email))
        .route("/auth/signin", post(signin::sign_in))
        .route("/auth/verify-signin", post(signin::verify_sign_in))
        .route("/auth/accept-invitation", post(invitation::accept))
        .route("/login", post(login::login))
        .route("/logout", post(logout::logout))
        .route("/auth/logout", post(logout::logout))
        .route("/api/me", get(me::me).patch(me::update))
        .route("/api/stream/ticket", post(ticket::issue))
        .with_state(state)
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::http(|environment| Some(router(State::from_environment(environment)?)))
}

/// Browsers keep `Secure` cookies of https pages only. Without a base URL of ours it is API Gateway's, which is https.
fn secure_cookies(public_base_url: Option<&str>) -> bool {
    !public_base_url.is_some_and(|url| url.starts_with("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_goes_without_secure_cookies() {
        assert!(secure_cookies(None));
        assert!(secure_cookies(Some("https://app.example.com")));
        assert!(!secure_cookies(Some("http://localhost:8000")));
    }
}
