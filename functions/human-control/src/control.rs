//! Joining, leaving, and signs of life in between.

use crate::State;
use crate::caller::Operator;
use crate::limits::Action;
use crate::request::{Whom, long_text, refusal};
use axum::Json;
use axum::extract::State as Shared;
use conversations::control::{self, Agent, ControlError, Join, Leave, Target};
use conversations::texting::Texting;
use domain::ids::{ContactId, ConversationId, OrganizationId, UserId};
use domain::phone::PhoneNumber;
use serde::{Deserialize, Serialize};
use store::now;
use web::extract::{Body, short_text};
use web::{ApiError, access};

const REASON_CHARS: usize = 500;
const SUMMARY_CHARS: usize = 5000;
const MAX_STEPS: usize = 10;
const STEP_CHARS: usize = 500;
/// Most characters of a text message (B19).
pub(crate) const MESSAGE_CHARS: usize = 1600;

#[derive(Deserialize)]
pub(crate) struct JoinRequest {
    #[serde(flatten)]
    whom: Whom,
    #[serde(rename = "agentName")]
    agent_name: Option<String>,
    #[serde(rename = "handoffReason")]
    handoff_reason: Option<String>,
    #[serde(rename = "customMessage")]
    custom_message: Option<String>,
}

/// The answer to a takeover.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinResponse {
    success: bool,
    message: &'static str,
    #[serde(rename = "conversation_id")]
    conversation_id: ConversationId,
    phone_number: PhoneNumber,
    lead_id: ContactId,
    organization_id: OrganizationId,
    agent_id: UserId,
    agent_name: String,
    handoff_reason: Option<String>,
    started_at: String,
    expires_at: String,
    queued_messages: usize,
}

/// `POST /api/conversations/human-control/join`
pub(crate) async fn join(
    Shared(state): Shared<State>,
    operator: Operator,
    Body(request): Body<JoinRequest>,
) -> Result<Json<JoinResponse>, ApiError> {
    let reason = long_text("handoffReason", request.handoff_reason, REASON_CHARS)?;
    let message = long_text("customMessage", request.custom_message, MESSAGE_CHARS)?;
    let action = if message.is_some() { Action::Send } else { Action::Control };
    state.limits.count(&state.store, &operator, action).await?;
    let agent = agent(&operator, request.agent_name).await?;
    let target = request.whom.target(&operator.tenant).await?;
    let texting = texting(&state, &operator);
    let join = Join { target: target.clone(), agent, reason, message, lease_seconds: state.lease_seconds };
    let joined = control::join(&operator.tenant, &texting, join).await;
    let (conversation, queued_messages) = match joined {
        Ok(joined) => joined,
        Err(error) => return Err(explain(&state, &target, error).await),
    };
    tracing::info!(conversation = conversation.id.log_id(), "taken over");
    let Some(session) = conversation.control else { return Err(refusal(ControlError::NotUnderControl)) };
    Ok(Json(JoinResponse {
        success: true,
        message: "Human agent joined the conversation",
        conversation_id: conversation.id,
        phone_number: conversation.phone,
        lead_id: conversation.contact_id,
        organization_id: conversation.organization_id,
        agent_id: session.agent_id,
        agent_name: session.agent_name,
        handoff_reason: session.reason,
        started_at: session.since.iso(),
        expires_at: session.since.plus_seconds(i64::from(state.lease_seconds)).iso(),
        queued_messages,
    }))
}

#[derive(Deserialize)]
pub(crate) struct LeaveRequest {
    #[serde(flatten)]
    whom: Whom,
    summary: Option<String>,
    #[serde(rename = "nextSteps", default)]
    next_steps: Vec<String>,
    #[serde(rename = "handoffSuccess")]
    handoff_success: Option<bool>,
    /// Ours: whether the AI answers what the customer wrote and nobody answered.
    #[serde(rename = "answerPending", default)]
    answer_pending: bool,
}

/// The answer to a hand-back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaveResponse {
    success: bool,
    message: &'static str,
    #[serde(rename = "conversation_id")]
    conversation_id: ConversationId,
    phone_number: PhoneNumber,
    lead_id: ContactId,
    organization_id: OrganizationId,
    agent_id: UserId,
    agent_name: String,
    started_at: String,
    duration_seconds: i64,
    /// Whether the AI goes on at once with what is unanswered.
    ai_answers_pending: bool,
}

/// `POST /api/conversations/human-control/leave`
pub(crate) async fn leave(
    Shared(state): Shared<State>,
    operator: Operator,
    Body(request): Body<LeaveRequest>,
) -> Result<Json<LeaveResponse>, ApiError> {
    state.limits.count(&state.store, &operator, Action::Control).await?;
    let target = request.whom.target(&operator.tenant).await?;
    let leave = Leave {
        target: target.clone(),
        agent: operator.principal.user_id.clone(),
        summary: long_text("summary", request.summary, SUMMARY_CHARS)?,
        next_steps: steps(request.next_steps)?,
        success: request.handoff_success,
        answer_pending: request.answer_pending,
    };
    let (conversation, session) = match control::leave(&operator.tenant, leave).await {
        Ok(left) => left,
        Err(error) => return Err(explain(&state, &target, error).await),
    };
    tracing::info!(conversation = conversation.id.log_id(), "handed back");
    Ok(Json(LeaveResponse {
        success: true,
        message: "AI is in control again",
        ai_answers_pending: conversation.wants_reply(),
        conversation_id: conversation.id,
        phone_number: conversation.phone,
        lead_id: conversation.contact_id,
        organization_id: conversation.organization_id,
        agent_id: session.agent_id,
        agent_name: session.agent_name,
        started_at: session.since.iso(),
        duration_seconds: (now().millis() - session.since.millis()) / 1000,
    }))
}

#[derive(Deserialize)]
pub(crate) struct HeartbeatRequest {
    #[serde(flatten)]
    whom: Whom,
}

/// The answer to a sign of life.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeartbeatResponse {
    success: bool,
    expires_at: String,
}

/// `POST /api/conversations/human-control/heartbeat`
pub(crate) async fn heartbeat(
    Shared(state): Shared<State>,
    operator: Operator,
    Body(request): Body<HeartbeatRequest>,
) -> Result<Json<HeartbeatResponse>, ApiError> {
    let target = request.whom.target(&operator.tenant).await?;
    match control::heartbeat(&operator.tenant, &target, &operator.principal.user_id).await {
        Ok(until) => Ok(Json(HeartbeatResponse { success: true, expires_at: until.iso() })),
        Err(error) => Err(explain(&state, &target, error).await),
    }
}

/// The agent, under the name they gave or their own.
async fn agent(operator: &Operator, name: Option<String>) -> Result<Agent, ApiError> {
    let id = operator.principal.user_id.clone();
    if let Some(name) = given_name(name.as_deref())? {
        return Ok(Agent { id, name });
    }
    let user = operator.tenant.user(&id).await?;
    let name = user.map(|user| user.display_name()).unwrap_or_else(|| "Agent".to_owned());
    Ok(Agent { id, name })
}

/// A name that the request gives.
pub(crate) fn given_name(name: Option<&str>) -> Result<Option<String>, ApiError> {
    let given = short_text("agentName", name.unwrap_or_default(), 100)?;
    Ok(Some(given).filter(|name| !name.is_empty()))
}

/// Text messages whose delivery is reported to where this request came in, unless it is configured.
pub(crate) fn texting(state: &State, operator: &Operator) -> Texting {
    let mut texting = state.texting.clone();
    if let (None, Some(base)) = (&texting.status_callback, &operator.base_url) {
        texting.status_callback = Some(format!("{base}/api/webhooks/twilio/sms/status"));
    }
    texting
}

/// A conversation that this organization does not have may be another's: 403 then, as everywhere (A22).
pub(crate) async fn explain(state: &State, target: &Target, error: ControlError) -> ApiError {
    match (error, target) {
        (ControlError::Unknown, Target::Conversation(id)) => access::refusal(&state.store, id).await,
        (error, _) => refusal(error),
    }
}

fn steps(steps: Vec<String>) -> Result<Vec<String>, ApiError> {
    if steps.len() > MAX_STEPS {
        return Err(ApiError::invalid(format!("nextSteps has more than {MAX_STEPS} entries")));
    }
    let steps = steps.into_iter().map(|step| long_text("nextSteps", Some(step), STEP_CHARS));
    Ok(steps.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}
