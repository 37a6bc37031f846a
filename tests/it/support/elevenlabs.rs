//! Webhooks of the voice agent: one shows a shared secret, the other is signed.

use super::cloud::{Cloud, SHARED_PHONE};
use domain::secret::Secret;
use providers::elevenlabs::signature;
use reqwest::{Method, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::now;

pub(crate) const INITIATION: &str = "/api/webhooks/elevenlabs/conversation-initiation";
pub(crate) const POST_CALL: &str = "/api/webhooks/elevenlabs/post-call";

/// When the calls of these tests began.
pub(crate) const STARTED: u64 = 1_795_183_100;

/// The stack's own voice agent, as `info.json` tells of it.
#[derive(Deserialize)]
pub(crate) struct Voice {
    pub(crate) agent_id: String,
    pub(crate) post_call_secret: Secret,
    initiation_headers: BTreeMap<String, Secret>,
}

impl Voice {
    pub(crate) fn initiation_secret(&self) -> &str {
        self.initiation_headers["X-Webhook-Secret"].expose()
    }
}

/// A voice agent of an organization's own, as its admin sets it.
pub(crate) fn own_agent(agent_id: &str) -> Value {
    json!({"elevenlabs": {
        "agent_id": agent_id, "phone_number_id": "phnum_own", "api_key": "sk_own_0123456789",
        "initiation_secret": "whsec_own_initiation", "post_call_secret": "wsec_own_post_call",
    }})
}

/// News of a call, to be changed and sent.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) turns: Vec<(&'static str, String)>,
}

impl Call {
    /// A call of a customer with no words yet.
    pub(crate) fn new(id: &str, from: &str, to: &str) -> Self {
        Self { id: id.to_owned(), from: from.to_owned(), to: to.to_owned(), turns: Vec::new() }
    }

    /// The same, with so many turns; the customer begins.
    pub(crate) fn of_turns(self, count: usize) -> Self {
        let role = |number: usize| if number.is_multiple_of(2) { "user" } else { "agent" };
        Self { turns: (0..count).map(|number| (role(number), format!("turn {number}"))).collect(), ..self }
    }

    /// A `post_call_transcription`; turns are three seconds apart.
    pub(crate) fn news(&self) -> Value {
        let turn = |(number, (role, text)): (usize, &(&str, String))| json!({"role": role, "message": text, "time_in_call_secs": 3 * number});
        let line = json!({
            "type": "twilio", "direction": "inbound", "phone_number_id": "phnum_1", "agent_number": self.to,
            "external_number": self.from, "call_result": "answered", "call_sid": "CA00112233445566770011223344556677",
        });
        json!({"type": "post_call_transcription", "event_timestamp": STARTED + 100, "data": {
            "agent_id": "agent_invented", "conversation_id": self.id, "status": "done",
            "transcript": self.turns.iter().enumerate().map(turn).collect::<Vec<_>>(),
            "metadata": {"start_time_unix_secs": STARTED, "call_duration_secs": 42, "phone_call": line},
            "analysis": {"call_successful": "success", "transcript_summary": "They talked."},
        }})
    }
}

impl Cloud {
    pub(crate) fn voice(&self) -> Voice {
        let text = std::fs::read(self.data().join("info.json")).unwrap();
        let mut info: Value = serde_json::from_slice(&text).unwrap();
        serde_json::from_value(info["elevenlabs"].take()).unwrap()
    }

    /// Exact bytes, as somebody with this secret would sign them now.
    pub(crate) fn signed_by(&self, secret: &Secret, body: impl Into<String>) -> RequestBuilder {
        let body = body.into();
        self.anonymous(Method::POST, POST_CALL)
            .header("content-type", "application/json")
            .header("elevenlabs-signature", signature::sign(body.as_bytes(), secret, now()))
            .body(body)
    }

    /// News after a call, signed with the stack's secret.
    pub(crate) async fn post_call(&self, news: &Value) -> Response {
        self.signed_by(&self.voice().post_call_secret, news.to_string()).send().await.unwrap()
    }

    /// News after a call that must be taken.
    pub(crate) async fn call_over(&self, news: &Value) {
        let response = self.post_call(news).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!((status.as_u16(), &body), (200, &json!({"success": true})));
    }

    /// The question who calls, with the stack's secret.
    pub(crate) fn initiation(&self, body: &Value) -> RequestBuilder {
        self.anonymous(Method::POST, INITIATION)
            .header("x-webhook-secret", self.voice().initiation_secret())
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// What the agent is told of a caller.
    pub(crate) async fn told_of(&self, from: &str, to: &str) -> BTreeMap<String, String> {
        let body = json!({
            "caller_id": from, "agent_id": self.voice().agent_id, "called_number": to, "call_sid": "CA00",
        });
        variables(self.initiation(&body).send().await.unwrap()).await
    }

    /// What the agent is told of BICI's well-known customer.
    pub(crate) async fn told_of_jordan(&self) -> BTreeMap<String, String> {
        self.told_of(SHARED_PHONE, super::cloud::BICI_NUMBER).await
    }

    /// Makes every request to the table wait.
    pub(crate) async fn slow_table(&self, milliseconds: u64) {
        let url = format!("{}/local/dynamodb/delay", self.info.base_url);
        let request = self.http.put(url).json(&json!({ "milliseconds": milliseconds }));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

/// The variables of an answer that is nothing but the type and nine texts.
pub(crate) async fn variables(response: Response) -> BTreeMap<String, String> {
    const NAMES: [&str; 9] = [
        "caller_type",
        "conversation_context",
        "customer_name",
        "has_conversation_history",
        "lead_status",
        "organization_id",
        "organization_name",
        "previous_summary",
        "total_messages",
    ];
    assert_eq!(response.status(), 200);
    let mut body: Value = response.json().await.unwrap();
    assert_eq!(body["type"], "conversation_initiation_client_data");
    assert_eq!(body.as_object().unwrap().len(), 2);
    let variables: BTreeMap<String, String> = serde_json::from_value(body["dynamic_variables"].take()).unwrap();
    assert_eq!(variables.keys().collect::<Vec<_>>(), NAMES);
    variables
}
