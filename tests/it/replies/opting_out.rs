//! Whoever wants no messages gets none (G5).

use crate::support::cloud::{BICI, BICI_NUMBER, Cloud};
use crate::support::eventually;
use crate::support::pipeline::{answers, history, reached, sum};
use crate::support::threads::contact_of;
use domain::event::EventBody;
use domain::sms::MessageStatus;
use serde_json::json;

const CUSTOMER: &str = "+14155550602";

#[tokio::test]
async fn opt_out_words_and_help_are_not_answered_and_nothing_is_until_start() {
    let cloud = Cloud::start().await;
    let tenant = cloud.tenant(BICI).await;
    for (text, opted_out) in [("HELP", false), ("STOP", true), ("HELP", true), ("stop", true)] {
        cloud.text(CUSTOMER, BICI_NUMBER, text).await;
        assert_eq!(tenant.timeline(&contact_of(CUSTOMER)).await.unwrap().opted_out, opted_out, "{text}");
    }
    cloud.text(CUSTOMER, BICI_NUMBER, "Are you there?").await;
    cloud.settled().await;
    assert!(cloud.texts_to(CUSTOMER).await.is_empty());
    assert!(cloud.prompts().await.is_empty(), "the model is not even asked");

    cloud.text(CUSTOMER, BICI_NUMBER, "START").await;
    cloud.settled().await;
    assert!(cloud.texts_to(CUSTOMER).await.is_empty(), "START is not answered, nor what was written while opted out");
    cloud.fault("llm", json!({"kind": "say", "text": "It is 1001."})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(1)).await;
    cloud.settled().await;
    assert_eq!(cloud.bodies_to(CUSTOMER).await, ["It is 1001."], "answered again");
}

#[tokio::test]
async fn a_stop_in_the_middle_of_an_answer_keeps_it_back() {
    let cloud = Cloud::start().await;
    cloud.fault("llm", json!({"kind": "delay", "delay_ms": 1000})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(1)).await;
    cloud.asked(&sum(1)).await;
    cloud.text(CUSTOMER, BICI_NUMBER, "STOP").await;
    cloud.settled().await;
    assert!(cloud.texts_to(CUSTOMER).await.is_empty());
    assert!(answers(&history(&cloud.tenant(BICI).await, CUSTOMER).await).is_empty());
}

#[tokio::test]
async fn an_opt_out_that_only_twilio_knows_of_is_learnt_and_the_failed_message_is_shown() {
    let cloud = Cloud::start().await;
    let tenant = cloud.tenant(BICI).await;
    cloud.fault("twilio", json!({"kind": "opted_out", "number": CUSTOMER})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(1)).await;
    let log = eventually("the opt-out", || async {
        let log = history(&tenant, CUSTOMER).await;
        log.iter().any(|event| matches!(event.body, EventBody::OptOutChanged { opted_out: true })).then_some(log)
    })
    .await;
    let [(seq, _)] = answers(&log)[..] else { panic!("{log:?}") };
    assert_eq!(reached(&log, seq), Some(MessageStatus::Failed));
    assert!(log.iter().any(|event| matches!(event.body, EventBody::SmsStatus { error_code: Some(21610), .. })));

    cloud.text(CUSTOMER, BICI_NUMBER, &sum(2)).await;
    cloud.settled().await;
    assert!(cloud.texts_to(CUSTOMER).await.is_empty());
    assert_eq!(cloud.prompts().await.len(), 1, "no further answer is made");
    assert!(cloud.dead_letters().await.is_empty());
}
