//! Finding conversations (A44).

use crate::State;
use crate::conversation::zone;
use axum::Json;
use axum::extract::State as Shared;
use domain::access::may_view;
use domain::conversation::{Conversation, Medium, Status, Urgency};
use domain::ids::{CallId, ContactId, ConversationId, UserId};
use domain::phone::PhoneNumber;
use domain::time::Zone;
use domain::user::Permission;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use store::ConversationFilter;
use web::extract::Query;
use web::{ApiError, Caller, page};

#[derive(Default, Deserialize)]
pub(crate) struct ListingQuery {
    status: Option<String>,
    urgency: Option<String>,
    medium: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// A conversation without its messages.
#[derive(Serialize)]
struct Summary {
    conversation_id: ConversationId,
    call_id: Option<CallId>,
    worker_id: ContactId,
    mobile_no: PhoneNumber,
    urgency: Urgency,
    status: Status,
    medium: Medium,
    timestamp: String,
    updated_at: String,
    total_messages: u32,
    admin_id: Option<UserId>,
    seq: u64,
}

#[derive(Serialize)]
pub(crate) struct ListingResponse {
    success: bool,
    conversations: Vec<Summary>,
    next_cursor: Option<String>,
}

/// `GET /api/conversations`: those the caller may see (A19), newest first, filtered by `status`, `urgency`, `medium`.
pub(crate) async fn conversations(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<ListingQuery>,
) -> Result<Json<ListingResponse>, ApiError> {
    list(&state, &caller, query).await
}

/// `GET /get-active-calls`: the name that seed A's companions list going-on conversations by.
pub(crate) async fn active_calls(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<ListingQuery>,
) -> Result<Json<ListingResponse>, ApiError> {
    let status = query.status.or_else(|| Some("ACTIVE".to_owned()));
    list(&state, &caller, ListingQuery { status, ..query }).await
}

async fn list(state: &State, caller: &Caller, query: ListingQuery) -> Result<Json<ListingResponse>, ApiError> {
    caller.require(Permission::ConversationsRead)?;
    let filter = ConversationFilter {
        status: value("status", query.status.as_deref())?,
        urgency: value("urgency", query.urgency.as_deref())?,
        medium: value("medium", query.medium.as_deref())?,
    };
    let after = query.cursor.as_deref().map(page::decode).transpose()?;
    let limit = page::limit(query.limit)?;
    let tenant = state.store.tenant(&caller.0.organization_id);
    let zone = zone(&tenant).await?;
    let visible = |c: &Conversation| may_view(&caller.0, &c.organization_id, c.admin_id.as_ref()).is_ok();
    let found = tenant.conversations(&filter, &visible, after.as_deref(), limit).await?;
    Ok(Json(ListingResponse {
        success: true,
        conversations: found.conversations.into_iter().map(|c| Summary::of(c, &zone)).collect(),
        next_cursor: found.next.as_deref().map(page::encode),
    }))
}

fn value<T: FromStr>(name: &'static str, text: Option<&str>) -> Result<Option<T>, ApiError> {
    let invalid = |_| ApiError::invalid(format!("{name} is not one of its known values"));
    text.map(|text| text.parse().map_err(invalid)).transpose()
}

impl Summary {
    fn of(conversation: Conversation, zone: &Zone) -> Self {
        Self {
            status: conversation.status(),
            conversation_id: conversation.id,
            call_id: conversation.call_id,
            worker_id: conversation.contact_id,
            mobile_no: conversation.phone,
            urgency: conversation.urgency,
            medium: conversation.medium,
            timestamp: conversation.started_at.iso_in(zone),
            updated_at: conversation.updated_at.iso_in(zone),
            total_messages: conversation.messages,
            admin_id: conversation.admin_id,
            seq: conversation.last_seq,
        }
    }
}
