//! Who is in control.

use crate::State;
use crate::caller::Watcher;
use crate::request::phone_number;
use axum::Json;
use axum::extract::{Path, State as Shared};
use conversations::control::{self, ControlStatus};
use domain::access::may_view;
use domain::conversation::{Conversation, Status};
use domain::event::{Event, EventBody};
use domain::ids::{ContactId, ConversationId, OrganizationId, UserId};
use domain::phone::PhoneNumber;
use serde::Serialize;
use web::ApiError;

/// Who is in control of the conversation with a number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusResponse {
    success: bool,
    phone_number: PhoneNumber,
    organization_id: OrganizationId,
    lead_id: Option<ContactId>,
    is_under_human_control: bool,
    status: Option<Status>,
    #[serde(rename = "conversation_id")]
    conversation_id: Option<ConversationId>,
    session: Option<Session>,
    /// What the customer wrote and the agent has not answered; empty for everybody but the agent in control.
    queued_messages: Vec<Queued>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    agent_id: UserId,
    agent_name: String,
    started_at: String,
    expires_at: Option<String>,
    handoff_reason: Option<String>,
    is_mine: bool,
}

#[derive(Serialize)]
struct Queued {
    seq: u64,
    message: String,
    timestamp: String,
}

/// `GET /api/conversations/human-control/status/{phone_number}`
pub(crate) async fn status(
    Shared(_): Shared<State>,
    watcher: Watcher,
    Path(number): Path<String>,
) -> Result<Json<StatusResponse>, ApiError> {
    let phone = phone_number(&watcher.tenant, &number).await?;
    let Some(found) = control::status(&watcher.tenant, &phone).await? else {
        return Ok(Json(StatusResponse {
            success: true,
            phone_number: phone,
            organization_id: watcher.principal.organization_id,
            lead_id: None,
            is_under_human_control: false,
            status: None,
            conversation_id: None,
            session: None,
            queued_messages: Vec::new(),
        }));
    };
    Ok(Json(response(&watcher, phone, found)))
}

fn response(watcher: &Watcher, phone_number: PhoneNumber, found: ControlStatus) -> StatusResponse {
    let conversation = found.conversation;
    let visible = |conversation: &Conversation| {
        may_view(&watcher.principal, &conversation.organization_id, conversation.admin_id.as_ref()).is_ok()
    };
    let may_see = conversation.as_ref().is_some_and(visible);
    let session = conversation.as_ref().and_then(|conversation| conversation.control.as_ref()).map(|session| Session {
        agent_id: session.agent_id.clone(),
        agent_name: session.agent_name.clone(),
        started_at: session.since.iso(),
        expires_at: found.lease.map(|lease| lease.until.iso()),
        handoff_reason: session.reason.clone().filter(|_| may_see),
        is_mine: session.agent_id == watcher.principal.user_id,
    });
    StatusResponse {
        success: true,
        phone_number,
        organization_id: watcher.principal.organization_id.clone(),
        lead_id: Some(found.contact_id),
        is_under_human_control: session.is_some(),
        status: conversation.as_ref().map(Conversation::status),
        conversation_id: conversation.map(|conversation| conversation.id),
        session,
        queued_messages: if may_see { found.queue.into_iter().filter_map(queued).collect() } else { Vec::new() },
    }
}

fn queued(event: Event) -> Option<Queued> {
    match event.body {
        EventBody::SmsReceived { text, .. } => {
            Some(Queued { seq: event.seq, message: text, timestamp: event.at.iso() })
        }
        _ => None,
    }
}
