//! Requests that a client sends again when its connection breaks. They must not ask, and cost, a second time (C08, C14).
//!
//! An `EventSource` repeats its `GET`, and its polyfill its `POST`, with the `Last-Event-ID` of what it has. In a new chat the
//! number alone does not name the exchange, so the latest exchange of each request is kept under a digest of it.

use crate::{State, respond};
use axum::response::Response;
use conversations::chat::fingerprint;
use domain::chat::{Exchange, Question, place};
use domain::user::Principal;
use store::Tenant;
use web::ApiError;

/// What a request asks, without its person.
pub(crate) struct Repeated {
    name: String,
}

impl Repeated {
    /// The request by its parts.
    pub(crate) fn new(route: &str, parts: &[&str]) -> Self {
        Self { name: format!("{route}:{}", fingerprint(parts)) }
    }

    /// The exchange that the request began when it was last sent.
    pub(crate) async fn exchange(&self, tenant: &Tenant, caller: &Principal) -> Result<Option<Exchange>, ApiError> {
        Ok(match tenant.known(&caller.user_id, &self.name).await? {
            Some(known) => tenant.exchange(&known.chat_id, known.number).await?,
            None => None,
        })
    }

    /// Keeps which exchange the request began.
    pub(crate) async fn began(&self, tenant: &Tenant, question: &Question) -> Result<(), ApiError> {
        Ok(tenant.remember(&self.name, "", question).await?)
    }
}

/// What came after an event of an exchange, and what comes; `None` of one that was told whole, and of an event that is not
/// its.
pub(crate) fn rest(state: &State, caller: &Principal, exchange: &Exchange, last: u64) -> Option<Response> {
    let (number, token) = place(last);
    let told = exchange.outcome.as_ref().is_some_and(|outcome| token > outcome.tokens);
    let is_its = number == exchange.question.number;
    (is_its && !told).then(|| respond::from(state.clone(), caller.clone(), exchange, Some(token)))
}
