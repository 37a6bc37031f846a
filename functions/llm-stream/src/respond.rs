//! An exchange as a response: a stream of seed C's events, or one body (C19).

use crate::feed::{Encoding, Feed};
use crate::making::Making;
use crate::{State, events};
use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use conversations::chat::{Begun, Update, View};
use domain::chat::{Exchange, Question};
use domain::time::Timestamp;
use domain::user::Principal;
use http::{HeaderMap, header};
use web::{ApiError, Code, sse};

/// Seed C's unnamed events.
pub(crate) struct Events;

impl Encoding for Events {
    fn update(&mut self, question: &Question, update: &Update) -> Vec<Bytes> {
        vec![events::update(question, update)]
    }

    fn refused(&mut self, error: &ApiError, at: Timestamp) -> Vec<Bytes> {
        vec![events::refused(error, at)]
    }
}

/// A view of what was begun, with the making of its answer where that is ours.
pub(crate) fn view(state: &State, begun: Begun) -> (Exchange, View, Option<Making>) {
    let Begun { exchange, run, .. } = begun;
    let question = exchange.question.clone();
    let tenant = state.chats.store.tenant(&question.organization_id);
    match run {
        Some(run) => {
            let (making, updates) = Making::begin(run);
            (exchange, View::live(tenant, question, updates), Some(making))
        }
        None => (exchange, View::saved(tenant, question, 0), None),
    }
}

/// The response to a question.
pub(crate) async fn begun(state: State, viewer: Principal, begun: Begun, headers: &HeaderMap) -> Response {
    let (exchange, mut view, making) = view(&state, begun);
    if !wants_json(headers) {
        let first = [sse::comment("connected"), events::metadata(&exchange)];
        return stream(Feed::new(state, viewer, view, making, Events, first));
    }
    let answer = whole(&mut view).await;
    if let Some(making) = making {
        making.finish().await;
    }
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// What came after token `after` of an exchange, then the rest as it comes; without `after` from its metadata on.
pub(crate) fn from(state: State, viewer: Principal, exchange: &Exchange, after: Option<u64>) -> Response {
    let tenant = state.chats.store.tenant(&viewer.organization_id);
    let view = View::saved(tenant, exchange.question.clone(), after.unwrap_or(0));
    let metadata = after.is_none().then(|| events::metadata(exchange));
    stream(Feed::new(state, viewer, view, None, Events, [sse::comment("connected")].into_iter().chain(metadata)))
}

fn stream(feed: Feed<Events>) -> Response {
    let mut response = sse::response(feed.blocks());
    // A GET that costs points must not be kept or repeated by anybody on the way.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-cache, no-store, no-transform"));
    response
}

async fn whole(view: &mut View) -> Result<Response, ApiError> {
    loop {
        match view.next().await? {
            Some(Update::Token { .. }) => {}
            Some(Update::Ended(exchange)) => {
                let outcome = exchange.outcome.as_ref().ok_or(Code::Internal)?;
                return Ok(Json(events::whole(&exchange.question, outcome)?).into_response());
            }
            None => return Err(Code::Internal.into()),
        }
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accept: Vec<&str> = accept.flat_map(|value| value.split(',')).map(media_type).collect();
    accept.contains(&"application/json") && !accept.contains(&"text/event-stream")
}

fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn json_is_answered_only_to_who_asks_for_it_and_not_for_a_stream() {
        let wants = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            wants_json(&headers)
        };
        assert!(wants("application/json") && wants("application/json;q=0.9, */*"));
        assert!(!wants("*/*") && !wants("text/event-stream, application/json") && !wants_json(&HeaderMap::new()));
    }
}
