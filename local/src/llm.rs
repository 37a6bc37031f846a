//! The language model's stand-in: the OpenAI-compatible wire, answered by `responder`, which is no language model and
//! says so.
//!
//! | path | side |
//! |---|---|
//! | `POST /llm/v1/chat/completions`, `GET /llm/v1/models` | functions |
//! | `GET`, `DELETE /local/llm/requests` | people and tests: what the model was given |
//! | `GET`, `POST`, `DELETE /local/llm/faults` | tests: [`Kind`] |

mod answers;
mod completions;
mod request;
mod responder;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, header};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use domain::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::stand_ins::Context;
use crate::stand_ins::faults::Faults;
use crate::stand_ins::journal::Journal;
use answers::Refusal;
use request::Record;

/// The stand-in's name: no model of anybody's.
pub(crate) const MODEL: &str = "local-notes-1";

/// Milliseconds between two tokens, so that people see an answer come in.
pub(crate) const PACE_MS: u64 = 15;

/// How long an answer stops that is to stall, where the fault does not say.
const SILENCE: Duration = Duration::from_secs(60);

/// What the stand-in can be told to do. Where it makes sense, `tokens` says after how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Answers 500, or sends an error in the middle of the stream.
    Fail,
    /// Answers 429, to come back after `delay_ms` or a second.
    RateLimit,
    /// Answers 400: the conversation is too long.
    TooLong,
    /// Is silent for `delay_ms` or a minute, then goes on.
    Stall,
    /// Closes the connection after `tokens`, without an end.
    StopAfter,
    /// Ends the stream after `tokens` as if all were well, but says neither why nor `[DONE]`.
    EndAfter,
    /// Ends the answer after `tokens` because of a filter.
    Filter,
    /// Does not count tokens.
    Uncounted,
    /// Waits for `delay_ms` before it answers.
    Delay,
    /// Answers 200 and not one byte.
    Empty,
    /// Answers 200 and what is no JSON.
    Garbage,
    /// Answers `text`, or `bytes` of words.
    Say,
    /// Waits for `token_delay_ms` between two tokens, instead of the pace of this run.
    Pace,
}

/// The stand-in.
#[derive(Clone)]
pub(crate) struct Llm {
    requests: Journal<Record>,
    faults: Faults<Kind>,
    key: Arc<Secret>,
    pace: Duration,
    silence: Duration,
}

impl Llm {
    /// Starts with nothing recorded: prompts are long, and of no use after a restart.
    pub(crate) fn open(context: &Context<'_>, pace: Duration) -> Self {
        Self {
            requests: Journal::open(None),
            faults: Faults::default(),
            key: Arc::new(Secret::new(context.secret("LLM_API_KEY"))),
            pace,
            silence: context.settings.scaled(SILENCE),
        }
    }

    /// What functions call.
    pub(crate) fn api(&self) -> Router {
        Router::new()
            .route("/llm/v1/chat/completions", post(completions::complete))
            .route("/llm/v1/models", get(models))
            .with_state(self.clone())
    }

    /// What people and tests look at.
    pub(crate) fn view(&self) -> Router {
        self.requests.router("/local/llm/requests").merge(self.faults.router("/local/llm/faults"))
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if !key.is_empty() && key == self.key.expose() { Ok(()) } else { Err(Refusal::Unauthorized) }
    }
}

#[derive(Serialize)]
struct Models {
    object: &'static str,
    data: [ModelEntry; 1],
}

#[derive(Serialize)]
struct ModelEntry {
    id: &'static str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

async fn models(State(llm): State<Llm>, headers: HeaderMap) -> Response {
    if let Err(refusal) = llm.authorize(&headers) {
        return refusal.into_response();
    }
    let model = ModelEntry { id: MODEL, object: "model", created: 0, owned_by: "switchboard-local" };
    axum::Json(Models { object: "list", data: [model] }).into_response()
}

#[cfg(test)]
mod tests;
