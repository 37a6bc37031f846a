//! The way of a reply: the queue, the prompt, the log, the customer's telephone.

use super::cloud::Cloud;
use super::eventually;
use super::threads::{contact_of, log_of};
use domain::conversation::Conversation;
use domain::event::{Event, EventBody};
use domain::sms::MessageStatus;
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use store::{Tenant, Thread, now};

/// A sum whose answer no other question has.
pub(crate) fn sum(number: usize) -> String {
    format!("What is {number} + 1000?")
}

impl Cloud {
    /// Starts one whose reply queue gives a failed job again after the function's time limit, the least there is, and not
    /// after six times that: time may then run slower, so that functions have the time they need on a busy machine.
    pub(crate) async fn with_early_retries(time_scale: u32, arguments: &[&str]) -> Self {
        let template = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml")).unwrap();
        let visibility = "VisibilityTimeout: 360";
        assert_eq!(template.matches(visibility).count(), 1);
        let template = template.replace(visibility, "VisibilityTimeout: 60");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("template.yaml");
        std::fs::write(&path, template).unwrap();
        let scale = time_scale.to_string();
        Self::with(&[&["--template", path.to_str().unwrap(), "--time-scale", &scale], arguments].concat()).await
    }

    /// The JSON that a path under `/local` answers with.
    pub(crate) async fn local(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.anonymous(method, &format!("/local/{path}"));
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// What Twilio was given for a customer, oldest first, once there is so much.
    pub(crate) async fn texted(&self, number: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} texts to {number}"), || async {
            Some(self.texts_to(number).await).filter(|texts| texts.len() >= count)
        })
        .await
    }

    /// The prompts of replies so far, oldest first; each a list of messages.
    pub(crate) async fn prompts(&self) -> Vec<Value> {
        let all = self.local(Method::GET, "llm/requests?limit=10000", Value::Null).await;
        let reply = |prompt: &Value| prompt[0]["content"].as_str().unwrap().starts_with("You answer text messages");
        all.as_array().unwrap().iter().rev().map(|one| one["messages"].clone()).filter(reply).collect()
    }

    /// The prompts whose last words have this in them, once there are any.
    pub(crate) async fn asked(&self, words: &str) -> Vec<Value> {
        eventually(&format!("a prompt with {words}"), || async {
            let mut prompts = self.prompts().await;
            prompts.retain(|prompt| last_words(prompt).contains(words));
            (!prompts.is_empty()).then_some(prompts)
        })
        .await
    }

    /// The reply queue's numbers.
    pub(crate) async fn reply_queue(&self) -> Value {
        self.metrics().await["queues"]["ReplyQueue"].take()
    }

    /// The replies that were given up.
    pub(crate) async fn dead_letters(&self) -> Vec<Value> {
        let queues = self.local(Method::GET, "queues", Value::Null).await;
        let queue = queues.as_array().unwrap().iter().find(|queue| queue["name"] == "ReplyQueue").unwrap();
        queue["dead_letters"].as_array().unwrap().clone()
    }

    /// Waits until everything has been done that follows from what is in the log, and every message is with Twilio.
    pub(crate) async fn settled(&self) {
        let store = self.store().await;
        eventually("the end of all follow-ups", || async {
            let queue = self.reply_queue().await;
            if ["waiting", "in_flight"].iter().any(|count| queue[count] != 0) {
                return None;
            }
            let records = self.stream_records().await;
            let follows = |record: &&Value| record["dynamodb"]["NewImage"]["follow_up"]["S"].is_string();
            let follow_ups: BTreeSet<String> =
                records.iter().filter(follows).map(|record| record["eventID"].to_string()).collect();
            let all = queue["sent"].as_u64().unwrap() >= follow_ups.len() as u64;
            let unsent = store.outbox(now().plus_seconds(60), 1).await.unwrap();
            (all && unsent.is_empty()).then_some(())
        })
        .await;
    }

    /// A person takes over, hands back or writes.
    pub(crate) async fn human_control(&self, what: &str, body: Value, email: &str) -> Value {
        let (status, answer) = self.control(what, email, &body).await;
        assert_eq!(status, 200, "{what}: {answer}");
        answer
    }
}

/// What the customer said last, as the model was given it.
pub(crate) fn last_words(prompt: &Value) -> &str {
    let messages = prompt.as_array().unwrap();
    messages
        .iter()
        .rfind(|message| message["role"] == "user")
        .map_or("", |message| message["content"].as_str().unwrap())
}

/// Everything with a customer so far.
pub(crate) async fn history(tenant: &Tenant, number: &str) -> Vec<Event> {
    log_of(tenant, &Thread::Contact(contact_of(number))).await
}

/// The conversation by text message that is going on with a customer.
pub(crate) async fn conversation_with(tenant: &Tenant, number: &str) -> Conversation {
    let id = tenant.timeline(&contact_of(number)).await.unwrap().open_sms.unwrap();
    tenant.conversation(&id).await.unwrap().unwrap()
}

/// The AI's answers: number and text of each.
pub(crate) fn answers(events: &[Event]) -> Vec<(u64, &str)> {
    let answer = |event: &&Event| matches!(event.body, EventBody::SmsSent { .. });
    events.iter().filter(answer).filter_map(|event| Some((event.seq, event.body.sent_text()?.text))).collect()
}

/// How far the log says that a message of ours is.
pub(crate) fn reached(events: &[Event], seq: u64) -> Option<MessageStatus> {
    let status = |event: &Event| match event.body {
        EventBody::SmsStatus { message_seq, status, .. } if message_seq == seq => Some(status),
        _ => None,
    };
    events.iter().rev().find_map(status)
}

/// Waits until the log says that all messages of ours to a customer arrived; the log then.
pub(crate) async fn all_delivered(tenant: &Tenant, number: &str) -> Vec<Event> {
    eventually(&format!("the delivery of all to {number}"), || async {
        let events = history(tenant, number).await;
        let ours = events.iter().filter(|event| event.body.sent_text().is_some());
        let arrived = ours.into_iter().all(|event| reached(&events, event.seq) == Some(MessageStatus::Delivered));
        arrived.then_some(events)
    })
    .await
}
