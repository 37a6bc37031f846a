//! How people may use the model, and giving them points (C11).

use super::{answer, patch, post};
use crate::support::chats::{Person, RESERVED};
use crate::support::cloud::{ADA, BEN, CLEO, Cloud, DAN, UMA};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

const SETTINGS: &str = "/api/admin/organization";

async fn ai(cloud: &Cloud, email: &str) -> Value {
    cloud.json(SETTINGS, email).await["organization"]["ai"].take()
}

fn points_of(cloud: &Cloud, email: &str) -> String {
    format!("/api/admin/users/{}/points", cloud.user(email).id)
}

async fn give(cloud: &Cloud, to: &str, key: &str, body: &Value) -> (u16, Value) {
    let request = cloud.request(Method::POST, &points_of(cloud, to), ADA);
    answer(request.header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn settings_of_the_model_change_one_by_one() {
    let cloud = Cloud::start().await;
    let (others, mut expected) = (ai(&cloud, CLEO).await, ai(&cloud, ADA).await);
    let fields: Vec<&String> = expected.as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), 7, "{fields:?}");
    for (name, value) in [
        ("tokens_per_point", json!(100)),
        ("starting_points", json!(0)),
        ("monthly_points", json!(5000)),
        ("max_tokens", json!(800)),
        ("answers_at_once", json!(1)),
        ("cache", json!(false)),
        ("instructions", json!("Be brief.\nBe kind.")),
        ("monthly_points", json!(null)),
        ("instructions", json!(null)),
    ] {
        expected[name] = value.clone();
        let (status, body) = patch(&cloud, SETTINGS, ADA, &json!({"ai": {name: value}})).await;
        assert_eq!((status, &body["organization"]["ai"]), (200, &expected), "{name}");
        assert_eq!(ai(&cloud, ADA).await, expected);
    }
    for bad in [
        json!({"tokens_per_point": 0}),
        json!({"tokens_per_point": 1_000_001}),
        json!({"starting_points": -1}),
        json!({"starting_points": 1_000_000_001}),
        json!({"max_tokens": 0, "cache": true}),
        json!({"max_tokens": 200_001}),
        json!({"answers_at_once": 51}),
        json!({"cache": "yes"}),
        json!({"instructions": "x".repeat(4001)}),
    ] {
        let (status, body) = patch(&cloud, SETTINGS, ADA, &json!({"ai": bad, "name": "New"})).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_request")), "{bad}");
    }
    assert_eq!(ai(&cloud, ADA).await, expected);
    // Other settings leave them as they are, and other organizations have their own.
    assert_eq!(patch(&cloud, SETTINGS, ADA, &json!({"name": "New"})).await.1["organization"]["ai"], expected);
    assert_eq!(ai(&cloud, CLEO).await, others);
    // What is set is what people begin with.
    assert_eq!(cloud.json("/api/usage", UMA).await["balance"], 0);
}

#[tokio::test]
async fn a_grant_is_added_and_written_down() {
    let cloud = Cloud::start().await;
    patch(&cloud, SETTINGS, ADA, &json!({"ai": {"starting_points": 100}})).await;
    let path = points_of(&cloud, UMA);
    let (status, body) = post(&cloud, &path, ADA, &json!({"points": 50, "reason": " well done "})).await;
    assert_eq!((status, body), (200, json!({"success": true, "balance": 150, "available": 150, "held": 0})));
    let uma = Person::of(&cloud, UMA).await;
    uma.ask("chat", "hello").await;
    let (_, body) = post(&cloud, &path, BEN, &json!({"points": 1})).await;
    let left = json!({"success": true, "balance": 151, "available": 151 - RESERVED, "held": RESERVED});
    assert_eq!(body, left);
    let usage = cloud.json("/api/usage", UMA).await;
    assert_eq!(usage["balance"], 151);
    let ledger: Vec<_> =
        usage["ledger"].as_array().unwrap().iter().map(|one| (&one["points"], &one["reason"])).collect();
    let [one, reason, none] = [json!(1), json!("well done"), json!("")];
    assert_eq!(ledger, [(&one, &none), (&json!(50), &reason), (&json!(100), &none)]);

    for bad in [json!({"points": 0}), json!({"points": -5}), json!({"points": 1.5}), json!({}), json!({"points": "5"})]
    {
        assert_eq!(post(&cloud, &path, ADA, &bad).await.0, 400, "{bad}");
    }
    let body = json!({"points": 5});
    for email in [UMA, DAN] {
        assert_eq!(post(&cloud, &path, email, &body).await.0, 403, "{email}");
    }
    assert_eq!(post(&cloud, &path, CLEO, &body).await.0, 404);
    assert_eq!(post(&cloud, "/api/admin/users/nobody/points", ADA, &body).await.0, 404);
    assert_eq!(cloud.json("/api/usage", UMA).await["balance"], 151);
}

#[tokio::test]
async fn a_repeated_grant_is_given_once() {
    let cloud = Cloud::start().await;
    patch(&cloud, SETTINGS, ADA, &json!({"ai": {"starting_points": 0}})).await;
    let body = json!({"points": 7, "reason": "a gift"});
    let answers = join_all((0..8).map(|_| give(&cloud, UMA, "key-1", &body))).await;
    let given = (200, json!({"success": true, "balance": 7, "available": 7, "held": 0}));
    // Those that come while it is being done are told to come back.
    assert!(answers.iter().all(|answer| *answer == given || answer.0 == 409), "{answers:?}");
    assert!(answers.contains(&given), "{answers:?}");
    assert_eq!(give(&cloud, UMA, "key-1", &body).await, given);
    for (to, other) in [(UMA, json!({"points": 8, "reason": "a gift"})), (DAN, body.clone())] {
        let (status, refusal) = give(&cloud, to, "key-1", &other).await;
        assert_eq!((status, &refusal["code"]), (409, &json!("conflict")), "{other}");
    }
    assert_eq!(give(&cloud, UMA, "key-2", &body).await.1["balance"], 14);
    // Later the first answer is still the first answer.
    assert_eq!(give(&cloud, UMA, "key-1", &body).await, given);
    for bad in ["a b", &"x".repeat(129)] {
        assert_eq!(give(&cloud, UMA, bad, &body).await.0, 400, "{bad}");
    }
    assert_eq!(cloud.json("/api/usage", UMA).await["balance"], 14);
}
