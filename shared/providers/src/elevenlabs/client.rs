//! Placing calls through ElevenLabs' Twilio integration (protocols.md 2.5).

use super::is_id;
use crate::error::{ErrorKind, Provider, ProviderError};
use crate::{http, lenient};
use domain::phone::PhoneNumber;
use domain::secret::Secret;
use reqwest::Client;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The longest wait: they answer once the carrier has the call.
const TIMEOUT: Duration = Duration::from_secs(15);
const MAX_ANSWER: usize = 64 * 1024;
/// The longest reason we pass on, in characters.
const MAX_REASON: usize = 200;

/// ElevenLabs' REST API.
#[derive(Clone, Debug)]
pub struct ElevenLabsClient {
    http: Client,
    base_url: String,
    timeout: Duration,
}

/// Who calls, and with which agent.
#[derive(Clone, Debug)]
pub struct ElevenLabsAccount {
    /// Opens the API.
    pub api_key: Secret,
    /// The agent that speaks.
    pub agent_id: String,
    /// The number it calls from, by its id at ElevenLabs.
    pub phone_number_id: String,
}

/// A call to place.
#[derive(Clone, Copy)]
pub struct OutboundCall<'a> {
    /// The customer.
    pub to: &'a PhoneNumber,
    /// Our id of the customer, echoed by the webhooks.
    pub user_id: Option<&'a str>,
    /// What the agent knows; every variable that the agent defines must be there.
    pub dynamic_variables: &'a BTreeMap<String, String>,
}

impl fmt::Debug for OutboundCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutboundCall(***)")
    }
}

/// A call that rings, or is about to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPlaced {
    /// The conversation at ElevenLabs: the post-call webhook names it.
    pub conversation_id: Option<String>,
    /// The call at Twilio.
    pub call_sid: Option<String>,
}

/// Why no call, or perhaps none, was placed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// ElevenLabs will not place this call.
    #[error("ElevenLabs refuses the call")]
    Refused {
        /// Its reason, without numbers, at most 200 characters.
        reason: String,
    },
    /// The call was surely not placed: it may be tried again.
    #[error("the call was not placed")]
    NotPlaced(#[source] ProviderError),
    /// The call may have been placed: trying again could ring twice.
    #[error("the call may have been placed")]
    Unknown(#[source] ProviderError),
}

impl ElevenLabsClient {
    /// Speaks to `https://api.elevenlabs.io` or a stand-in.
    pub fn new(http: Client, base_url: impl Into<String>) -> Self {
        Self { http, base_url: http::base_url(base_url), timeout: TIMEOUT }
    }

    /// Places a call. There is no idempotency key: the caller makes sure that nobody is called twice at once.
    pub async fn call(&self, account: &ElevenLabsAccount, call: &OutboundCall<'_>) -> Result<CallPlaced, CallError> {
        let request = self
            .http
            .post(format!("{}/v1/convai/twilio/outbound-call", self.base_url))
            .header("xi-api-key", api_key(account).map_err(CallError::NotPlaced)?)
            .json(&CallBody::of(account, call))
            .timeout(self.timeout);
        let response = request.send().await.map_err(uncalled)?;
        let status = response.status().as_u16();
        let body = http::body(response, MAX_ANSWER).await;
        if !(200..300).contains(&status) {
            return Err(refused(status, &body.unwrap_or_default()));
        }
        let body = body.map_err(|error| CallError::Unknown(http::unread(Provider::ElevenLabs, error)))?;
        placed(&body)
    }
}

fn api_key(account: &ElevenLabsAccount) -> Result<HeaderValue, ProviderError> {
    let key = HeaderValue::from_str(account.api_key.expose());
    let mut key = key.map_err(|error| ProviderError::new(Provider::ElevenLabs, ErrorKind::Forbidden, error))?;
    key.set_sensitive(true);
    Ok(key)
}

#[derive(Serialize)]
struct CallBody<'a> {
    agent_id: &'a str,
    agent_phone_number_id: &'a str,
    to_number: &'a str,
    conversation_initiation_client_data: ClientData<'a>,
}

#[derive(Serialize)]
struct ClientData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    dynamic_variables: &'a BTreeMap<String, String>,
}

impl<'a> CallBody<'a> {
    fn of(account: &'a ElevenLabsAccount, call: &'a OutboundCall<'_>) -> Self {
        Self {
            agent_id: &account.agent_id,
            agent_phone_number_id: &account.phone_number_id,
            to_number: call.to.as_str(),
            conversation_initiation_client_data: ClientData {
                user_id: call.user_id,
                dynamic_variables: call.dynamic_variables,
            },
        }
    }
}

#[derive(Deserialize)]
struct CallAnswer {
    success: bool,
    #[serde(default, deserialize_with = "lenient::part")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient::part")]
    conversation_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::part", rename = "callSid", alias = "call_sid")]
    call_sid: Option<String>,
}

/// A 200 may still say that there is no call.
fn placed(body: &[u8]) -> Result<CallPlaced, CallError> {
    let answer: CallAnswer = serde_json::from_slice(body).map_err(|_| {
        CallError::Unknown(ProviderError::new(
            Provider::ElevenLabs,
            ErrorKind::Unavailable,
            "an answer that cannot be read",
        ))
    })?;
    if !answer.success {
        return Err(CallError::Refused { reason: reason(answer.message.as_deref().unwrap_or_default()) });
    }
    let usable = |id: &String| is_id(id);
    Ok(CallPlaced { conversation_id: answer.conversation_id.filter(usable), call_sid: answer.call_sid.filter(usable) })
}

/// The request got no answer: only without a connection it is certain that nobody is called.
fn uncalled(error: reqwest::Error) -> CallError {
    let surely = error.is_connect() || error.is_builder();
    let error = http::failure(Provider::ElevenLabs, error);
    if surely { CallError::NotPlaced(error) } else { CallError::Unknown(error) }
}

fn refused(status: u16, body: &[u8]) -> CallError {
    let kind = ErrorKind::of_status(status);
    let error = |kind| ProviderError::new(Provider::ElevenLabs, kind, http::status_cause(status, None));
    match status {
        429 => CallError::NotPlaced(error(ErrorKind::Throttled)),
        401 | 403 => CallError::NotPlaced(error(ErrorKind::Forbidden)),
        // Their SDKs know it as "too early".
        425 => CallError::NotPlaced(error(ErrorKind::Throttled)),
        400..=407 | 409..=499 => CallError::Refused { reason: reason(&detail(body)) },
        _ => CallError::Unknown(error(kind)),
    }
}

#[derive(Deserialize)]
struct ErrorAnswer {
    #[serde(default, deserialize_with = "lenient::part")]
    detail: Option<Detail>,
}

/// Their errors have three shapes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    Text(String),
    One { message: String },
    Many(Vec<FieldError>),
}

#[derive(Deserialize)]
struct FieldError {
    #[serde(default, deserialize_with = "lenient::list")]
    loc: Vec<String>,
    #[serde(default, deserialize_with = "lenient::part")]
    msg: String,
}

fn detail(body: &[u8]) -> String {
    match serde_json::from_slice(body).ok().and_then(|answer: ErrorAnswer| answer.detail) {
        Some(Detail::Text(text) | Detail::One { message: text }) => text,
        Some(Detail::Many(errors)) => {
            let texts: Vec<String> =
                errors.iter().map(|error| format!("{}: {}", error.loc.join("."), error.msg)).collect();
            texts.join("; ")
        }
        None => String::new(),
    }
}

/// A reason as people may see it: one line, no digits of anybody's number.
fn reason(text: &str) -> String {
    let plain = |c: char| match c {
        _ if c.is_numeric() => '*',
        _ if c.is_control() => ' ',
        _ => c,
    };
    let text: String = text.trim().chars().map(plain).take(MAX_REASON).collect();
    if text.is_empty() { "no reason given".to_owned() } else { text }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
