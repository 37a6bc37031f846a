//! What the providers' stand-ins have seen, and the faults they are told to play.

use super::cloud::Cloud;
use reqwest::Method;
use serde_json::Value;

/// Starts a cloud whose stand-in of a model answers as fast as it can.
pub(crate) const FAST_MODEL: [&str; 2] = ["--env", "LOCAL_LLM_TOKEN_DELAY_MS=0"];

impl Cloud {
    /// Starts one whose model is fast, with more arguments.
    pub(crate) async fn quick(arguments: &[&str]) -> Self {
        Self::with(&[&FAST_MODEL, arguments].concat()).await
    }

    async fn seen(&self, what: &str) -> Vec<Value> {
        let response = self.anonymous(Method::GET, &format!("/local/{what}?limit=1000")).send().await.unwrap();
        let mut entries: Vec<Value> = response.json().await.unwrap();
        entries.reverse();
        entries
    }

    /// Text messages that Twilio took for a number, oldest first.
    pub(crate) async fn texts_to(&self, number: &str) -> Vec<Value> {
        let mut texts = self.seen("twilio/messages").await;
        texts.retain(|text| text["to"] == number);
        texts
    }

    /// Their bodies.
    pub(crate) async fn bodies_to(&self, number: &str) -> Vec<String> {
        let texts = self.texts_to(number).await;
        texts.iter().map(|text| text["body"].as_str().unwrap().to_owned()).collect()
    }

    /// Calls that ElevenLabs took for a number, oldest first.
    pub(crate) async fn calls_to(&self, number: &str) -> Vec<Value> {
        let mut calls = self.seen("elevenlabs/calls").await;
        calls.retain(|call| call["to"] == number);
        calls
    }

    /// What the model was given whose prompt has this in it, oldest first.
    pub(crate) async fn prompts_with(&self, part: &str) -> Vec<Value> {
        let mut prompts = self.seen("llm/requests").await;
        prompts.retain(|prompt| prompt["messages"].to_string().contains(part));
        prompts
    }

    /// Tells a provider's stand-in to play a fault.
    pub(crate) async fn fault(&self, provider: &str, fault: Value) {
        let path = format!("/local/{provider}/faults");
        let response = self.anonymous(Method::POST, &path).json(&fault).send().await.unwrap();
        assert_eq!(response.status(), 200, "{fault}");
    }

    /// Tells it to play none.
    pub(crate) async fn no_faults(&self, provider: &str) {
        let path = format!("/local/{provider}/faults");
        assert_eq!(self.anonymous(Method::DELETE, &path).send().await.unwrap().status(), 200);
    }
}
