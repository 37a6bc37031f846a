use super::*;
use crate::wire_tests::{Wire, credentials, http_client};
use aws_sdk_sesv2::Config;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::{BehaviorVersion, Region};

fn mailer(wire: &Wire) -> Mailer {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&wire.endpoint)
        .credentials_provider(credentials())
        .http_client(http_client())
        .retry_config(RetryConfig::disabled())
        .build();
    Mailer::new(Client::from_conf(config), "Switchboard <no-reply@example.com>")
}

#[tokio::test]
async fn a_mail_is_sent_as_plain_text() {
    let wire = Wire::answering(200, "content-type: application/json\r\n", r#"{"MessageId":"1"}"#);
    let mail = Mail::sign_in_code("123456", 10);
    mailer(&wire).send("ada@example.com", &mail).await.unwrap();
    let request = wire.requests.recv().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v2/email/outbound-emails "), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["Destination"]["ToAddresses"][0], "ada@example.com");
    assert_eq!(body["Content"]["Simple"]["Subject"]["Data"], "Your sign-in code");
    let text = body["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap();
    assert!(text.contains("\n    123456\n") && text.contains("10 minutes"), "{text}");
}

#[tokio::test]
async fn a_subject_stays_one_line() {
    let wire = Wire::answering(200, "content-type: application/json\r\n", "{}");
    let mail = Mail { subject: "Hi\r\nBcc: eve@example.com".to_owned(), text: String::new() };
    mailer(&wire).send("ada@example.com", &mail).await.unwrap();
    let request = wire.requests.recv().unwrap();
    assert!(request.contains("Hi  Bcc: eve@example.com") && !request.contains("\\nBcc"), "{request}");
    let invitation = Mail::invitation("ACME\r\nX: 1", "Eve\nY: 2", "https://example.com/i/1", 7);
    assert_eq!(invitation.subject, "Eve Y: 2 invites you to ACME  X: 1");
}

#[tokio::test]
async fn failures_say_whether_to_retry_and_never_name_the_address() {
    for (status, name, kind) in [
        (400, "MessageRejected", ErrorKind::Rejected),
        (400, "MailFromDomainNotVerifiedException", ErrorKind::Forbidden),
        (400, "SendingPausedException", ErrorKind::Forbidden),
        (429, "TooManyRequestsException", ErrorKind::Throttled),
        (403, "AccessDeniedException", ErrorKind::Forbidden),
        (503, "", ErrorKind::Unavailable),
    ] {
        let body = r#"{"message":"Email address is not verified: ada@example.com"}"#;
        let wire = Wire::answering(status, &format!("x-amzn-errortype: {name}\r\n"), body);
        let error = mailer(&wire).send("ada@example.com", &Mail::verification_code("1", 1)).await.unwrap_err();
        assert_eq!((error.kind, error.provider), (kind, Provider::Email), "{name}");
        assert!(!format!("{error:?} {error}").contains("ada@"), "{error:?}");
    }
}

#[test]
fn debug_output_shows_no_content() {
    assert_eq!(format!("{:?}", Mail::sign_in_code("123456", 10)), "Mail(***)");
}
