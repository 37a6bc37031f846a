//! Making an account oneself.

use super::{GRACE, GRACES_PASSWORD, login, me, not, post};
use crate::support::cloud::{ADA, AURORA, BICI, CLEO, Cloud, PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};

async fn sign_up(cloud: &Cloud, email: &str, password: &str) -> (u16, Value) {
    post(cloud, "/auth/signup", json!({"email": email, "password": password, "first_name": "Grace"})).await
}

async fn verify(cloud: &Cloud, email: &str, code: &str) -> (u16, Value) {
    post(cloud, "/auth/verify-email", json!({"email": email, "code": code})).await
}

async fn mails(cloud: &Cloud, address: &str) -> Vec<Value> {
    let response = cloud.http.get(&cloud.info.mail_url).query(&[("to", address)]).send().await.unwrap();
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_sign_up_is_proved_by_the_mailed_code_which_works_once() {
    let cloud = Cloud::start().await;
    let (status, answer) = sign_up(&cloud, " Grace@Example.com", GRACES_PASSWORD).await;
    assert_eq!((status, &answer["email"]), (200, &json!(GRACE)));
    assert!(answer.get("access_token").is_none());
    let code = cloud.code_for(GRACE).await;
    let (status, body) = verify(&cloud, GRACE, &format!(" {code} ")).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)));
    assert_eq!((&body["user"]["role"], &body["user"]["organization_id"]), (&json!("user"), &json!(AURORA)));
    assert_eq!(me(&cloud, body["access_token"].as_str().unwrap()).await.0, 200);

    assert_eq!(verify(&cloud, GRACE, &code).await.1["code"], "invalid_code");
    let (status, body) = login(&cloud, GRACE, GRACES_PASSWORD).await;
    assert_eq!((status, &body["user"]["name"]), (200, &json!("Grace")));
}

#[tokio::test]
async fn a_sign_up_of_an_address_that_has_an_account_is_answered_alike_and_changes_nothing() {
    let cloud = Cloud::start().await;
    let (_, new) = sign_up(&cloud, GRACE, GRACES_PASSWORD).await;
    let (status, known) = sign_up(&cloud, CLEO, "another password").await;
    assert_eq!(
        (status, &known["message"], known.as_object().unwrap().len()),
        (200, &new["message"], new.as_object().unwrap().len())
    );
    // Its owner is told by mail, without a code, and goes on as before.
    let mail = cloud.mail_to(CLEO).await;
    assert!(mail["subject"].as_str().unwrap().contains("already"), "{mail}");
    assert!(!mail["text"].as_str().unwrap().chars().any(|c| c.is_ascii_digit()));
    assert_eq!(login(&cloud, CLEO, "another password").await.0, 401);
    let (status, body) = login(&cloud, CLEO, PASSWORD).await;
    assert_eq!((status, &body["user"]["role"]), (200, &json!("admin")));
    assert_eq!(body["user"]["organization_id"], BICI);
    for code in ["000000", "123456"] {
        assert_eq!(verify(&cloud, CLEO, code).await.1["code"], "invalid_code");
    }
}

/// Otherwise whoever signs a stranger's address up waits in the account, with their password, for its owner.
#[tokio::test]
async fn the_password_of_a_sign_up_belongs_to_its_own_code() {
    let cloud = Cloud::start().await;
    sign_up(&cloud, GRACE, GRACES_PASSWORD).await;
    let code = cloud.code_for(GRACE).await;
    // Within a minute of the first nothing changes, and no mail follows.
    let (status, _) = sign_up(&cloud, GRACE, "the password of a stranger").await;
    assert_eq!((status, mails(&cloud, GRACE).await.len()), (200, 1));
    assert_eq!(verify(&cloud, GRACE, &code).await.0, 200);
    assert_eq!(login(&cloud, GRACE, "the password of a stranger").await.0, 401);
    assert_eq!(login(&cloud, GRACE, GRACES_PASSWORD).await.0, 200);
}

#[tokio::test]
async fn five_wrong_codes_use_the_code_up() {
    let cloud = Cloud::start().await;
    sign_up(&cloud, GRACE, GRACES_PASSWORD).await;
    let code = cloud.code_for(GRACE).await;
    // What can be no code costs no guess.
    for nonsense in ["", "12345", "1234567", "abcdef", "１２３４５６"] {
        assert_eq!(verify(&cloud, GRACE, nonsense).await.0, 400, "{nonsense}");
    }
    for _ in 0..5 {
        let (status, body) = verify(&cloud, GRACE, &not(&code)).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_code")));
    }
    let request = cloud.anonymous(Method::POST, "/auth/verify-email").json(&json!({"email": GRACE, "code": code}));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "code_exhausted");
    // An address without a code answers like one with a wrong code.
    assert_eq!(verify(&cloud, "nobody@example.com", &code).await.1["code"], "invalid_code");
}

#[tokio::test]
async fn passwords_have_a_length_and_organizations_a_door() {
    let cloud = Cloud::start().await;
    for (password, status) in [("", 400), ("1234567", 400), ("12345678", 200)] {
        assert_eq!(sign_up(&cloud, GRACE, password).await.0, status, "{password}");
    }
    let (status, body) = sign_up(&cloud, "long@example.com", &"x".repeat(1025)).await;
    assert_eq!((status, &body["code"]), (400, &json!("invalid_request")));
    for email in ["", "grace", "grace@localhost", "a#b@example.com"] {
        assert_eq!(sign_up(&cloud, email, GRACES_PASSWORD).await.0, 400, "{email}");
    }
    let into = |organization: &'static str| {
        let email = format!("{}@example.com", identity::random::new_id());
        post(
            &cloud,
            "/auth/signup",
            json!({"email": email, "password": GRACES_PASSWORD, "organization_id": organization}),
        )
    };
    assert_eq!(into(BICI).await.0, 200);
    let patch = cloud.request(Method::PATCH, "/api/admin/organization", CLEO).json(&json!({"open_sign_up": false}));
    assert_eq!(patch.send().await.unwrap().status(), 200);
    // Closed and unknown are the same to a stranger.
    let closed = into(BICI).await;
    assert_eq!((closed.0, &closed.1["code"]), (403, &json!("forbidden")));
    assert_eq!(into("no-such-organization").await, closed);
    assert_eq!(cloud.json("/api/admin/users", ADA).await["success"], true);
}
