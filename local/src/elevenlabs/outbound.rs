//! `POST /v1/convai/twilio/outbound-call` and `GET /v1/convai/conversations/{id}`.

use ::http::HeaderMap;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::phone::PhoneNumber;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answers::Refusal;
use super::call::{Call, Status};
use super::{ElevenLabs, Kind, play};
use crate::http::system;
use crate::stand_ins::faults::{self, Subject};

#[derive(Deserialize)]
struct Wanted {
    agent_id: Option<String>,
    agent_phone_number_id: Option<String>,
    to_number: Option<String>,
    #[serde(default)]
    conversation_initiation_client_data: Option<ClientData>,
}

#[derive(Default, Deserialize)]
struct ClientData {
    user_id: Option<String>,
    #[serde(default)]
    dynamic_variables: Option<Map<String, Value>>,
}

#[derive(Serialize)]
struct Placed {
    success: bool,
    message: &'static str,
    conversation_id: Option<String>,
    #[serde(rename = "callSid")]
    call_sid: Option<String>,
}

impl Wanted {
    fn into_call(self) -> Result<Call, Refusal> {
        let text = |value: Option<String>, name| value.filter(|text| !text.is_empty()).ok_or(Refusal::Missing(name));
        let to = text(self.to_number, "to_number")?;
        if !PhoneNumber::from_provider(&to).is_ok_and(|number| number.is_e164()) {
            return Err(Refusal::Malformed("to_number"));
        }
        let data = self.conversation_initiation_client_data.unwrap_or_default();
        let now = system::now_ms();
        Ok(Call {
            conversation_id: format!("conv_{}", system::uuid().simple()),
            call_sid: format!("CA{}", system::uuid().simple()),
            agent_id: text(self.agent_id, "agent_id")?,
            agent_phone_number_id: text(self.agent_phone_number_id, "agent_phone_number_id")?,
            to,
            user_id: data.user_id,
            dynamic_variables: data.dynamic_variables.unwrap_or_default(),
            status: Status::Initiated,
            started: now / 1000,
            at: system::rfc3339(now),
        })
    }
}

impl ElevenLabs {
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers.get("xi-api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
        let known = !given.is_empty() && given == self.account.api_key.expose();
        if known { Ok(()) } else { Err(Refusal::Unauthorized) }
    }
}

pub(super) async fn call(State(elevenlabs): State<ElevenLabs>, headers: HeaderMap, body: Bytes) -> Response {
    let wanted = || serde_json::from_slice::<Wanted>(&body).map_err(|_| Refusal::Missing("body"));
    let call = match elevenlabs.authorize(&headers).and_then(|()| wanted()).and_then(Wanted::into_call) {
        Ok(call) => call,
        Err(refusal) => return refusal.into_response(),
    };
    let subject = Subject { number: &call.to, text: "" };
    if elevenlabs.faults.plays(Kind::RateLimit, subject) {
        return Refusal::RateLimited.into_response();
    }
    if elevenlabs.faults.plays(Kind::Fail, subject) {
        return Refusal::Failed.into_response();
    }
    if elevenlabs.faults.plays(Kind::Timeout, subject) {
        tokio::time::sleep(elevenlabs.silence).await;
        return faults::hang_up();
    }
    if elevenlabs.faults.plays(Kind::SuccessFalse, subject) {
        let message = "The number is unverified.";
        return Json(Placed { success: false, message, conversation_id: None, call_sid: None }).into_response();
    }
    let [silent, busy, lost] =
        [Kind::NoWebhook, Kind::Busy, Kind::DropResponse].map(|kind| elevenlabs.faults.plays(kind, subject));
    tracing::info!(conversation_id = call.conversation_id, "call taken, see /local/elevenlabs/calls");
    elevenlabs.calls.add(call.clone());
    let end = if busy { play::End::Busy } else { play::End::Answered };
    let report = if silent { play::Report::Kept } else { play::Report::Sent };
    let placed = Placed {
        success: true,
        message: "Success",
        conversation_id: Some(call.conversation_id.clone()),
        call_sid: Some(call.call_sid.clone()),
    };
    system::spawn(play::play(elevenlabs, call, end, report));
    if lost { faults::hang_up() } else { Json(placed).into_response() }
}

pub(super) async fn conversation(
    State(elevenlabs): State<ElevenLabs>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = elevenlabs.authorize(&headers) {
        return refusal.into_response();
    }
    match elevenlabs.calls.get(&id) {
        Some(call) => Json(play::conversation(&elevenlabs.account, &call)).into_response(),
        None => Refusal::NotFound.into_response(),
    }
}
