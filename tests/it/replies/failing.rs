//! Providers that fail: the queue and the sweep try again, and the customer gets one answer, or operators a notice.

use crate::support::cloud::{BICI, BICI_NUMBER, CLEO, Cloud};
use crate::support::eventually;
use crate::support::pipeline::{all_delivered, answers, conversation_with, history, reached, sum};
use crate::support::threads::contact_of;
use domain::event::{Event, EventBody, Notice};
use domain::sms::MessageStatus;
use reqwest::Method;
use serde_json::{Value, json};

/// Two seconds between two attempts of the queue, a third of one between two sweeps.
const QUICK: [&str; 8] = [
    "--time-scale",
    "180",
    "--env",
    "SMS_PATIENCE_SECONDS=1",
    "--env",
    "LLM_SECONDS=2",
    "--env",
    "LOCAL_LLM_TOKEN_DELAY_MS=1",
];

fn customer(number: usize) -> String {
    format!("+141555508{number:02}")
}

fn notices(log: &[Event], wanted: Notice) -> usize {
    let is_it = |event: &&Event| matches!(event.body, EventBody::System { notice, .. } if notice == wanted);
    log.iter().filter(is_it).count()
}

#[tokio::test]
async fn a_model_that_fails_for_a_while_is_asked_again_and_each_customer_gets_one_answer() {
    let cloud = Cloud::with(&QUICK).await;
    let tenant = cloud.tenant(BICI).await;
    // One failure is more than the provider layer makes up for by itself, where it tries again at once.
    let faults = [
        json!({"kind": "fail", "times": 2}),
        json!({"kind": "fail", "tokens": 3, "times": 1}),
        json!({"kind": "rate_limit", "times": 1}),
        json!({"kind": "garbage", "times": 2}),
        json!({"kind": "empty", "times": 2}),
        json!({"kind": "stop_after", "tokens": 2, "times": 1}),
        json!({"kind": "delay", "delay_ms": 6000, "times": 1}),
        json!({"kind": "say", "text": " ", "times": 1}),
    ];
    let count = faults.len();
    for (number, mut fault) in faults.into_iter().enumerate() {
        fault["contains"] = sum(number).into();
        cloud.fault("llm", fault).await;
        cloud.text(&customer(number), BICI_NUMBER, &sum(number)).await;
    }
    for number in 0..count {
        cloud.texted(&customer(number), 1).await;
    }
    cloud.settled().await;
    let left = cloud.local(Method::GET, "llm/faults", Value::Null).await;
    assert_eq!(left, json!([]), "all were played");
    for number in 0..count {
        let texts = cloud.texts_to(&customer(number)).await;
        assert_eq!(texts.len(), 1, "{number}: {texts:?}");
        assert!(texts[0]["body"].as_str().unwrap().contains(&(1000 + number).to_string()), "{number}: {texts:?}");
        let log = history(&tenant, &customer(number)).await;
        assert_eq!((answers(&log).len(), notices(&log, Notice::ReplyFailed)), (1, 0), "{number}: {log:?}");
    }
    let queue = cloud.reply_queue().await;
    assert!(queue["failed"].as_u64().unwrap() >= count as u64 - 1, "{queue}");
    assert!(cloud.dead_letters().await.is_empty());
}

#[tokio::test]
async fn what_no_model_answers_becomes_a_dead_letter_with_a_notice_and_can_be_done_again() {
    let cloud = Cloud::with(&QUICK).await;
    let tenant = cloud.tenant(BICI).await;
    let customer = customer(0);
    cloud.fault("llm", json!({"kind": "fail"})).await;
    cloud.text(&customer, BICI_NUMBER, &sum(1)).await;

    let letters = eventually("a dead letter", || async {
        Some(cloud.dead_letters().await).filter(|letters| !letters.is_empty())
    })
    .await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let mut stream = cloud.contact_stream(contact_of(&customer).as_str(), "load=false", CLEO, Some(0)).await;
    assert_eq!(stream.until("system").await.data["notice"], "reply_failed");
    assert!(conversation_with(&tenant, &customer).await.wants_reply(), "still unanswered");
    assert!(cloud.texts_to(&customer).await.is_empty());

    cloud.no_faults("llm").await;
    let moved = cloud.local(Method::POST, "queues/ReplyDeadLetters/redrive", Value::Null).await;
    assert_eq!(moved, json!({"moved": 1}));
    cloud.texted(&customer, 1).await;
    cloud.settled().await;
    assert_eq!(cloud.texts_to(&customer).await.len(), 1);
    let log = all_delivered(&tenant, &customer).await;
    assert_eq!((answers(&log).len(), notices(&log, Notice::ReplyFailed)), (1, 1), "{log:?}");
    assert!(cloud.dead_letters().await.is_empty());
}

#[tokio::test]
async fn whatever_twilio_does_it_gets_each_message_once() {
    let cloud = Cloud::with(&QUICK).await;
    let tenant = cloud.tenant(BICI).await;
    let kinds = [("fail", 1), ("timeout", 1), ("drop_response", 1), ("rate_limit", 3), ("fail", 3), ("timeout", 3)];
    for (number, (kind, times)) in kinds.into_iter().enumerate() {
        cloud.fault("twilio", json!({"kind": kind, "times": times, "number": customer(number)})).await;
        cloud.text(&customer(number), BICI_NUMBER, &sum(number)).await;
    }
    let undelivered = customer(kinds.len());
    cloud.fault("twilio", json!({"kind": "undelivered", "number": undelivered})).await;
    cloud.text(&undelivered, BICI_NUMBER, &sum(0)).await;
    for number in 0..=kinds.len() {
        cloud.texted(&customer(number), 1).await;
    }
    cloud.settled().await;
    for (number, (kind, times)) in kinds.into_iter().enumerate() {
        let log = all_delivered(&tenant, &customer(number)).await;
        let texts = cloud.texts_to(&customer(number)).await;
        assert_eq!((texts.len(), answers(&log).len()), (1, 1), "{kind} {times}: {texts:?}");
    }
    let log = eventually("the failed delivery", || async {
        let log = history(&tenant, &undelivered).await;
        let [(seq, _)] = answers(&log)[..] else { panic!("{log:?}") };
        (reached(&log, seq) == Some(MessageStatus::Undelivered)).then_some(log)
    })
    .await;
    assert!(log.iter().any(|event| matches!(event.body, EventBody::SmsStatus { error_code: Some(30003), .. })));
    assert_eq!(cloud.texts_to(&undelivered).await.len(), 1, "what did not arrive is not sent again");
    assert!(cloud.dead_letters().await.is_empty());
}

#[tokio::test]
async fn without_a_model_operators_are_told_once_per_question_and_nothing_is_tried_again() {
    let cloud = Cloud::with(&["--env", "LLM_BASE_URL="]).await;
    let tenant = cloud.tenant(BICI).await;
    let customer = customer(0);
    cloud.text(&customer, BICI_NUMBER, &sum(1)).await;
    cloud.settled().await;
    let log = history(&tenant, &customer).await;
    assert_eq!(notices(&log, Notice::LlmNotConfigured), 1, "{log:?}");
    assert_eq!(log.len(), 2);
    let queue = cloud.reply_queue().await;
    assert_eq!((&queue["handled"], &queue["failed"]), (&queue["sent"], &json!(0)), "{queue}");
    assert!(cloud.texts_to(&customer).await.is_empty() && cloud.dead_letters().await.is_empty());
}
