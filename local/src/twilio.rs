//! The Twilio stand-in: takes text messages by the REST API, records them, and calls their `StatusCallback` with valid
//! signatures. Nothing is sent anywhere else.
//!
//! | path | side |
//! |---|---|
//! | `POST`, `GET /twilio/2010-04-01/Accounts/{account}/Messages.json`, `GET …/Messages/{sid}.json` | functions |
//! | `GET`, `DELETE /local/twilio/messages` | people and tests |
//! | `POST /local/twilio/accounts` | tests: an organization's own account |
//! | `GET`, `POST`, `DELETE /local/twilio/faults` | tests: [`Kind`] |

mod answers;
mod callbacks;
mod list;
mod message;
mod send;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::http::{HeaderMap, StatusCode, header};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::stand_ins::Context;
use crate::stand_ins::faults::Faults;
use crate::stand_ins::journal::Journal;
use answers::Refusal;
use message::Message;

/// How long a request is held that is to time out.
const SILENCE: Duration = Duration::from_secs(60);

/// What the stand-in can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Answers 500; the message is not sent.
    Fail,
    /// Answers nothing for a minute; the message is not sent.
    Timeout,
    /// Answers 429.
    RateLimit,
    /// Sends the message, then closes the connection without an answer.
    DropResponse,
    /// The number wants no messages: error 21610.
    OptedOut,
    /// Sends the message and never calls back.
    NoCallbacks,
    /// Sends the message, which does not arrive: error 30003.
    Undelivered,
}

/// The stand-in.
#[derive(Clone)]
pub(crate) struct Twilio {
    messages: Journal<Message>,
    faults: Faults<Kind>,
    accounts: Arc<RwLock<BTreeMap<String, Secret>>>,
    client: reqwest::Client,
    silence: Duration,
    /// Public and local address of this machine.
    bases: Arc<(String, String)>,
}

impl Twilio {
    /// Opens what was recorded in this data folder.
    pub(crate) fn open(context: &Context<'_>, client: reqwest::Client) -> Self {
        let own = (context.secret("TWILIO_ACCOUNT_SID"), Secret::new(context.secret("TWILIO_AUTH_TOKEN")));
        Self {
            messages: Journal::open(Some(context.data_dir.join("twilio.jsonl"))),
            faults: Faults::default(),
            accounts: Arc::new(RwLock::new([own].into())),
            client,
            silence: context.settings.scaled(SILENCE),
            bases: Arc::new((context.public_base.to_owned(), context.base.to_owned())),
        }
    }

    /// What functions call.
    pub(crate) fn api(&self) -> Router {
        Router::new()
            .route("/twilio/2010-04-01/Accounts/{account}/Messages.json", post(send::send).get(list::list))
            .route("/twilio/2010-04-01/Accounts/{account}/Messages/{file}", get(list::show))
            .with_state(self.clone())
    }

    /// What people and tests look at.
    pub(crate) fn view(&self) -> Router {
        Router::new()
            .route("/local/twilio/accounts", post(add_account))
            .with_state(self.clone())
            .merge(self.messages.router("/local/twilio/messages"))
            .merge(self.faults.router("/local/twilio/faults"))
    }

    /// Checks the account of the path and of the Basic authorization; gives its token.
    fn authorize(&self, account: &str, headers: &HeaderMap) -> Result<Secret, Refusal> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let encoded = given.and_then(|value| value.strip_prefix("Basic "));
        let decoded = encoded.and_then(|text| STANDARD.decode(text.trim()).ok());
        let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = pair.as_deref().and_then(|pair| pair.split_once(':')).ok_or(Refusal::UNAUTHORIZED)?;
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let token = accounts.get(user).filter(|token| !token.is_empty() && user == account);
        token.filter(|token| token.expose() == password).cloned().ok_or(Refusal::UNAUTHORIZED)
    }
}

#[derive(Deserialize)]
struct Account {
    account_sid: String,
    auth_token: Secret,
}

/// Makes an account known, as if an organization had opened it at Twilio.
async fn add_account(State(twilio): State<Twilio>, Json(account): Json<Account>) -> StatusCode {
    let mut accounts = twilio.accounts.write().unwrap_or_else(PoisonError::into_inner);
    accounts.insert(account.account_sid, account.auth_token);
    StatusCode::NO_CONTENT
}

/// The `{account}` of a path.
type AccountPath = Path<String>;

fn refused(refusal: &Refusal) -> Response {
    refusal.into_response()
}

#[cfg(test)]
mod tests;
