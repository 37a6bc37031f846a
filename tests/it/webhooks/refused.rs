//! What is not taken.

use super::{STRANGER, STRANGERS_CONVERSATION, conversations};
use crate::support::cloud::{ADA, AURORA_NUMBER, Cloud};
use crate::support::in_time;
use crate::support::twilio::{INCOMING, STATUS, Sms};
use domain::secret::Secret;
use providers::twilio::signature;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const FORM: &str = "application/x-www-form-urlencoded";

fn post(cloud: &Cloud, path: &str, content_type: &str, body: &str) -> RequestBuilder {
    cloud.anonymous(Method::POST, path).header("content-type", content_type).body(body.to_owned())
}

fn sign(cloud: &Cloud, path: &str, body: &str) -> String {
    let token = Secret::new(&cloud.info.twilio.as_ref().unwrap().auth_token);
    signature::sign(&format!("{}{path}", cloud.info.public_base_url), body.as_bytes(), &token)
}

/// The body of a refusal without what differs by design.
async fn refusal(response: Response) -> Value {
    assert_eq!(response.status(), 403);
    let mut body: Value = response.json().await.unwrap();
    assert!(body.as_object_mut().unwrap().remove("request_id").is_some());
    body
}

#[tokio::test]
async fn what_twilio_has_not_signed_is_refused_without_a_reason() {
    let cloud = Cloud::silent().await;
    let form = Sms::new(STRANGER, AURORA_NUMBER, "Let me in").form(&cloud);
    let tampered = form.replace("Let+me+in", "Let+us+in");
    assert_ne!(form, tampered);
    let good = sign(&cloud, INCOMING, &form);
    let foreign = Secret::new("0123456789abcdef0123456789abcdef");
    let url = format!("{}{INCOMING}", cloud.info.public_base_url);
    let of_another_account = signature::sign(&url, form.as_bytes(), &foreign);
    let of_another_url = signature::sign(&format!("https://example.com{INCOMING}"), form.as_bytes(), &foreign);
    let request = |content_type, body| post(&cloud, INCOMING, content_type, body);
    let longer = format!("{form}&NumMedia=1");
    let cases = [
        ("no signature", request(FORM, &form)),
        ("an empty signature", request(FORM, &form).header("x-twilio-signature", "")),
        ("nonsense", request(FORM, &form).header("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")),
        ("a tampered body", request(FORM, &tampered).header("x-twilio-signature", &good)),
        ("one more field", request(FORM, &longer).header("x-twilio-signature", &good)),
        ("another account", request(FORM, &form).header("x-twilio-signature", of_another_account)),
        ("another host", request(FORM, &form).header("x-twilio-signature", of_another_url)),
        ("another path", request(FORM, &form).header("x-twilio-signature", sign(&cloud, STATUS, &form))),
        (
            "a query that was not signed",
            post(&cloud, &format!("{INCOMING}?a=b"), FORM, &form).header("x-twilio-signature", &good),
        ),
        ("plain text", request("text/plain", &form).header("x-twilio-signature", &good)),
        (
            "a shared key that is not ours",
            request(FORM, &form)
                .header("x-twilio-signature", &good)
                .header("x-twilio-webhooks-signature-settings", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"),
        ),
        ("an unknown number", request(FORM, "To=%2B14155550000&From=%2B14155550001&Body=hi")),
        ("an empty body", request(FORM, "").header("x-twilio-signature", &good)),
    ];
    let expected = json!({
        "detail": "Forbidden", "error": "Forbidden", "code": "invalid_signature",
        "hint": "Check the credentials and the URL that the sender is configured with.",
    });
    for (case, request) in cases {
        assert_eq!(refusal(request.send().await.unwrap()).await, expected, "{case}");
    }
    assert!(conversations(&cloud, STRANGERS_CONVERSATION, ADA).await.is_empty());
    // The same message, signed, is fine: none of the refusals has used up its id.
    let response = request(FORM, &form).header("x-twilio-signature", good).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(conversations(&cloud, STRANGERS_CONVERSATION, ADA).await.len(), 1);
}

/// A form of either route with one field changed, or left out.
fn form(path: &str, name: &str, value: Option<&str>) -> String {
    // The organization's number is the receiver of a message and the sender in a status.
    let (from, to) = if path == INCOMING { (STRANGER, AURORA_NUMBER) } else { (AURORA_NUMBER, STRANGER) };
    let whole = [("MessageSid", "SM1"), ("AccountSid", "AC1"), ("From", from), ("To", to), ("MessageStatus", "sent")];
    let others = whole.into_iter().filter(|field| field.0 != name);
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others.chain(value.map(|value| (name, value))))
        .finish()
}

async fn answer(cloud: &Cloud, path: &str, form: String) -> (u16, Value) {
    let response = cloud.signed(path, form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_number_of_nobody_is_not_found() {
    let cloud = Cloud::silent().await;
    for (path, own) in [(INCOMING, "To"), (STATUS, "From")] {
        let (status, body) = answer(&cloud, path, form(path, own, Some("+14155550000"))).await;
        assert_eq!((status, &body["code"]), (404, &json!("not_found")), "{path}");
        assert!(!body.to_string().contains("14155550"), "{body}");
    }
}

#[tokio::test]
async fn a_signed_form_with_gaps_or_nonsense_is_a_bad_request_that_names_the_field() {
    let cloud = Cloud::silent().await;
    let needed = ["MessageSid", "AccountSid", "From", "To", "MessageStatus"];
    for (path, needed) in [(INCOMING, &needed[..4]), (STATUS, &needed[..])] {
        for name in needed {
            for value in [None, Some("")] {
                let (status, body) = answer(&cloud, path, form(path, name, value)).await;
                assert_eq!((status, &body["code"]), (400, &json!("invalid_request")), "{path} {name}");
                assert_eq!(body["detail"], format!("the field {name} is missing"));
            }
        }
    }
    for (path, name, value) in [
        (INCOMING, "MessageSid", "SM#1"),
        (INCOMING, "AccountSid", "AC 1"),
        (INCOMING, "From", "\u{7}"),
        (INCOMING, "From", "+1#2"),
        (INCOMING, "To", "\u{7}"),
        (STATUS, "MessageStatus", "exploded"),
    ] {
        let (status, body) = answer(&cloud, path, form(path, name, Some(value))).await;
        assert_eq!((status, &body["detail"]), (400, &json!(format!("the field {name} is not valid"))));
    }
}

#[tokio::test]
async fn a_json_body_is_taken_as_signed_only_with_its_hash() {
    let cloud = Cloud::silent().await;
    // The SHA-256 of the body.
    let (body, hash) = (r#"{"a":1}"#, "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
    let token = Secret::new(&cloud.info.twilio.as_ref().unwrap().auth_token);
    let send = |query: String, body: &'static str| {
        let path = format!("{INCOMING}{query}");
        let signature = signature::sign(&format!("{}{path}", cloud.info.public_base_url), b"", &token);
        post(&cloud, &path, "application/json", body).header("x-twilio-signature", signature).send()
    };
    // Twilio's, but no message: what is signed passes the signature and fails as a form.
    let response = send(format!("?bodySHA256={hash}"), body).await.unwrap();
    assert_eq!(response.status(), 400);
    for (query, body) in [
        (format!("?bodySHA256={hash}"), r#"{"a":2}"#),
        (format!("?bodySHA256={}", hash.to_uppercase()), body),
        ("?bodySHA256=".to_owned(), body),
        (String::new(), body),
    ] {
        let response = send(query.clone(), body).await.unwrap();
        assert_eq!(response.status(), 403, "{query}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limits_is_refused_by_the_gateway() {
    let cloud = Cloud::silent().await;
    // More than an event of a function may hold.
    let form = Sms::new(STRANGER, AURORA_NUMBER, "x".repeat(7 << 20)).form(&cloud);
    let response = cloud.signed(INCOMING, form).send().await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({"message": "Request Too Long"}));

    // More than API Gateway takes at all: refused by its announced length, before any of it is sent.
    let host = cloud.info.base_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!("POST {INCOMING} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n", 11 << 20);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time("a refusal", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with(r#"{"message":"Request Too Long"}"#), "{answer}");
    assert!(conversations(&cloud, STRANGERS_CONVERSATION, ADA).await.is_empty());
}
