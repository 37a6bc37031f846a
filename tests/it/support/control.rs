//! Requests of people who take conversations over, write, call, and hand back.

use super::cloud::Cloud;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// Placing a call.
pub(crate) const CALL: &str = "/api/conversations/outbound-call";

/// Status and body of an answer.
pub(crate) type Answer = (u16, Value);

/// Sends a request whose answer is JSON.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// It was refused so.
#[track_caller]
pub(crate) fn assert_refused((status, body): &Answer, expected: u16, code: &str) {
    assert_eq!((*status, body["code"].as_str()), (expected, Some(code)), "{body}");
    for field in ["detail", "error", "hint", "request_id"] {
        assert!(body[field].is_string(), "{field} of {body}");
    }
}

impl Cloud {
    /// A request to one of the routes of human control, not sent yet.
    pub(crate) fn control_request(&self, action: &str, email: &str, body: &Value) -> RequestBuilder {
        let path = format!("/api/conversations/human-control/{action}");
        self.request(Method::POST, &path, email).json(body)
    }

    pub(crate) async fn control(&self, action: &str, email: &str, body: &Value) -> Answer {
        answer(self.control_request(action, email, body)).await
    }

    /// Takes over, which must succeed.
    pub(crate) async fn join(&self, phone: &str, email: &str) -> Value {
        let (status, body) = self.control("join", email, &json!({ "phoneNumber": phone })).await;
        assert_eq!(status, 200, "join: {body}");
        body
    }

    /// Hands back, which must succeed.
    pub(crate) async fn leave(&self, phone: &str, email: &str) -> Value {
        let (status, body) = self.control("leave", email, &json!({ "phoneNumber": phone })).await;
        assert_eq!(status, 200, "leave: {body}");
        body
    }

    /// Writes as the agent in control.
    pub(crate) async fn write(&self, phone: &str, email: &str, message: &str) -> Answer {
        self.control("send-message", email, &json!({"phoneNumber": phone, "message": message})).await
    }

    /// Who is in control; the number as it stands in the path.
    pub(crate) async fn control_status(&self, number: &str, email: &str) -> Value {
        self.json(&format!("/api/conversations/human-control/status/{number}"), email).await
    }

    /// Asks for a call.
    pub(crate) async fn call(&self, phone: &str, email: &str) -> Answer {
        self.call_with(email, &json!({ "phoneNumber": phone }), None).await
    }

    /// The same, with a body of the caller's own and maybe an idempotency key.
    pub(crate) async fn call_with(&self, email: &str, body: &Value, key: Option<&str>) -> Answer {
        let request = self.request(Method::POST, CALL, email).json(body);
        answer(match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        })
        .await
    }
}
