//! The ElevenLabs stand-in: takes outbound calls by the REST API, and plays each as a short call whose transcript comes
//! back as a signed post-call webhook. Nobody is called.
//!
//! | path | side |
//! |---|---|
//! | `POST /elevenlabs/v1/convai/twilio/outbound-call`, `GET …/convai/conversations/{id}` | functions |
//! | `GET`, `DELETE /local/elevenlabs/calls` | people and tests |
//! | `GET`, `POST`, `DELETE /local/elevenlabs/faults` | tests: [`Kind`] |

mod answers;
mod call;
mod outbound;
pub(crate) mod payload;
mod play;
pub(crate) mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use domain::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::seed;
use crate::stand_ins::Context;
use crate::stand_ins::faults::Faults;
use crate::stand_ins::journal::Journal;
use call::Call;

/// Where ElevenLabs reports a call that is over.
pub(crate) const POST_CALL_PATH: &str = "/api/webhooks/elevenlabs/post-call";

/// Where ElevenLabs asks who is calling.
pub(crate) const INITIATION_PATH: &str = "/api/webhooks/elevenlabs/conversation-initiation";

/// The header in which it then shows the shared secret.
pub(crate) const INITIATION_HEADER: &str = "X-Webhook-Secret";

/// How long a request is held that is to time out.
const SILENCE: Duration = Duration::from_secs(60);

/// How long a played call takes.
const CALL: Duration = Duration::from_millis(1500);

/// What the stand-in can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Answers 500; nobody is called.
    Fail,
    /// Answers nothing for a minute; nobody is called.
    Timeout,
    /// Answers 429.
    RateLimit,
    /// Answers 200 with `success: false`.
    SuccessFalse,
    /// Calls, then closes the connection without an answer.
    DropResponse,
    /// Calls, and never reports it.
    NoWebhook,
    /// Calls a line that is busy: reports `call_initiation_failure`.
    Busy,
}

/// The stand-in.
#[derive(Clone)]
pub(crate) struct ElevenLabs {
    calls: Journal<Call>,
    faults: Faults<Kind>,
    account: Arc<Account>,
    client: reqwest::Client,
    silence: Duration,
    call: Duration,
}

/// What the stand-in knows of the stack.
struct Account {
    api_key: Secret,
    post_call_secret: Secret,
    /// Where the webhook is.
    post_call_url: String,
    /// The number of the agent, where its organization has none.
    number: String,
    /// Numbers of the demo's organizations.
    numbers: BTreeMap<&'static str, &'static str>,
}

impl Account {
    /// The number from which the agent calls for this organization. At ElevenLabs the phone number's id decides; the
    /// demo's organizations share one.
    fn number_of(&self, organization: Option<&str>) -> String {
        let own = organization.and_then(|id| self.numbers.get(id));
        own.map_or_else(|| self.number.clone(), |number| (*number).to_owned())
    }
}

impl ElevenLabs {
    /// Opens what was recorded in this data folder.
    pub(crate) fn open(context: &Context<'_>, client: reqwest::Client) -> Self {
        let account = Account {
            api_key: Secret::new(context.secret("ELEVENLABS_API_KEY")),
            post_call_secret: Secret::new(context.secret("ELEVENLABS_POST_CALL_WEBHOOK_SECRET")),
            // Nothing here is signed over an address, so the one that surely works is as good as the public one.
            post_call_url: format!("{}{POST_CALL_PATH}", context.base),
            number: context.secret("TWILIO_PHONE_NUMBER"),
            numbers: seed::numbers(),
        };
        Self {
            calls: Journal::open(Some(context.data_dir.join("elevenlabs.jsonl"))),
            faults: Faults::default(),
            account: Arc::new(account),
            client,
            silence: context.settings.scaled(SILENCE),
            call: context.settings.scaled(CALL),
        }
    }

    /// What functions call.
    pub(crate) fn api(&self) -> Router {
        Router::new()
            .route("/elevenlabs/v1/convai/twilio/outbound-call", post(outbound::call))
            .route("/elevenlabs/v1/convai/conversations/{id}", get(outbound::conversation))
            .with_state(self.clone())
    }

    /// What people and tests look at.
    pub(crate) fn view(&self) -> Router {
        self.calls.router("/local/elevenlabs/calls").merge(self.faults.router("/local/elevenlabs/faults"))
    }
}

#[cfg(test)]
mod tests;
