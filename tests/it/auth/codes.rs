//! Signing in by password and mailed code.

use super::{credentials, login, me, not, post, send};
use crate::support::cloud::{ADA, BEN, Cloud, PASSWORD, UMA};
use reqwest::Method;
use serde_json::{Value, json};

async fn verify(cloud: &Cloud, email: &str, code: &str) -> (u16, Value) {
    post(cloud, "/auth/verify-signin", json!({"email": email, "code": code})).await
}

#[tokio::test]
async fn a_sign_in_asks_for_the_mailed_code_which_works_once() {
    let cloud = Cloud::start().await;
    let response = send(&cloud, "/auth/signin", &credentials(UMA, PASSWORD)).await;
    assert!(super::cookies(response.headers()).is_empty());
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["requires_code"], true);
    assert!(body.get("access_token").is_none());

    let code = cloud.code_for(UMA).await;
    // It is a code for this, and for nothing else and nobody else.
    let (_, refused) = post(&cloud, "/auth/verify-email", json!({"email": UMA, "code": code})).await;
    assert_eq!(refused["code"], "invalid_code");
    assert_eq!(verify(&cloud, ADA, &code).await.1["code"], "invalid_code");
    assert_eq!(verify(&cloud, UMA, &not(&code)).await.1["code"], "invalid_code");
    let (status, body) = verify(&cloud, UMA, &code).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("bearer")));
    assert_eq!(me(&cloud, body["access_token"].as_str().unwrap()).await.0, 200);
    assert_eq!(verify(&cloud, UMA, &code).await.1["code"], "invalid_code");
}

#[tokio::test]
async fn of_many_who_send_the_right_code_at_once_one_gets_in() {
    let cloud = Cloud::start().await;
    send(&cloud, "/auth/signin", &credentials(UMA, PASSWORD)).await;
    let code = cloud.code_for(UMA).await;
    let answers = futures_util::future::join_all((0..4).map(|_| verify(&cloud, UMA, &code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.0 == 200).count(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_code_ends_with_its_time() {
    let cloud = Cloud::with(&["--env", "CODE_SECONDS=-1"]).await;
    assert_eq!(send(&cloud, "/auth/signin", &credentials(UMA, PASSWORD)).await.status(), 200);
    let code = cloud.code_for(UMA).await;
    let (status, body) = verify(&cloud, UMA, &code).await;
    assert_eq!((status, &body["code"]), (400, &json!("invalid_code")));
}

#[tokio::test]
async fn five_wrong_codes_use_a_sign_in_up() {
    let cloud = Cloud::start().await;
    send(&cloud, "/auth/signin", &credentials(UMA, PASSWORD)).await;
    let code = cloud.code_for(UMA).await;
    for _ in 0..5 {
        assert_eq!(verify(&cloud, UMA, &not(&code)).await.0, 400);
    }
    let (status, body) = verify(&cloud, UMA, &code).await;
    assert_eq!((status, &body["code"]), (429, &json!("code_exhausted")));
}

#[tokio::test]
async fn an_organization_may_ask_for_a_code_at_every_login() {
    let cloud = Cloud::start().await;
    let request = cloud.request(Method::PATCH, "/api/admin/organization", ADA);
    let response = request.json(&json!({"sign_in_code_required": true})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let response = send(&cloud, "/login", &credentials(BEN, PASSWORD)).await;
    assert!(super::cookies(response.headers()).is_empty());
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["success"], &body["requires_code"]), (&json!(false), &json!(true)));
    assert!(body.get("access_token").is_none());
    let code = cloud.code_for(BEN).await;
    let (status, body) = verify(&cloud, BEN, &code).await;
    assert_eq!((status, &body["admin_id"]), (200, &json!("admin_ben")));
    // The other organization goes on as before.
    assert_eq!(login(&cloud, crate::support::cloud::CLEO, PASSWORD).await.1["success"], true);
}

#[tokio::test]
async fn whoever_is_deactivated_between_password_and_code_stays_out() {
    let cloud = Cloud::start().await;
    send(&cloud, "/auth/signin", &credentials(BEN, PASSWORD)).await;
    let code = cloud.code_for(BEN).await;
    let path = format!("/api/admin/users/{}", cloud.user(BEN).id);
    let response = cloud.request(Method::PATCH, &path, ADA).json(&json!({"active": false})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let (status, body) = verify(&cloud, BEN, &code).await;
    assert_eq!((status, &body["code"]), (401, &json!("invalid_credentials")));
}
