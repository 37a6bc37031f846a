//! Writing as the agent in control.

use super::{ASHA, STRANGER, contents, count, kinds};
use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BEN, Cloud};
use crate::support::control::{answer, assert_refused};
use futures_util::future::join_all;
use serde_json::{Value, json};

#[tokio::test]
async fn only_the_agent_in_control_writes() {
    let cloud = Cloud::quick(&[]).await;
    // Nobody is in control: neither of a number nobody knows, nor of one whose conversation the AI has.
    assert_refused(&cloud.write(STRANGER, ADA, "hi").await, 400, "not_under_human_control");
    cloud.text(STRANGER, AURORA_NUMBER, "Hello?").await;
    assert_refused(&cloud.write(STRANGER, ADA, "hi").await, 400, "not_under_human_control");

    let joined = cloud.join(STRANGER, ADA).await;
    let id = joined["conversation_id"].as_str().unwrap();
    assert_refused(&cloud.write(STRANGER, BEN, "hi").await, 403, "taken_over");
    let mut stream = cloud.stream(id, ADA, None).await;
    stream.until("initial").await;
    let (status, sent) = cloud.write(STRANGER, ADA, "Hello, I am Ada.").await;
    assert_eq!(status, 200, "{sent}");
    assert_eq!((&sent["delivery"], &sent["duplicate"]), (&json!("sent"), &json!(false)));
    assert_eq!((&sent["conversation_id"], &sent["organizationId"]), (&json!(id), &json!(AURORA)));
    let message = stream.until("new_messages").await.data["messages"][0].take();
    assert_eq!((&message["seq"], &message["content"]), (&sent["seq"], &json!("Hello, I am Ada.")));
    assert_eq!((&message["agent_name"], &message["actor"]), (&json!("Ada"), &json!("agent")));
    // Seed B's fields for what we do anyway change nothing.
    let body = json!({"phoneNumber": STRANGER, "message": "And?", "messageType": "sms", "priority": "high"});
    assert_eq!(cloud.control("send-message", ADA, &body).await.0, 200);

    cloud.leave(STRANGER, ADA).await;
    assert_refused(&cloud.write(STRANGER, ADA, "late").await, 400, "not_under_human_control");
    let ours: Vec<String> = cloud.bodies_to(STRANGER).await;
    assert_eq!(ours.iter().filter(|body| ["Hello, I am Ada.", "And?"].contains(&body.as_str())).count(), 2);
    assert!(!ours.iter().any(|body| body == "late" || body == "hi"), "{ours:?}");
}

#[tokio::test]
async fn a_message_has_up_to_1600_characters_as_they_are() {
    let cloud = Cloud::start().await;
    let id = cloud.join(STRANGER, ADA).await["conversation_id"].take();
    let texts = ["x".to_owned(), "é".repeat(1600), "line one\nline\ttwo 🚲".to_owned()];
    for text in &texts {
        let (status, body) = cloud.write(STRANGER, ADA, text).await;
        assert_eq!((status, &body["delivery"]), (200, &json!("sent")), "{body}");
    }
    assert_refused(&cloud.write(STRANGER, ADA, &"é".repeat(1601)).await, 400, "invalid_request");
    assert_eq!(cloud.bodies_to(STRANGER).await, texts);
    assert_eq!(contents(&cloud.snapshot(id.as_str().unwrap(), ADA).await), texts);
}

async fn with_key(cloud: &Cloud, key: &str, phone: &str, message: &str) -> (u16, Value) {
    let body = json!({"phoneNumber": phone, "message": message});
    answer(cloud.control_request("send-message", ADA, &body).header("idempotency-key", key)).await
}

#[tokio::test]
async fn a_repeated_request_sends_one_message() {
    let cloud = Cloud::start().await;
    let id = cloud.join(STRANGER, ADA).await["conversation_id"].take();
    let answers = join_all((0..8).map(|_| with_key(&cloud, "key-1", STRANGER, "once"))).await;
    let seq = answers[0].1["seq"].clone();
    assert!(answers.iter().all(|(status, body)| *status == 200 && body["seq"] == seq), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, body)| body["duplicate"] == false).count(), 1);
    let (status, again) = with_key(&cloud, "key-1", STRANGER, "once").await;
    assert_eq!((status, &again["duplicate"], &again["delivery"]), (200, &json!(true), &json!("sent")));
    assert_eq!(cloud.bodies_to(STRANGER).await, ["once"]);
    // Another key is another message, even of the same words; so is no key.
    assert_eq!(with_key(&cloud, "key-2", STRANGER, "once").await.1["duplicate"], false);
    assert_eq!(cloud.write(STRANGER, ADA, "once").await.1["duplicate"], false);
    assert_eq!(cloud.bodies_to(STRANGER).await.len(), 3);
    assert_eq!(count(&cloud, AURORA, id.as_str().unwrap(), "human_message_sent").await, 3);
    for key in ["a b", "a#b", &"x".repeat(101)] {
        assert_refused(&with_key(&cloud, key, STRANGER, "once").await, 400, "invalid_request");
    }
}

/// A key stands for one message: with other words, or to somebody else, it is a mistake that must not pass for a success.
#[tokio::test]
async fn a_key_that_was_used_for_another_message_is_refused() {
    let cloud = Cloud::start().await;
    let id = cloud.join(ASHA, ADA).await["conversation_id"].take();
    cloud.join(STRANGER, ADA).await;
    assert_eq!(with_key(&cloud, "key-1", STRANGER, "first").await.0, 200);
    assert_refused(&with_key(&cloud, "key-1", STRANGER, "second").await, 409, "conflict");
    assert_refused(&with_key(&cloud, "key-1", ASHA, "first").await, 409, "conflict");
    assert_eq!(with_key(&cloud, "key-1", STRANGER, "first").await.1["duplicate"], true);
    assert_eq!(cloud.bodies_to(STRANGER).await, ["first"]);
    assert_eq!(kinds(&cloud, AURORA, id.as_str().unwrap()).await, ["human_control_started"]);
}

#[tokio::test]
async fn whoever_opted_out_gets_nothing_until_they_opt_in() {
    let cloud = Cloud::quick(&[]).await;
    cloud.text(STRANGER, AURORA_NUMBER, "Hello").await;
    cloud.join(STRANGER, ADA).await;
    cloud.text(STRANGER, AURORA_NUMBER, "STOP").await;
    assert_refused(&cloud.write(STRANGER, ADA, "wait!").await, 409, "opted_out");
    cloud.text(STRANGER, AURORA_NUMBER, "START").await;
    assert_eq!(cloud.write(STRANGER, ADA, "welcome back").await.0, 200);
    let ours = cloud.bodies_to(STRANGER).await;
    assert_eq!(ours.last().unwrap(), "welcome back");
    assert!(!ours.iter().any(|body| body == "wait!"), "{ours:?}");
}
