//! Questions to the model over `llm-stream`, and the streams of their answers (seed C).

use super::cloud::Cloud;
use super::control::{Answer, answer};
use super::eventually;
use super::sse::{Block, Sse};
use domain::ids::UserId;
use domain::points::AiSettings;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use store::{Balance, LedgerEntry, Tenant};

/// Asks with everything a question can have.
pub(crate) const ASK: &str = "/api/stream/stream-conversation";
/// Distance between the event numbers of two exchanges of a chat.
pub(crate) const EVENTS: u64 = 1_000_000;

/// So many words, each a token of its own.
pub(crate) fn words(count: usize) -> String {
    (1..=count).map(|number| format!("word{number} ")).collect()
}

/// The events of one answer, as far as they were read.
#[derive(Clone, Debug)]
pub(crate) struct Told(pub(crate) Vec<Block>);

impl Told {
    /// Everything until the stream ends.
    pub(crate) async fn rest(stream: &mut Sse) -> Self {
        let mut blocks = Vec::new();
        while let Some(block) = stream.next().await {
            blocks.push(block);
        }
        Self(blocks)
    }

    /// The first events of a stream, until their tokens are as long as this. Tokens that come at once travel together, so
    /// their number is not known.
    pub(crate) async fn until(stream: &mut Sse, text: &str) -> Self {
        let mut told = Self(Vec::new());
        while told.text().len() < text.len() {
            told.0.push(stream.next().await.expect("the stream goes on"));
        }
        told
    }

    /// Number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.0.last().and_then(|block| block.id).expect("a number")
    }

    /// The tokens put together.
    pub(crate) fn text(&self) -> String {
        self.tokens().map(|block| block.data["content"].as_str().unwrap()).collect()
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Block> {
        self.0.iter().filter(|block| block.name() == "token")
    }

    /// The first event's data.
    pub(crate) fn metadata(&self) -> &Value {
        assert_eq!(self.0[0].name(), "metadata", "{:?}", self.0);
        &self.0[0].data
    }

    /// The chat.
    pub(crate) fn chat(&self) -> &str {
        self.metadata()["interaction_id"].as_str().unwrap()
    }

    /// The last event's data.
    pub(crate) fn end(&self) -> &Value {
        &self.0.last().expect("something was told").data
    }

    /// One answer from its first event to its last, each in its place and with its number; gives its text.
    #[track_caller]
    pub(crate) fn assert_whole(&self, number: u64) -> String {
        let base = (number - 1) * EVENTS;
        self.metadata();
        self.assert_follows(base);
        let text = self.text();
        if self.end()["type"] == "complete" {
            assert_eq!(self.end()["content"], text);
        }
        text
    }

    /// The events follow one upon another from the one numbered `first`, the last being the only end.
    #[track_caller]
    pub(crate) fn assert_follows(&self, first: u64) {
        let ids: Vec<_> = self.0.iter().map(|block| block.id.expect("every event is numbered")).collect();
        assert_eq!(ids, (first..first + self.0.len() as u64).collect::<Vec<_>>());
        let ends = |block: &Block| matches!(block.name(), "complete" | "error");
        assert_eq!(self.0.iter().position(ends), Some(self.0.len() - 1), "{:?}", self.0);
        assert!(self.0.iter().all(|block| block.event.is_none() && block.retry.is_none()));
    }

    /// The answer failed so.
    #[track_caller]
    pub(crate) fn assert_failed(&self, code: &str) {
        let end = self.end();
        assert_eq!((&end["type"], &end["code"]), (&json!("error"), &json!(code)), "{end}");
        assert!(end["error"].is_string() && end["hint"].is_string() && end["timestamp"].is_f64(), "{end}");
    }
}

impl Cloud {
    /// A question, not sent yet.
    pub(crate) fn ask(&self, email: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, ASK, email).json(body)
    }

    /// A question whose answer is read as it comes.
    pub(crate) async fn asking(&self, email: &str, body: Value) -> Sse {
        Sse::open(self.ask(email, &body)).await
    }

    /// A question with its answer to the end.
    pub(crate) async fn told(&self, email: &str, body: Value) -> Told {
        Told::rest(&mut self.asking(email, body).await).await
    }

    /// A question that is refused, or whose answer is JSON.
    pub(crate) async fn ask_json(&self, email: &str, body: &Value) -> Answer {
        answer(self.ask(email, body).header("accept", "application/json")).await
    }

    /// A question by `GET`; `query` are its parameters.
    pub(crate) fn simple(&self, email: &str, query: &[(&str, &str)]) -> RequestBuilder {
        self.get("/api/stream/stream-simple", email).query(query)
    }

    /// Coming back to a chat's answer.
    pub(crate) fn resume(&self, email: &str, chat: &str, last: Option<u64>) -> RequestBuilder {
        let request = self.get(&format!("/api/stream/interactions/{chat}"), email);
        match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        }
    }

    /// What comes of an answer after an event.
    pub(crate) async fn resumed(&self, email: &str, chat: &str, last: Option<u64>) -> Told {
        Told::rest(&mut Sse::open(self.resume(email, chat, last)).await).await
    }

    /// Stops a chat's answer.
    pub(crate) async fn stop(&self, email: &str, chat: &str) -> Answer {
        answer(self.request(Method::POST, &format!("/api/stream/interactions/{chat}/stop"), email)).await
    }

    /// What the model says to questions with this in them, and how.
    pub(crate) async fn model(&self, contains: &str, faults: &[Value]) {
        for fault in faults {
            let mut fault = fault.clone();
            fault["contains"] = contains.into();
            self.fault("llm", fault).await;
        }
    }

    /// Requests for the model with this in them, once each of them is over.
    pub(crate) async fn asked_model(&self, part: &str) -> Vec<Value> {
        eventually("the end of what the model was asked", || async {
            let requests = self.prompts_with(part).await;
            requests.iter().all(|request| request["outcome"] != "answering").then_some(requests)
        })
        .await
    }

    /// Whose data a demo user's are.
    pub(crate) async fn tenant_of(&self, email: &str) -> (Tenant, UserId) {
        let user = self.user(email);
        (self.tenant(&user.organization_id).await, UserId::parse(&user.id).unwrap())
    }

    /// A person's points.
    pub(crate) async fn balance(&self, email: &str) -> Balance {
        let (tenant, user) = self.tenant_of(email).await;
        let starting_points = tenant.organization().await.unwrap().unwrap().ai.starting_points;
        tenant.balance(&user, starting_points).await.unwrap()
    }

    /// A person's ledger, which must be their balance.
    pub(crate) async fn ledger(&self, email: &str) -> Vec<LedgerEntry> {
        let (tenant, user) = self.tenant_of(email).await;
        let balance = self.balance(email).await;
        let ledger = tenant.whole_ledger(&user).await.unwrap();
        let sum: i64 = ledger.iter().map(|entry| entry.points).sum();
        assert_eq!(sum, balance.total() as i64, "{ledger:?} of {balance:?}");
        ledger
    }

    /// Changes how an organization uses the model.
    pub(crate) async fn set_ai(&self, organization: &str, change: impl FnOnce(&mut AiSettings)) {
        let tenant = self.tenant(organization).await;
        let mut record = tenant.organization().await.unwrap().unwrap();
        change(&mut record.ai);
        tenant.update_organization(&record).await.unwrap();
    }

    /// Waits until no answer of a person is under way.
    pub(crate) async fn nothing_under_way(&self, email: &str) -> Balance {
        eventually("the end of all answers", || async {
            Some(self.balance(email).await).filter(|balance| balance.running.is_empty())
        })
        .await
    }
}
