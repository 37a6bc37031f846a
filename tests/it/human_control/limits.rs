//! How often people may write and call (B29, G7).

use super::STRANGER;
use crate::support::cloud::{ADA, BEN, CLEO, Cloud, SHARED_PHONE};
use crate::support::control::{CALL, assert_refused};
use reqwest::Method;
use serde_json::json;

/// Requests until one is refused, and how it was. A window may end between two of them, so there may be as many as two
/// windows take.
async fn until_refused(max: usize, mut ask: impl AsyncFnMut(usize) -> reqwest::Response) {
    for done in 0..=2 * max {
        let response = ask(done).await;
        if response.status() == 200 {
            continue;
        }
        let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        let status = response.status().as_u16();
        assert_refused(&(status, response.json().await.unwrap()), 429, "rate_limited");
        assert!(done >= max, "refused after {done}");
        return;
    }
    panic!("never refused");
}

#[tokio::test]
async fn who_writes_too_much_waits_and_nobody_else_does() {
    let cloud = Cloud::with(&["--env", "SENDS_PER_MINUTE=3"]).await;
    cloud.join(STRANGER, BEN).await;
    cloud.join(SHARED_PHONE, CLEO).await;
    // Ada writes where she must not: that counts too.
    let body = json!({"phoneNumber": STRANGER, "message": "hi"});
    for _ in 0..7 {
        let (status, _) = cloud.control("send-message", ADA, &body).await;
        if status == 429 {
            break;
        }
        assert_eq!(status, 403);
    }
    let send = async |n: usize| {
        let body = json!({"phoneNumber": STRANGER, "message": format!("message {n}")});
        cloud.control_request("send-message", BEN, &body).send().await.unwrap()
    };
    until_refused(3, send).await;
    let sent = cloud.bodies_to(STRANGER).await;
    assert!((3..=8).contains(&sent.len()), "{sent:?}");
    // A takeover with a message is a message.
    let join = json!({"phoneNumber": "+14155550188", "customMessage": "hello"});
    assert_refused(&cloud.control("join", BEN, &join).await, 429, "rate_limited");
    // Reading and signs of life are free; and another organization is not affected.
    cloud.control_status(STRANGER, BEN).await;
    assert_eq!(cloud.control("heartbeat", BEN, &body).await.0, 200);
    assert_eq!(cloud.write(SHARED_PHONE, CLEO, "hello from BICI").await.0, 200);
}

#[tokio::test]
async fn who_calls_too_much_waits_and_nobody_else_does() {
    let cloud = Cloud::with(&["--env", "CALLS_PER_MINUTE=1"]).await;
    let call = async |n: usize| {
        let body = json!({ "phoneNumber": format!("+1415555018{n}") });
        cloud.request(Method::POST, CALL, ADA).json(&body).send().await.unwrap()
    };
    until_refused(1, call).await;
    assert_eq!(cloud.call("+14155550171", BEN).await.0, 200, "another person");
    assert_eq!(cloud.call(SHARED_PHONE, CLEO).await.0, 200, "another organization");
    // Writing is counted apart.
    cloud.join(STRANGER, ADA).await;
}
