//! `POST /api/admin/setup`: the first organization of a fresh stack.

use super::{answer, login};
use crate::support::cloud::Cloud;
use crate::support::twilio::INCOMING;
use domain::secret::Secret;
use providers::twilio::signature;
use reqwest::{Method, Response};
use serde_json::{Value, json};

const TOKEN: &str = "the-set-up-token-of-this-test";
const NUMBER: &str = "+14155550110";

/// A fresh stack: no organization, nobody, and credentials of our choice.
async fn fresh() -> Cloud {
    let token = format!("SETUP_TOKEN={TOKEN}");
    Cloud::with(&["--no-demo", "--env", &token]).await
}

fn request() -> Value {
    json!({
        "organization": {
            "id": "acme", "name": " Acme ", "timezone": "Europe/Berlin", "region": "US",
            "phone_numbers": ["(415) 555-0110", NUMBER, "22395"],
        },
        "admin": {"email": "Grace@Example.com", "password": "correct horse", "first_name": "Grace", "last_name": "Hopper"},
    })
}

async fn set_up(cloud: &Cloud, token: Option<&str>, body: &Value) -> (u16, Value) {
    let request = cloud.anonymous(Method::POST, "/api/admin/setup").json(body);
    answer(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

/// Twilio's, for a stack without demo data.
async fn text(cloud: &Cloud, to: &str) -> Response {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("MessageSid", "SM1"),
            ("AccountSid", "AC1"),
            ("From", "+14155550999"),
            ("To", to),
            ("Body", "hi"),
        ])
        .finish();
    let url = format!("{}{INCOMING}", cloud.info.public_base_url);
    let signature = signature::sign(&url, form.as_bytes(), &cloud.secret("TWILIO_AUTH_TOKEN"));
    let request = cloud.anonymous(Method::POST, INCOMING).header("x-twilio-signature", signature);
    request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap()
}

#[tokio::test]
async fn a_fresh_stack_is_set_up_once_and_then_works() {
    let cloud = fresh().await;
    assert_eq!(text(&cloud, NUMBER).await.status(), 404);
    for (token, code) in [(None, "missing_token"), (Some("wrong"), "invalid_token"), (Some(""), "invalid_token")] {
        let (status, body) = set_up(&cloud, token, &request()).await;
        assert_eq!((status, &body["code"]), (401, &json!(code)), "{token:?}");
    }
    assert_eq!(login(&cloud, "grace@example.com", "correct horse").await.0, 401);

    let (status, body) = set_up(&cloud, Some(TOKEN), &request()).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!((&body["organization"]["name"], &body["organization"]["id"]), (&json!("Acme"), &json!("acme")));
    assert_eq!(body["organization"]["phone_numbers"], json!([NUMBER, "22395"]));
    assert_eq!((&body["admin"]["email"], &body["admin"]["role"]), (&json!("grace@example.com"), &json!("admin")));
    assert!(!body.to_string().contains("correct horse"));

    let (status, body) = set_up(&cloud, Some(TOKEN), &request()).await;
    assert_eq!((status, &body["code"]), (409, &json!("conflict")));
    let (status, session) = login(&cloud, "grace@example.com", "correct horse").await;
    assert_eq!((status, &session["user"]["name"]), (200, &json!("Grace Hopper")));
    assert_eq!(text(&cloud, NUMBER).await.status(), 200);
    let token = session["access_token"].as_str().unwrap();
    let (_, listing) = answer(cloud.anonymous(Method::GET, "/api/conversations").bearer_auth(token)).await;
    assert_eq!(listing["conversations"][0]["mobile_no"], "+14155550999");
    let zone = listing["conversations"][0]["timestamp"].as_str().unwrap();
    assert!(zone.ends_with("+01:00") || zone.ends_with("+02:00"), "Berlin: {zone}");
}

#[tokio::test]
async fn a_set_up_that_is_refused_leaves_nothing_behind() {
    let cloud = fresh().await;
    let with = |pointer: &str, value: Value| {
        let mut body = request();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for body in [
        with("/admin/password", json!("short")),
        with("/admin/email", json!("grace")),
        with("/organization/name", json!(" ")),
        with("/organization/name", json!("two\nlines")),
        with("/organization/id", json!("a#b")),
        with("/organization/timezone", json!("Mars/Olympus")),
        with("/organization/region", json!("ZZZ")),
        with("/organization/phone_numbers", json!(["nobody"])),
        json!({}),
    ] {
        let (status, answer) = set_up(&cloud, Some(TOKEN), &body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_request")), "{body}");
    }
    assert_eq!(set_up(&cloud, Some(TOKEN), &request()).await.0, 201);
}

#[tokio::test]
async fn of_many_who_set_up_at_once_one_does() {
    let cloud = fresh().await;
    let body = request();
    let answers = futures_util::future::join_all((0..3).map(|_| set_up(&cloud, Some(TOKEN), &body))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.0).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
}

#[tokio::test]
async fn a_stack_with_an_organization_is_not_set_up_again() {
    let cloud = Cloud::start().await;
    let made_up = cloud.secret("SETUP_TOKEN");
    assert_ne!(made_up, Secret::default());
    let (status, body) = set_up(&cloud, Some(made_up.expose()), &request()).await;
    assert_eq!((status, &body["code"]), (409, &json!("conflict")));
}

#[tokio::test]
async fn without_a_set_up_token_nobody_sets_up() {
    let cloud = Cloud::with(&["--no-demo", "--env", "SETUP_TOKEN="]).await;
    for token in [None, Some(""), Some("x")] {
        assert_eq!(set_up(&cloud, token, &request()).await.0, 401, "{token:?}");
    }
}
