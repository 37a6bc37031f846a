//! ElevenLabs asks what its agent should know of whoever calls, while the phone rings.
//!
//! Two reads: whose call it is, then the organization and the caller's briefing. An agent that gets no answer does not
//! pick up, so unknown callers, and a table that is slow or down, get neutral values.

use crate::State;
use crate::inbox;
use crate::origin::header;
use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use domain::context::{KnownCaller, build_dynamic_variables};
use domain::organization::Organization;
use domain::phone::PhoneNumber;
use http::request::Parts;
use providers::elevenlabs::signature::shared_secret_matches;
use providers::elevenlabs::webhook::InitiationRequest;
use serde::Serialize;
use std::collections::BTreeMap;
use store::{StoreError, Tenant, WebhookKind};
use web::ApiError;

/// The header that the agent is configured to send our secret in.
const SECRET_HEADER: &str = "x-webhook-secret";

/// What the agent is started with (B22).
#[derive(Serialize)]
pub(crate) struct InitiationResponse {
    #[serde(rename = "type")]
    kind: &'static str,
    dynamic_variables: BTreeMap<String, String>,
}

/// `POST /api/webhooks/elevenlabs/conversation-initiation`
pub(crate) async fn conversation_initiation(
    Shared(state): Shared<State>,
    parts: Parts,
    body: Bytes,
) -> Result<Json<InitiationResponse>, ApiError> {
    let request = InitiationRequest::parse(&body).map_err(|error| ApiError::invalid(error.to_string()))?;
    let found = match tokio::time::timeout(state.initiation_deadline, look_up(&state, &request)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a call begins without its caller's past");
            return Ok(neutral(&state));
        }
        Err(_) => {
            tracing::error!("a call begins without its caller's past: the table is slow");
            return Ok(neutral(&state));
        }
    };
    check_secret(&state, &parts, &found).await?;
    let organization = found.organization.as_ref().map(|organization| (organization.id.as_str(), &*organization.name));
    Ok(answer(build_dynamic_variables(organization, &state.default_organization_name, found.caller.as_ref())))
}

#[derive(Default)]
struct Found {
    tenant: Option<Tenant>,
    organization: Option<Organization>,
    caller: Option<KnownCaller>,
}

async fn look_up(state: &State, request: &InitiationRequest) -> Result<Found, StoreError> {
    let number = |text: &Option<String>| text.as_deref().and_then(|text| PhoneNumber::from_provider(text).ok());
    let called = number(&request.called_number);
    let agent = request.agent_id.as_deref();
    let stacks = state.voice_agent.as_ref().is_some_and(|own| agent == Some(&*own.agent_id));
    // The stack's agent is nobody's own, whatever an organization claims.
    let own = agent.filter(|_| !stacks);
    let Some(id) = state.store.organization_of_call(called.as_ref(), own, stacks).await? else {
        return Ok(Found::default());
    };
    tracing::Span::current().record("organization", id.as_str());
    let tenant = state.store.tenant(&id);
    // Callers without a number of their own ("anonymous") have no past that could be told.
    let caller = number(&request.caller_id).filter(PhoneNumber::is_e164);
    let (organization, caller) = tenant.caller(caller.as_ref()).await?;
    Ok(Found { tenant: Some(tenant), organization, caller: caller.map(|(_, caller)| caller) })
}

/// An organization with a voice agent of its own has a secret of its own; all others the stack's.
async fn check_secret(state: &State, parts: &Parts, found: &Found) -> Result<(), ApiError> {
    let own = found.organization.as_ref().and_then(|organization| organization.elevenlabs.as_ref());
    let secrets: Vec<_> =
        own.or(state.voice_agent.as_deref()).map(|agent| agent.initiation_secret.clone()).into_iter().collect();
    let bearer = header(parts, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    if shared_secret_matches(header(parts, SECRET_HEADER).or(bearer), &secrets) {
        return Ok(());
    }
    let reason = "the secret header is missing or does not fit";
    tracing::warn!(reason, "webhook refused");
    if let Some(tenant) = &found.tenant {
        inbox::refused(state, tenant, WebhookKind::ElevenlabsConversationInitiation, reason.to_owned()).await;
    }
    Err(inbox::forbidden())
}

/// Says nothing of anybody, so it needs no proof of who asks.
fn neutral(state: &State) -> Json<InitiationResponse> {
    answer(build_dynamic_variables(None, &state.default_organization_name, None))
}

fn answer(dynamic_variables: BTreeMap<String, String>) -> Json<InitiationResponse> {
    Json(InitiationResponse { kind: "conversation_initiation_client_data", dynamic_variables })
}
