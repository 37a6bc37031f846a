//! One conversation as it is now (A01-A06).

use crate::State;
use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use domain::conversation::Conversation;
use domain::message::Snapshot;
use domain::time::Zone;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use store::Tenant;
use web::extract::Query;
use web::{ApiError, Caller, access};

/// A Lambda answers 6 MB at most; messages beyond this are asked for with `since_seq`.
const MAX_BYTES: usize = 3_500_000;

#[derive(Deserialize)]
pub(crate) struct SnapshotQuery {
    /// Only what happened after this number.
    since_seq: Option<u64>,
}

#[derive(Serialize)]
struct SnapshotResponse {
    success: bool,
    conversation: Snapshot,
}

/// `GET /api/conversation/{conversation_id}`: state and messages in one strongly consistent read. `ETag` names the
/// latest event, so `If-None-Match` answers 304 until something happens, and `seq` is where a stream goes on (G12).
pub(crate) async fn snapshot(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Query(query): Query<SnapshotQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = access::conversation_id(&id)?;
    tracing_conversation(&id.log_id());
    if headers.contains_key(IF_NONE_MATCH) {
        let conversation = access::visible(&state.store, &caller, &id).await?;
        let etag = etag(&conversation, query.since_seq);
        if headers.get_all(IF_NONE_MATCH).iter().any(|known| matches(known.as_bytes(), &etag)) {
            return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
        }
    }
    let tenant = state.store.tenant(&caller.organization_id);
    let since = query.since_seq.unwrap_or(0);
    let mut log = tenant.read(&id, since, MAX_BYTES).await?;
    // A number beyond the log is of a history we do not have: such a client starts over, as on the stream.
    if log.as_ref().is_some_and(|log| since > log.conversation.last_seq) {
        log = tenant.read(&id, 0, MAX_BYTES).await?;
    }
    let Some(log) = log else { return Err(access::refusal(&state.store, &id).await) };
    access::check(&caller, &log.conversation)?;
    let zone = zone(&tenant).await?;
    let headers = [(ETAG, etag(&log.conversation, query.since_seq)), (CACHE_CONTROL, "private, no-cache".to_owned())];
    let conversation = Snapshot::of(&log.conversation, &log.events, log.seq, &zone);
    Ok((headers, Json(SnapshotResponse { success: true, conversation })).into_response())
}

/// The organization's time zone.
pub(crate) async fn zone(tenant: &Tenant) -> Result<Zone, ApiError> {
    Ok(tenant.organization().await?.map_or_else(Zone::utc, |organization| organization.timezone))
}

fn etag(conversation: &Conversation, since: Option<u64>) -> String {
    format!("\"{}-{}\"", since.unwrap_or(0), conversation.last_seq)
}

/// Weak comparison of RFC 9110: a proxy may have marked ours as weak.
fn matches(known: &[u8], etag: &str) -> bool {
    let known = String::from_utf8_lossy(known);
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

fn tracing_conversation(log_id: &str) {
    tracing::Span::current().record("conversation", log_id);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_match_alone_in_a_list_and_weakened() {
        for known in ["\"0-7\"", "W/\"0-7\"", "\"x\", W/\"0-7\"", "*"] {
            assert!(matches(known.as_bytes(), "\"0-7\""), "{known}");
        }
        assert!(!matches(b"\"0-8\"", "\"0-7\""));
    }
}
