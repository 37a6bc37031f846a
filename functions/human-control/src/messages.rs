//! An agent in control writes to the customer.

use crate::State;
use crate::caller::Operator;
use crate::control::{MESSAGE_CHARS, explain, given_name, texting};
use crate::limits::Action;
use crate::request::{Whom, long_text};
use axum::Json;
use axum::extract::State as Shared;
use conversations::control::{self, Fate, Write};
use domain::ids::{ConversationId, OrganizationId};
use serde::{Deserialize, Serialize};
use web::ApiError;
use web::extract::Body;

/// Seed B also sends `messageType` and `priority`, which change nothing: every message is a text and goes at once.
#[derive(Deserialize)]
pub(crate) struct SendRequest {
    #[serde(flatten)]
    whom: Whom,
    message: Option<String>,
    #[serde(rename = "agentName")]
    agent_name: Option<String>,
}

/// The answer to a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendResponse {
    success: bool,
    message: &'static str,
    #[serde(rename = "conversation_id")]
    conversation_id: ConversationId,
    organization_id: OrganizationId,
    /// The event's number, by which streams show it.
    seq: u64,
    /// `sent`, `pending` while the provider does not take it, or `failed` when it never will.
    delivery: &'static str,
    /// Whether the same request had been done before.
    duplicate: bool,
}

/// `POST /api/conversations/human-control/send-message`
pub(crate) async fn send(
    Shared(state): Shared<State>,
    operator: Operator,
    Body(request): Body<SendRequest>,
) -> Result<Json<SendResponse>, ApiError> {
    state.limits.count(&state.store, &operator, Action::Send).await?;
    let text = long_text("message", request.message, MESSAGE_CHARS)?;
    let text = text.ok_or_else(|| ApiError::invalid("message is required"))?;
    let target = request.whom.target(&operator.tenant).await?;
    let write = Write {
        target: target.clone(),
        agent: operator.principal.user_id.clone(),
        agent_name: given_name(request.agent_name.as_deref())?,
        text,
        key: operator.key.clone(),
    };
    let written = match control::write(&operator.tenant, &texting(&state, &operator), write).await {
        Ok(written) => written,
        Err(error) => return Err(explain(&state, &target, error).await),
    };
    tracing::info!(conversation = written.conversation_id.log_id(), fate = ?written.fate, "an agent wrote");
    Ok(Json(SendResponse {
        success: true,
        message: "Message sent",
        conversation_id: written.conversation_id,
        organization_id: operator.principal.organization_id,
        seq: written.seq,
        delivery: match written.fate {
            Fate::Sent => "sent",
            Fate::Pending => "pending",
            Fate::Failed => "failed",
        },
        duplicate: written.duplicate,
    }))
}
