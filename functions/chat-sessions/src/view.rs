//! Chats and exchanges as seed E's clients see them (E11, E12): times in UTC without a zone.

use domain::chat::{Chat, Ending, Exchange, Finish, MediaFile, RawEvents};
use domain::ids::{ChatId, ExchangeId, UserId};
use domain::user::Profile;
use serde::Serialize;
use web::Code;

/// A chat. `messages` are their number in lists, else themselves.
#[derive(Serialize)]
pub(crate) struct SessionView<M> {
    #[serde(rename = "_id")]
    id: ChatId,
    session_id: ChatId,
    user_id: UserId,
    title: String,
    created_at: String,
    updated_at: String,
    is_active: bool,
    messages: M,
}

/// An exchange, as one record.
#[derive(Serialize)]
pub(crate) struct MessageView {
    #[serde(rename = "_id")]
    id: ExchangeId,
    message_id: ExchangeId,
    session_id: ChatId,
    user_id: UserId,
    message: String,
    /// `null` while there is none, and where there never will be.
    response: Option<String>,
    message_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    media_files: Vec<MediaFile>,
    context: Context,
    created_at: String,
    response_time_ms: Option<u64>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish: Option<Finish>,
    /// Code of what it failed by.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Code>,
    tokens_used: u64,
    points_cost: u64,
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Whether `response` is only the beginning.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// What the model was told of the person, and what was said about the answer.
#[derive(Serialize)]
struct Context {
    user_profile: Profile,
    raw_events: RawEvents,
}

impl<M> SessionView<M> {
    pub(crate) fn new(chat: Chat, messages: M) -> Self {
        Self {
            id: chat.id.clone(),
            session_id: chat.id,
            user_id: chat.user_id,
            title: chat.title,
            created_at: chat.created_at.iso_plain(),
            updated_at: chat.updated_at.iso_plain(),
            is_active: chat.active,
            messages,
        }
    }
}

impl MessageView {
    /// `status` is the exchange's, or that it waits in the queue.
    pub(crate) fn new(exchange: Exchange, status: &'static str) -> Self {
        let Exchange { question, outcome } = exchange;
        let (finish, error) = match outcome.as_ref().map(|outcome| outcome.ending) {
            None => (None, None),
            Some(Ending::Complete(finish)) => (Some(finish), None),
            Some(Ending::Failed(failure)) => (None, Some(Code::from(failure))),
        };
        let mut view = Self {
            id: question.id.clone(),
            message_id: question.id,
            session_id: question.chat_id,
            user_id: question.user_id,
            message: question.message,
            response: None,
            message_type: question.message_type,
            media_files: question.media,
            context: Context { user_profile: question.profile, raw_events: RawEvents::default() },
            created_at: question.asked_at.iso_plain(),
            response_time_ms: None,
            status,
            finish,
            error,
            tokens_used: 0,
            points_cost: 0,
            cached: false,
            model: None,
            truncated: false,
        };
        if let Some(outcome) = outcome {
            view.response = Some(outcome.response).filter(|text| finish.is_some() || !text.is_empty());
            view.context.raw_events = outcome.raw_events;
            view.response_time_ms = Some(outcome.response_time_ms);
            view.tokens_used = outcome.tokens_used;
            view.points_cost = outcome.points_cost;
            view.cached = outcome.cached;
            view.model = outcome.model;
            view.truncated = outcome.cut;
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use domain::chat::Failure;
    use serde_json::{Value, json};

    fn shown(exchange: Exchange) -> Value {
        let status = exchange.status();
        serde_json::to_value(MessageView::new(exchange, status)).unwrap()
    }

    #[test]
    fn an_exchange_is_the_seeds_record() {
        let exchange = samples::exchange(1, "What is 2+2?", Some("4"));
        assert_eq!(
            shown(exchange),
            json!({
                "_id": "m1", "message_id": "m1", "session_id": "c1", "user_id": "ada", "message": "What is 2+2?",
                "response": "4", "message_type": "user_query", "created_at": "2024-01-01T00:00:01.000000",
                "context": {"user_profile": {"age": 30}, "raw_events": {
                    "model_version": "demo-1", "usage_metadata": null, "finish_reason": "stop", "provider": null,
                    "attempts": 1, "response_id": null, "first_token_ms": null}},
                "response_time_ms": 250, "status": "done", "finish": "stop", "tokens_used": 150, "points_cost": 5,
                "cached": false, "model": "demo-1",
            })
        );
    }

    #[test]
    fn what_has_no_answer_says_why() {
        let open = shown(samples::exchange(1, "hello", None));
        assert_eq!((&open["response"], &open["status"]), (&json!(null), &json!("running")));
        assert_eq!((&open["response_time_ms"], open.get("error"), open.get("finish")), (&json!(null), None, None));
        let failed = |response| {
            let mut exchange = samples::exchange(1, "hello", Some(response));
            exchange.outcome.as_mut().unwrap().ending = Ending::Failed(Failure::Timeout);
            shown(exchange)
        };
        let view = failed("");
        assert_eq!((&view["response"], &view["status"]), (&json!(null), &json!("failed")));
        assert_eq!((&view["error"], view.get("finish")), (&json!("llm_timeout"), None));
        assert_eq!(failed("a part")["response"], "a part");
    }

    #[test]
    fn a_session_has_its_messages_or_their_number() {
        let view = serde_json::to_value(SessionView::new(samples::chat(2), 2)).unwrap();
        assert_eq!(
            view,
            json!({
                "_id": "c1", "session_id": "c1", "user_id": "ada", "title": "What is 2+2?", "is_active": true,
                "created_at": "2024-01-01T00:00:00.000000", "updated_at": "2024-01-01T00:00:02.000000", "messages": 2,
            })
        );
    }
}
