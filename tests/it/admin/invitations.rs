//! Invitations, from the mail to the new colleague.

use super::{answer, delete, login, post};
use crate::support::cloud::{ADA, AURORA, BEN, CLEO, Cloud};
use reqwest::Method;
use serde_json::{Value, json};

const INVITATIONS: &str = "/api/admin/invitations";
const GRACE: &str = "grace@example.com";

async fn invite(cloud: &Cloud, email: &str, role: &str) -> (u16, Value) {
    post(cloud, INVITATIONS, ADA, &json!({"email": email, "role": role})).await
}

/// What the link in the newest mail holds, as the page that opens it sends it.
async fn accepting(cloud: &Cloud, email: &str) -> Value {
    let mail = cloud.mail_to(email).await;
    let text = mail["text"].as_str().unwrap().to_owned();
    let (_, link) = text.split_once("/#/invitation?").unwrap();
    let query = link.split_whitespace().next().unwrap();
    let mut body: Value =
        form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), json!(value))).collect();
    body["password"] = json!("correct horse");
    body["first_name"] = json!("Grace");
    body
}

async fn accept(cloud: &Cloud, body: &Value) -> (u16, Value) {
    answer(cloud.anonymous(Method::POST, "/auth/accept-invitation").json(body)).await
}

async fn open(cloud: &Cloud) -> Vec<String> {
    let list = cloud.json(INVITATIONS, ADA).await;
    let all = list["invitations"].as_array().unwrap();
    all.iter().map(|invitation| invitation["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_invited_person_becomes_a_colleague_once() {
    let cloud = Cloud::start().await;
    let (status, body) = invite(&cloud, "Grace@Example.com", "agent").await;
    assert_eq!((status, &body["invitation"]["email"]), (201, &json!(GRACE)));
    assert_eq!(open(&cloud).await, [GRACE]);
    let accepted = accepting(&cloud, GRACE).await;
    let secret = accepted["secret"].as_str().unwrap();
    assert!(!body.to_string().contains(secret) && !cloud.json(INVITATIONS, ADA).await.to_string().contains(secret));
    let mail = cloud.mail_to(GRACE).await;
    assert!(mail["text"].as_str().unwrap().contains(&format!("{}/#/invitation?", cloud.info.public_base_url)));

    for (field, wrong) in [("secret", "wrong"), ("invitation_id", "another"), ("organization_id", "bici-demo")] {
        let mut body = accepted.clone();
        body[field] = json!(wrong);
        let (status, body) = accept(&cloud, &body).await;
        assert_eq!((status, &body["code"]), (404, &json!("not_found")), "{field}");
    }
    let mut short = accepted.clone();
    short["password"] = json!("short");
    assert_eq!(accept(&cloud, &short).await.0, 400);

    let (status, session) = accept(&cloud, &accepted).await;
    assert_eq!((status, &session["user"]["role"]), (200, &json!("agent")));
    assert_eq!((&session["user"]["organization_id"], &session["user"]["name"]), (&json!(AURORA), &json!("Grace")));
    let token = session["access_token"].as_str().unwrap();
    let listing = cloud.anonymous(Method::GET, "/api/conversations").bearer_auth(token).send().await.unwrap();
    assert_eq!(listing.status(), 200);
    assert_eq!(login(&cloud, GRACE, "correct horse").await.0, 200);
    assert_eq!(accept(&cloud, &accepted).await.0, 404);
    assert!(open(&cloud).await.is_empty());
    // Who is one of them already is not invited again.
    for email in [GRACE, BEN] {
        assert_eq!(invite(&cloud, email, "admin").await.0, 409, "{email}");
    }
}

#[tokio::test]
async fn a_withdrawn_or_replaced_invitation_opens_nothing() {
    let cloud = Cloud::start().await;
    invite(&cloud, GRACE, "admin").await;
    let first = accepting(&cloud, GRACE).await;
    let (_, body) = invite(&cloud, GRACE, "agent").await;
    assert_eq!(open(&cloud).await, [GRACE]);
    assert_eq!(accept(&cloud, &first).await.0, 404);
    let second = accepting(&cloud, GRACE).await;
    assert_ne!(first["secret"], second["secret"]);

    let path = format!("{INVITATIONS}/{}", body["invitation"]["id"].as_str().unwrap());
    assert_eq!(delete(&cloud, &path, CLEO).await.0, 404);
    assert_eq!(delete(&cloud, &path, ADA).await, (200, json!({"success": true})));
    assert_eq!(delete(&cloud, &path, ADA).await.0, 404);
    assert_eq!(accept(&cloud, &second).await.0, 404);
    assert!(open(&cloud).await.is_empty());
}

#[tokio::test]
async fn of_many_who_accept_at_once_one_gets_the_account() {
    let cloud = Cloud::start().await;
    invite(&cloud, GRACE, "agent").await;
    let body = accepting(&cloud, GRACE).await;
    let answers = futures_util::future::join_all((0..3).map(|_| accept(&cloud, &body))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.0).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 404, 409].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn somebody_of_another_organization_may_be_invited_but_does_not_change_sides_by_it() {
    let cloud = Cloud::start().await;
    // The inviter is not told that the address has an account elsewhere.
    assert_eq!(invite(&cloud, CLEO, "agent").await.0, 201);
    let body = accepting(&cloud, CLEO).await;
    let (status, answer) = accept(&cloud, &body).await;
    assert_eq!((status, &answer["code"]), (409, &json!("conflict")));
    assert_eq!(login(&cloud, CLEO, crate::support::cloud::PASSWORD).await.1["user"]["organization_id"], "bici-demo");
    assert_eq!(login(&cloud, CLEO, "correct horse").await.0, 401);
}

#[tokio::test]
async fn an_invitation_needs_an_address_and_a_role() {
    let cloud = Cloud::start().await;
    for body in [
        json!({}),
        json!({"email": GRACE}),
        json!({"email": GRACE, "role": "king"}),
        json!({"email": "grace", "role": "agent"}),
        json!({"email": "a\r\nBcc: x@example.com", "role": "agent"}),
    ] {
        let (status, answer) = post(&cloud, INVITATIONS, ADA, &body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_request")), "{body}");
    }
    assert!(open(&cloud).await.is_empty());
}
