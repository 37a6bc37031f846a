use super::*;
use crate::server_tests::{Server, Step, answer};
use serde_json::{Value, json};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../tests/vectors/webhook_payloads/elevenlabs.json")).unwrap()
}

async fn call(url: &str) -> Result<CallPlaced, CallError> {
    let mut client = ElevenLabsClient::new(http::client(), url);
    client.timeout = Duration::from_millis(300);
    let account = ElevenLabsAccount {
        api_key: Secret::new("a key"),
        agent_id: "agent_1".to_owned(),
        phone_number_id: "phnum_1".to_owned(),
    };
    let to = PhoneNumber::from_provider("+14017122661").unwrap();
    let variables = [("customer_name".to_owned(), "Ann".to_owned())].into();
    let call = OutboundCall { to: &to, user_id: Some("lead_1"), dynamic_variables: &variables };
    client.call(&account, &call).await
}

#[tokio::test]
async fn a_call_names_agent_number_and_variables() {
    let server = Server::answering(&[(200, &vectors()["outbound_call_200"].to_string())]);
    let placed = call(&server.url).await.unwrap();
    assert_eq!(placed.conversation_id.as_deref(), Some("conv_4"));
    assert_eq!(placed.call_sid.as_deref(), Some("CA00112233445566770011223344556677"));
    let request = server.request();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/convai/twilio/outbound-call HTTP/1.1"), "{head}");
    assert!(head.contains("xi-api-key: a key"), "{head}");
    let expected = json!({
        "agent_id": "agent_1", "agent_phone_number_id": "phnum_1", "to_number": "+14017122661",
        "conversation_initiation_client_data": {"user_id": "lead_1", "dynamic_variables": {"customer_name": "Ann"}},
    });
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), expected);
}

#[tokio::test]
async fn ids_may_be_absent_and_must_be_ids() {
    for ids in ["", r#","conversation_id":null,"callSid":null"#, r#","conversation_id":"a#b","callSid":7"#] {
        let server = Server::answering(&[(200, &format!(r#"{{"success":true{ids}}}"#))]);
        assert_eq!(call(&server.url).await.unwrap(), CallPlaced { conversation_id: None, call_sid: None });
    }
}

#[tokio::test]
async fn a_refusal_has_its_reason_without_numbers() {
    let vectors = vectors();
    let long = json!({"detail": format!("No calls\nto +14017122661 {}", "x".repeat(300))}).to_string();
    for (status, body, expected) in [
        (200, vectors["outbound_call_200_failed"].to_string(), "The number +*… is unverified."),
        (422, vectors["error_422"].to_string(), "body.to_number: Field required"),
        (404, json!({"detail": {"status": "x", "message": "No agent agent_12"}}).to_string(), "No agent agent_**"),
        (400, long, "No calls to +***********"),
        (400, "<html>".to_owned(), "no reason given"),
        (400, json!({"detail": 7}).to_string(), "no reason given"),
        (200, json!({"success": false}).to_string(), "no reason given"),
    ] {
        let server = Server::answering(&[(status, &body)]);
        let error = call(&server.url).await.unwrap_err();
        let CallError::Refused { reason } = error else { panic!("{status}: {error:?}") };
        assert!(reason.starts_with(expected) && reason.chars().count() <= 200, "{reason}");
    }
}

#[tokio::test]
async fn who_was_surely_not_called_is_told_apart() {
    for (status, kind) in [(429, ErrorKind::Throttled), (401, ErrorKind::Forbidden), (403, ErrorKind::Forbidden)] {
        let server = Server::answering(&[(status, &vectors()["error_401"].to_string())]);
        let error = call(&server.url).await.unwrap_err();
        assert!(matches!(&error, CallError::NotPlaced(cause) if cause.kind == kind), "{status}: {error:?}");
    }
    assert!(matches!(call(&Server::nobody()).await, Err(CallError::NotPlaced(_))));
    for (script, kind) in [
        (vec![Step::Hold], ErrorKind::TimedOut),
        (vec![], ErrorKind::Unavailable),
        (vec![answer(500, "text/html", "<html>")], ErrorKind::Unavailable),
        (vec![answer(503, "text/html", "<html>")], ErrorKind::Unavailable),
        (vec![answer(504, "text/html", "<html>")], ErrorKind::TimedOut),
        (vec![answer(200, "text/html", "<html>")], ErrorKind::Unavailable),
        (vec![answer(200, "application/json", r#"{"conversation_id":"conv_1"}"#)], ErrorKind::Unavailable),
    ] {
        let server = Server::playing(vec![script]);
        let error = call(&server.url).await.unwrap_err();
        assert!(matches!(&error, CallError::Unknown(cause) if cause.kind == kind), "{kind:?}: {error:?}");
        let shown = format!("{error:?}");
        assert!(!shown.contains("127.0.0.1") && !shown.contains("key"), "{shown}");
    }
}
