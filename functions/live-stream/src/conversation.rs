//! Seed A's stream of one conversation.

use crate::State;
use crate::framing::Framing;
use crate::tail::Tail;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use domain::conversation::Status;
use domain::message::Snapshot;
use domain::time::Zone;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use store::Thread;
use web::extract::Query;
use web::{ApiError, StreamCaller, access, cursor, sse};

#[derive(Deserialize)]
pub(crate) struct StreamQuery {
    /// Where a first connection goes on, for clients that hold a snapshot.
    since_seq: Option<u64>,
}

/// `GET /api/conversation/{conversation_id}/stream`: `initial` with the whole conversation, then only what is new. A
/// reconnect gets no `initial`, but what came after its `Last-Event-ID`; 204 once a conversation has ended and all of it
/// was delivered, which is the only answer that stops an `EventSource`.
pub(crate) async fn stream(
    Shared(state): Shared<State>,
    StreamCaller(caller): StreamCaller,
    Path(id): Path<String>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = access::conversation_id(&id)?;
    tracing::Span::current().record("conversation", id.log_id());
    let tenant = state.store.tenant(&caller.organization_id);
    let conversation = access::visible(&state.store, &caller, &id).await?;
    let zone = tenant.organization().await?.map_or_else(Zone::utc, |organization| organization.timezone);
    // A number beyond the log is of a history we do not have: such a client starts over.
    let resume = cursor::of(&headers, query.since_seq).filter(|seq| *seq <= conversation.last_seq);
    let (from, first) = match resume {
        Some(seq) if conversation.status() == Status::Ended && seq == conversation.last_seq => {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Some(seq) => (seq, None),
        None => {
            let log = tenant.read(&id, 0, usize::MAX).await?.ok_or_else(access::not_found)?;
            access::check(&caller, &log.conversation)?;
            let snapshot = Snapshot::of(&log.conversation, &log.events, log.seq, &zone);
            (log.seq, Some(sse::named("initial", &snapshot, Some(log.seq))))
        }
    };
    let framing = Framing::Named { conversation_id: id.clone(), zone };
    let thread = Thread::Conversation(id);
    Ok(sse::response(Tail::new(state.store, caller, thread, framing, state.pace, from, first).blocks()))
}
