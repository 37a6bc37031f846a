//! News that are not ElevenLabs'.

use super::{STRANGER, STRANGERS_CONVERSATION, conversations};
use crate::support::cloud::{BICI_NUMBER, CLEO, Cloud};
use crate::support::elevenlabs::{Call, POST_CALL};
use domain::secret::Secret;
use domain::time::Timestamp;
use providers::elevenlabs::signature;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use store::now;

async fn refusal(response: Response) -> Value {
    assert_eq!(response.status(), 403);
    let mut body: Value = response.json().await.unwrap();
    assert!(body.as_object_mut().unwrap().remove("request_id").is_some());
    body
}

#[tokio::test]
async fn what_elevenlabs_has_not_signed_is_refused_without_a_reason() {
    let cloud = Cloud::start().await;
    let body = Call::new("conv_1", STRANGER, BICI_NUMBER).of_turns(3).news().to_string();
    let tampered = body.replace("turn 1", "turn X");
    let secret = cloud.voice().post_call_secret;
    let at = |seconds: i64| Timestamp::from_millis(now().millis() + seconds * 1000);
    let good = signature::sign(body.as_bytes(), &secret, at(0));
    let (time, hash) = good.split_once(',').unwrap();
    let of_an_hour_ago = at(-3600).seconds();
    let cases = [
        ("no signature", None, &body),
        ("an empty one", Some(String::new()), &body),
        ("nonsense", Some("signed, honestly".to_owned()), &body),
        ("no time", Some(hash.to_owned()), &body),
        ("no hash", Some(time.to_owned()), &body),
        ("another scheme", Some(good.replace("v0=", "v1=")), &body),
        ("too old", Some(signature::sign(body.as_bytes(), &secret, at(-31 * 60))), &body),
        ("another time than signed", Some(format!("t={of_an_hour_ago},{hash}")), &body),
        ("from the future", Some(signature::sign(body.as_bytes(), &secret, at(6 * 60))), &body),
        ("a tampered body", Some(good.clone()), &tampered),
        ("another secret", Some(signature::sign(body.as_bytes(), &Secret::new("wsec_other"), at(0))), &body),
        ("an empty secret", Some(signature::sign(body.as_bytes(), &Secret::new(""), at(0))), &body),
    ];
    let expected = json!({
        "detail": "Forbidden", "error": "Forbidden", "code": "invalid_signature",
        "hint": "Check the credentials and the URL that the sender is configured with.",
    });
    for (case, signature, body) in cases {
        let mut request = cloud.anonymous(Method::POST, POST_CALL).header("content-type", "application/json");
        if let Some(signature) = signature {
            request = request.header("elevenlabs-signature", signature);
        }
        assert_eq!(refusal(request.body(body.clone()).send().await.unwrap()).await, expected, "{case}");
    }
    assert!(conversations(&cloud, STRANGERS_CONVERSATION, CLEO).await.is_empty());
    // Signed 29 minutes ago it is late, and taken.
    let late = signature::sign(body.as_bytes(), &secret, at(-29 * 60));
    let request = cloud.anonymous(Method::POST, POST_CALL).header("elevenlabs-signature", late).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(conversations(&cloud, STRANGERS_CONVERSATION, CLEO).await.len(), 1);
}

#[tokio::test]
async fn what_is_signed_and_cannot_be_read_is_a_bad_request() {
    let cloud = Cloud::start().await;
    let secret = cloud.voice().post_call_secret;
    for body in [
        "",
        "not JSON",
        "[]",
        "{}",
        "{\"type\": null}",
        "{\"type\": \"post_call_transcription\"}",
        "{\"type\": \"post_call_transcription\", \"data\": {\"conversation_id\": \"a#b\"}}",
    ] {
        let response = cloud.signed_by(&secret, body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "invalid_request", "{body}");
        let unsigned = cloud.anonymous(Method::POST, POST_CALL).body(body).send().await.unwrap();
        assert_eq!(unsigned.status(), 403, "{body}");
    }
}
