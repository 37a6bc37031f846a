use super::*;
use crate::wire_tests::{Wire, credentials, http_client};
use aws_sdk_apigatewaymanagement::Config;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region};

fn push(wire: &Wire) -> Push {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("{}/prod", wire.endpoint))
        .credentials_provider(credentials())
        .http_client(http_client())
        .retry_config(RetryConfig::disabled())
        .build();
    Push::new(Client::from_conf(config))
}

fn id() -> ConnectionId {
    ConnectionId::parse("L0SM9cOFvHcCIhw=").unwrap()
}

#[tokio::test]
async fn a_frame_goes_to_the_escaped_connection() {
    let wire = Wire::answering(200, "", "");
    push(&wire).send(&id(), b"{\"type\":\"ping\"}").await.unwrap();
    let request = wire.requests.recv().unwrap();
    assert!(
        request.starts_with("POST /prod/@connections/L0SM9cOFvHcCIhw%3D HTTP/1.1")
            || request.starts_with("POST /prod/%40connections/L0SM9cOFvHcCIhw%3D HTTP/1.1"),
        "{request}"
    );
    assert!(request.ends_with("{\"type\":\"ping\"}"));
}

#[tokio::test]
async fn each_failure_is_told_apart_with_and_without_its_name() {
    for (status, name) in [
        (410, "GoneException"),
        (429, "LimitExceededException"),
        (413, "PayloadTooLargeException"),
        (403, "ForbiddenException"),
    ] {
        for (headers, body) in
            [(format!("x-amzn-errortype: {name}\r\n"), "{}"), (String::new(), ""), (String::new(), "not json")]
        {
            let wire = Wire::answering(status, &headers, body);
            let error = push(&wire).send(&id(), b"x").await.unwrap_err();
            let as_expected = match status {
                410 => matches!(error, PushError::Gone),
                429 => matches!(error, PushError::Throttled),
                413 => matches!(error, PushError::TooLarge),
                _ => matches!(error, PushError::Forbidden),
            };
            assert!(as_expected, "{status} {body}: {error:?}");
        }
    }
}

#[tokio::test]
async fn other_failures_keep_their_cause() {
    let wire = Wire::answering(500, "", "");
    assert!(matches!(push(&wire).send(&id(), b"x").await, Err(PushError::Failed(_))));
    let nobody = Wire { endpoint: "http://127.0.0.1:1".to_owned(), ..Wire::answering(200, "", "") };
    assert!(matches!(push(&nobody).send(&id(), b"x").await, Err(PushError::Failed(_))));
}

#[tokio::test]
async fn closing_a_gone_connection_says_so() {
    let wire = Wire::answering(410, "", "");
    assert!(matches!(push(&wire).close(&id()).await, Err(PushError::Gone)));
    assert!(wire.requests.recv().unwrap().starts_with("DELETE /prod/"));
}
