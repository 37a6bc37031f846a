//! Chats over a socket: saying something, and what comes back.

use super::cloud::Cloud;
use super::socket::Socket;
use super::{DEADLINE, eventually};
use domain::chat::{Exchange, Outcome};
use domain::ids::ChatId;
use serde_json::{Value, json};
use std::time::Duration;

impl Socket {
    /// Says something; the client's part of it is `frame`.
    pub(crate) async fn ask(&mut self, message: &str, frame: Value) {
        let mut said = json!({ "message": message });
        said.as_object_mut().unwrap().extend(frame.as_object().unwrap().clone());
        self.send(said).await;
    }

    /// Says something and takes what comes: `typing`, then, its words apart, this frame.
    pub(crate) async fn answered(&mut self, message: &str, frame: Value) -> Value {
        self.ask(message, frame).await;
        assert_eq!(self.next().await.unwrap()["type"], "typing");
        loop {
            let frame = self.next().await.unwrap();
            if frame["type"] != "token" {
                return frame;
            }
        }
    }

    /// Says something in a chat, or a new one, and waits for its response.
    pub(crate) async fn response(&mut self, message: &str, session: Option<&str>) -> Value {
        let response = self.answered(message, json!({ "session_id": session })).await;
        assert_eq!(response["type"], "response", "{response}");
        response
    }

    /// The frames until the end of an answer, and that: `response` or `error`.
    pub(crate) async fn until_the_end(&mut self) -> (Vec<Value>, Value) {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await.expect("a frame before the connection closes");
            if frame["type"] == "response" || frame["type"] == "error" {
                return (frames, frame);
            }
            frames.push(frame);
        }
    }

    pub(crate) async fn stop(&mut self, session: &str) {
        self.send(json!({"action": "stop", "session_id": session})).await;
    }

    pub(crate) async fn resume(&mut self, session: &str) {
        self.send(json!({"action": "resume", "session_id": session})).await;
    }
}

/// The words told by token frames; asserts that they are in order.
pub(crate) fn words(frames: &[Value]) -> String {
    let tokens: Vec<&Value> = frames.iter().filter(|frame| frame["type"] == "token").collect();
    assert!(tokens.is_sorted_by(|a, b| a["seq"].as_u64().unwrap() < b["seq"].as_u64().unwrap()), "{tokens:?}");
    tokens.iter().map(|token| token["content"].as_str().unwrap()).collect()
}

/// Types of frames, tokens that follow each other as one.
pub(crate) fn kinds(frames: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

/// A field that is a text.
pub(crate) fn text<'a>(frame: &'a Value, name: &str) -> &'a str {
    frame[name].as_str().unwrap_or_else(|| panic!("{name} in {frame}"))
}

impl Cloud {
    /// The model takes its time between two words where this is in the question.
    pub(crate) async fn slowly(&self, contains: &str, milliseconds: u64) {
        self.fault("llm", json!({"kind": "pace", "contains": contains, "token_delay_ms": milliseconds})).await;
    }

    /// The model says this where that is in the question.
    pub(crate) async fn model_says(&self, contains: &str, text: &str) {
        self.fault("llm", json!({"kind": "say", "contains": contains, "text": text})).await;
    }

    /// A demo user's exchange in a chat, as it is kept.
    pub(crate) async fn exchange(&self, email: &str, session: &str, number: u64) -> Option<Exchange> {
        let tenant = self.tenant(&self.user(email).organization_id).await;
        tenant.exchange(&ChatId::parse(session).unwrap(), number).await.unwrap()
    }

    /// How an exchange ended, once it has.
    pub(crate) async fn outcome(&self, email: &str, session: &str, number: u64) -> Outcome {
        eventually("the end of an exchange", || async {
            self.exchange(email, session, number).await.and_then(|exchange| exchange.outcome)
        })
        .await
    }

    /// The same, of one whose question a dead function held: it has to come again.
    pub(crate) async fn late_outcome(&self, email: &str, session: &str, number: u64) -> Outcome {
        let outcome = async {
            loop {
                if let Some(exchange) = self.exchange(email, session, number).await
                    && let Some(outcome) = exchange.outcome
                {
                    return outcome;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(3 * DEADLINE, outcome).await.expect("the end of an exchange, however late")
    }

    /// What a demo user can spend, what is set aside, and what was spent.
    pub(crate) async fn purse(&self, email: &str) -> (u64, u64, u64) {
        let balance = self.balance(email).await;
        (balance.available, balance.held, balance.spent)
    }
}
