//! Calls to customers by the voice agent.

use crate::State;
use crate::caller::Operator;
use crate::limits::Action;
use crate::request::Whom;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use conversations::calls::{self, Dial, DialError};
use conversations::memory::build_dynamic_variables;
use domain::ids::{CallId, ContactId, ConversationId, OrganizationId};
use domain::organization::VoiceAgent;
use domain::phone::PhoneNumber;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use providers::elevenlabs::client::ElevenLabsAccount;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::Once;
use web::extract::Body;
use web::{ApiError, Code};

const ROUTE: &str = "outbound-call";
/// A call that is being placed is settled by then.
const PATIENCE_SECONDS: i64 = 60;
const MAX_VARIABLES: usize = 20;
const VARIABLE_CHARS: usize = 1000;

#[derive(Deserialize)]
pub(crate) struct CallRequest {
    #[serde(flatten)]
    whom: Whom,
    /// Ours: more variables for the agent.
    #[serde(rename = "dynamicVariables", default)]
    dynamic_variables: BTreeMap<String, String>,
}

/// The answer to a call that was placed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallResponse {
    success: bool,
    message: &'static str,
    #[serde(rename = "conversation_id")]
    conversation_id: ConversationId,
    #[serde(rename = "call_id")]
    call_id: Option<CallId>,
    call_sid: Option<String>,
    /// The conversation at ElevenLabs.
    provider_conversation_id: Option<String>,
    phone_number: PhoneNumber,
    lead_id: ContactId,
    organization_id: OrganizationId,
}

/// `POST /api/conversations/outbound-call`. With an `Idempotency-Key`, a repeated request gets the first one's answer.
pub(crate) async fn call(
    Shared(state): Shared<State>,
    operator: Operator,
    Body(request): Body<CallRequest>,
) -> Result<Response, ApiError> {
    let variables = checked(request.dynamic_variables)?;
    let phone = request.whom.phone(&operator.tenant).await?;
    let Some(key) = operator.key.clone() else {
        return place(&state, &operator, phone, variables).await.map(json);
    };
    let key = format!("{}:{key}", operator.principal.user_id);
    let asked = format!("{} {variables:?}", phone.as_str());
    match operator.tenant.begin_once(ROUTE, &key, &asked, PATIENCE_SECONDS).await? {
        Once::Begun => {}
        Once::Done(answer) => return Ok(json(answer)),
        Once::Running => return Err(ApiError::with(Code::Conflict, "This request is being done").retry_after(2)),
        Once::Different => {
            return Err(ApiError::with(Code::Conflict, "The Idempotency-Key was used for another request"));
        }
    }
    match place(&state, &operator, phone, variables).await {
        Ok(answer) => {
            operator.tenant.end_once(ROUTE, &key, &asked, answer.clone()).await?;
            Ok(json(answer))
        }
        Err(error) => {
            // After a time-out the call may be ringing: the key stays taken until its patience ends.
            if error.code != Code::ProviderTimeout {
                operator.tenant.forget_once(ROUTE, &key).await?;
            }
            Err(error)
        }
    }
}

async fn place(
    state: &State,
    operator: &Operator,
    phone: PhoneNumber,
    more: BTreeMap<String, String>,
) -> Result<String, ApiError> {
    state.limits.count(&state.store, operator, Action::Call).await?;
    let tenant = &operator.tenant;
    let own = tenant.organization().await?.and_then(|organization| organization.elevenlabs);
    let agent = own.as_ref().or(state.voice_agent.as_deref()).ok_or_else(not_configured)?;
    let mut variables = build_dynamic_variables(tenant, &phone, "").await?;
    variables.extend(more);
    let dial = Dial { to: phone, variables };
    let dialled = calls::dial(tenant, &state.elevenlabs, &account(agent), dial).await.map_err(refusal)?;
    tracing::info!(conversation = dialled.conversation.id.log_id(), "call placed");
    let response = CallResponse {
        success: true,
        message: "Call initiated",
        conversation_id: dialled.conversation.id,
        call_id: dialled.conversation.call_id,
        call_sid: dialled.placed.call_sid,
        provider_conversation_id: dialled.placed.conversation_id,
        phone_number: dialled.conversation.phone,
        lead_id: dialled.conversation.contact_id,
        organization_id: dialled.conversation.organization_id,
    };
    serde_json::to_string(&response).map_err(|_| Code::Internal.into())
}

fn json(body: String) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

fn account(agent: &VoiceAgent) -> ElevenLabsAccount {
    ElevenLabsAccount {
        api_key: agent.api_key.clone(),
        agent_id: agent.agent_id.clone(),
        phone_number_id: agent.phone_number_id.clone(),
    }
}

/// Variables of the request: names of the agent's own system and secrets are not theirs to set.
fn checked(variables: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
    let name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with("system__")
            && !name.starts_with("secret__")
    };
    let fits = |(key, value): (&String, &String)| name(key) && value.chars().count() <= VARIABLE_CHARS;
    let reserved = ["organization_id", calls::CONVERSATION_VARIABLE];
    if variables.len() > MAX_VARIABLES
        || !variables.iter().all(fits)
        || reserved.iter().any(|name| variables.contains_key(*name))
    {
        return Err(ApiError::invalid(
            "dynamicVariables: at most 20, names of letters, digits and _, texts up to 1000",
        ));
    }
    Ok(variables)
}

fn not_configured() -> ApiError {
    ApiError::with(Code::NotConfigured, "No voice agent is configured")
}

fn refusal(error: DialError) -> ApiError {
    match error {
        DialError::UnderHumanControl => Code::UnderHumanControl.into(),
        DialError::Busy => ApiError::with(Code::Conflict, "A call to this contact is being placed").retry_after(5),
        DialError::Refused { reason, .. } => ApiError::with(Code::ProviderRefused, reason),
        DialError::NotPlaced { retryable: true, .. } => Code::ProviderUnavailable.into(),
        DialError::NotPlaced { retryable: false, .. } => {
            ApiError::with(Code::NotConfigured, "The voice provider refuses our credentials")
        }
        DialError::Unknown { .. } => Code::ProviderTimeout.into(),
        DialError::Store(error) => error.into(),
    }
}
