//! Seed B's stream of one contact, over all their conversations.

use crate::State;
use crate::framing::Framing;
use crate::tail::Tail;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use domain::access::{may_view, retain_visible};
use domain::broadcast::ConversationHistory;
use domain::ids::ContactId;
use domain::organization::Organization;
use domain::phone::PhoneNumber;
use domain::time::Zone;
use domain::user::{Permission, Principal};
use http::HeaderMap;
use serde::Deserialize;
use store::{Tenant, Thread};
use web::extract::Query;
use web::{ApiError, Caller, Code, StreamCaller, cursor, sse};

/// Events read for a history of [`domain::broadcast::HISTORY_LIMIT`] messages: the others are states and markers.
const HISTORY_EVENTS: i32 = 200;

#[derive(Deserialize)]
pub(crate) struct StreamQuery {
    #[serde(rename = "phoneNumber")]
    phone_number: Option<String>,
    load: Option<String>,
    #[serde(rename = "organizationId")]
    organization_id: Option<String>,
    since_seq: Option<u64>,
}

/// Whom a stream is about.
struct Lead {
    id: ContactId,
    phone: PhoneNumber,
}

/// `GET /api/stream/conversation/{lead_id}`: with `load=true` the history first (B04), then what happens. A reconnect
/// gets what came after its `Last-Event-ID` instead of the history.
pub(crate) async fn stream(
    Shared(state): Shared<State>,
    StreamCaller(caller): StreamCaller,
    Path(lead_id): Path<String>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Caller(caller.clone()).require(Permission::ConversationsRead)?;
    let foreign = query.organization_id.as_deref().is_some_and(|id| id != caller.organization_id.as_str());
    if foreign {
        return Err(Code::OtherOrganization.into());
    }
    let tenant = state.store.tenant(&caller.organization_id);
    let organization = tenant.organization().await?;
    let lead = lead(&tenant, organization.as_ref(), &lead_id, query.phone_number.as_deref()).await?;
    let timeline = tenant.timeline(&lead.id).await?;
    may_view(&caller, &caller.organization_id, timeline.admin_id.as_ref())?;
    let resume = cursor::of(&headers, query.since_seq).filter(|seq| *seq <= timeline.last_seq);
    let (from, first) = match resume {
        Some(seq) => (seq, None),
        None if query.load.as_deref() == Some("true") => {
            let zone = organization.map_or_else(Zone::utc, |organization| organization.timezone);
            let (seq, block) = history(&tenant, &caller, &lead, &zone).await?;
            (seq, Some(block))
        }
        None => (timeline.last_seq, None),
    };
    let framing = Framing::Unnamed { organization_id: caller.organization_id.clone() };
    let thread = Thread::Contact(lead.id);
    Ok(sse::response(Tail::new(state.store, caller, thread, framing, state.pace, from, first).blocks()))
}

async fn history(
    tenant: &Tenant,
    viewer: &Principal,
    lead: &Lead,
    zone: &Zone,
) -> Result<(u64, bytes::Bytes), ApiError> {
    let mut events = tenant.latest_of_contact(&lead.id, HISTORY_EVENTS).await?;
    let seq = events.last().map_or(0, |event| event.contact_seq);
    retain_visible(viewer, &mut events);
    let history = ConversationHistory::of(&viewer.organization_id, &lead.id, &lead.phone, &events, seq, zone);
    Ok((seq, sse::unnamed(&history, Some(seq))))
}

/// Finds the contact by the path's id, else by the query's number. A valid number that nobody has written from yet is
/// taken too: the contact it will make has a known id.
async fn lead(
    tenant: &Tenant,
    organization: Option<&Organization>,
    lead_id: &str,
    phone: Option<&str>,
) -> Result<Lead, ApiError> {
    let not_found = || ApiError::with(Code::NotFound, "Lead not found");
    if let Ok(id) = ContactId::parse(lead_id)
        && let Some(contact) = tenant.contact(&id).await?
    {
        return Ok(Lead { id: contact.id, phone: contact.phone });
    }
    let region = organization.and_then(|organization| organization.region);
    let phone = phone.ok_or_else(not_found)?;
    let phone = PhoneNumber::from_url(phone, region).map_err(|_| ApiError::invalid("phoneNumber is not a number"))?;
    if let Some(contact) = tenant.contact_by_phone(&phone).await? {
        return Ok(Lead { id: contact.id, phone });
    }
    let id = ContactId::from_digits(&phone.digits()).map_err(|_| not_found())?;
    Ok(Lead { id, phone })
}
