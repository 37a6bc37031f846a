//! Taking over, calling and the inbox of one organization, seen from another that has the same customer (G8).

use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BICI, BICI_NUMBER, CLEO, Cloud};
use reqwest::Method;
use serde_json::{Value, json};

/// A customer of both.
const CUSTOMER: &str = "+14155550188";
const BASE: &str = "/api/conversations/human-control";

async fn post(cloud: &Cloud, path: &str, email: &str, body: Value) -> (u16, Value) {
    let response = cloud.request(Method::POST, path, email).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn control(cloud: &Cloud, action: &str, email: &str, body: Value) -> (u16, Value) {
    post(cloud, &format!("{BASE}/{action}"), email, body).await
}

async fn under_control(cloud: &Cloud, email: &str) -> Value {
    cloud.json(&format!("{BASE}/status/{CUSTOMER}"), email).await["isUnderHumanControl"].take()
}

#[tokio::test]
async fn a_takeover_in_one_organization_is_none_in_the_other() {
    let cloud = Cloud::silent().await;
    for number in [AURORA_NUMBER, BICI_NUMBER] {
        cloud.text(CUSTOMER, number, "hello").await;
    }
    let phone = json!({"phoneNumber": CUSTOMER});
    let (status, joined) = control(&cloud, "join", CLEO, phone.clone()).await;
    assert_eq!((status, &joined["organizationId"]), (200, &json!(BICI)), "{joined}");
    assert_eq!((under_control(&cloud, ADA).await, under_control(&cloud, CLEO).await), (false.into(), true.into()));

    let (status, refused) =
        control(&cloud, "send-message", ADA, json!({"phoneNumber": CUSTOMER, "message": "Hi"})).await;
    assert_eq!((status, &refused["code"]), (400, &json!("not_under_human_control")));
    let (status, refused) = post(&cloud, "/api/conversations/outbound-call", CLEO, phone.clone()).await;
    assert_eq!((status, &refused["code"]), (409, &json!("under_human_control")));
    let (status, called) = post(&cloud, "/api/conversations/outbound-call", ADA, phone).await;
    assert_eq!((status, &called["organizationId"]), (200, &json!(AURORA)), "{called}");
}

#[tokio::test]
async fn nobody_takes_over_writes_in_or_hands_back_a_strangers_conversation() {
    let cloud = Cloud::silent().await;
    let (_, joined) = control(&cloud, "join", CLEO, json!({"phoneNumber": CUSTOMER})).await;
    let theirs = &joined["conversation_id"];
    for action in ["join", "send-message", "heartbeat", "leave"] {
        for (body, code) in [
            (json!({"conversation_id": theirs, "message": "Hi"}), "other_organization"),
            (json!({"phoneNumber": CUSTOMER, "organizationId": BICI, "message": "Hi"}), "other_organization"),
        ] {
            let (status, refused) = control(&cloud, action, ADA, body).await;
            assert_eq!((status, &refused["code"]), (403, &json!(code)), "{action}");
        }
        let (status, _) =
            control(&cloud, action, ADA, json!({"conversation_id": "conv_1_nobodys", "message": "Hi"})).await;
        assert_eq!(status, 404, "{action}");
    }
    assert_eq!(under_control(&cloud, CLEO).await, true);
    let (status, left) = control(&cloud, "leave", CLEO, json!({"conversation_id": theirs})).await;
    assert_eq!(status, 200, "{left}");
}

#[tokio::test]
async fn the_inbox_is_each_organizations_own() {
    let cloud = Cloud::silent().await;
    cloud.text(CUSTOMER, BICI_NUMBER, "hello").await;
    let inbox = async |email| cloud.json("/api/admin/webhooks", email).await["webhooks"].take();
    assert_eq!(inbox(ADA).await, json!([]));
    let theirs = inbox(CLEO).await;
    assert_eq!((&theirs[0]["verdict"], &theirs[0]["replayable"]), (&json!("accepted"), &json!(true)), "{theirs}");
    let path = format!("/api/admin/webhooks/{}/replay", theirs[0]["id"].as_str().unwrap());
    let (status, refused) = post(&cloud, &path, ADA, json!({})).await;
    assert_eq!((status, &refused["code"]), (404, &json!("not_found")));
    let (status, replayed) = post(&cloud, &path, CLEO, json!({})).await;
    assert_eq!((status, &replayed["verdict"]), (200, &json!("duplicate")), "{replayed}");
    assert_eq!(inbox(CLEO).await[0]["replays"], 1);
}
