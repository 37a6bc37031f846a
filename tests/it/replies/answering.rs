//! Answers: one to each message, or one to several that came meanwhile; in parts where they are long.

use crate::support::cloud::{BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, SHARED_CONTACT, SHARED_PHONE};
use crate::support::pipeline::{all_delivered, answers, conversation_with, history, last_words, sum};
use crate::support::socket::{Socket, events};
use crate::support::{eventually, in_time};
use domain::event::EventBody;
use serde_json::{Value, json};

const CUSTOMER: &str = "+14155550601";

/// The frames of these kinds about a contact, until one says that our message arrived.
async fn until_delivered(socket: &mut Socket) -> Vec<Value> {
    let mut seen = Vec::new();
    in_time("a delivered message on the socket", async {
        loop {
            let frame = socket.next().await.unwrap();
            seen.extend(events(&frame));
            if seen.iter().any(|event| event["messageStatus"] == "delivered") {
                return seen;
            }
        }
    })
    .await
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

#[tokio::test]
async fn a_message_gets_one_answer_that_everybody_sees_arrive() {
    let cloud = Cloud::start().await;
    let mut stream = cloud.contact_stream(SHARED_CONTACT, "load=false", CLEO, None).await;
    let mut socket = cloud.socket(CLEO).await;
    socket.subscribe(BICI_LIVE, None).await;
    socket.until("subscribed").await;
    cloud.settled().await;
    let before = cloud.told_of(SHARED_PHONE, BICI_NUMBER).await;

    cloud.text(SHARED_PHONE, BICI_NUMBER, "What is 17 + 25?").await;

    let sent = stream.until("sms_sent").await;
    assert!(sent.data["message"].as_str().unwrap().contains("42"), "{}", sent.data);
    loop {
        let update = stream.until("sms_status_update").await;
        assert_eq!(update.data["messageSeq"], sent.data["seq"]);
        if update.data["messageStatus"] == "delivered" {
            break;
        }
    }
    let seen = until_delivered(&mut socket).await;
    assert_eq!(of_kind(&seen, "sms_sent").len(), 1, "{seen:?}");
    assert_eq!(of_kind(&seen, "sms_sent")[0]["seq"], sent.data["seq"]);
    let states: Vec<&Value> = of_kind(&seen, "sms_status_update").iter().map(|one| &one["messageStatus"]).collect();
    assert_eq!(states, ["queued", "sent", "delivered"], "in order, each once");

    cloud.settled().await;
    let texts = cloud.texts_to(SHARED_PHONE).await;
    let [text] = texts.as_slice() else { panic!("{texts:?}") };
    assert_eq!((&text["body"], &text["from"]), (&sent.data["message"], &json!(BICI_NUMBER)));
    let callback = format!("{}/api/webhooks/twilio/sms/status", cloud.info.public_base_url);
    assert_eq!(text["status_callback"], callback);

    let after = eventually("the new context", || async {
        Some(cloud.told_of(SHARED_PHONE, BICI_NUMBER).await).filter(|after| *after != before)
    })
    .await;
    let context = after["conversation_context"].as_str();
    assert!(context.contains("Customer: What is 17 + 25?") && context.contains("42"), "{context}");
    assert_eq!((before["total_messages"].as_str(), after["total_messages"].as_str()), ("2", "4"));
}

#[tokio::test]
async fn messages_that_come_while_the_model_thinks_are_answered_together() {
    let cloud = Cloud::start().await;
    let tenant = cloud.tenant(BICI).await;
    cloud.fault("llm", json!({"kind": "delay", "delay_ms": 1500, "times": 1})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(1)).await;
    cloud.asked(&sum(1)).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(2)).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(3)).await;

    cloud.settled().await;
    let (texts, prompts) = (cloud.texts_to(CUSTOMER).await, cloud.prompts().await);
    assert_eq!((texts.len(), prompts.len()), (1, 2), "asked again with all of them, answered once");
    assert!((1..=3).all(|number| last_words(&prompts[1]).contains(&sum(number))));
    let body = texts[0]["body"].as_str().unwrap();
    let conversation = conversation_with(&tenant, CUSTOMER).await;
    assert_eq!((conversation.asked, conversation.answered), (3, 3), "{body}");
    let log = history(&tenant, CUSTOMER).await;
    assert!(log.iter().any(|event| matches!(event.body, EventBody::SmsSent { answers: 3, .. })));
}

#[tokio::test]
async fn quick_messages_get_no_more_answers_than_they_are_and_the_last_one_knows_them_all() {
    let cloud = Cloud::start().await;
    let tenant = cloud.tenant(BICI).await;
    for number in 1..=3 {
        cloud.text(CUSTOMER, BICI_NUMBER, &sum(number)).await;
    }
    cloud.settled().await;
    let (texts, prompts) = (cloud.texts_to(CUSTOMER).await, cloud.prompts().await);
    assert!((1..=3).contains(&texts.len()), "{} answers", texts.len());
    let said: String =
        prompts.last().unwrap().as_array().unwrap().iter().map(|one| one["content"].to_string()).collect();
    assert!((1..=3).all(|number| said.contains(&sum(number))), "{said}");
    assert!(!conversation_with(&tenant, CUSTOMER).await.wants_reply());
}

#[tokio::test]
async fn a_long_answer_goes_out_in_parts_in_order_each_once() {
    let cloud = Cloud::start().await;
    let tenant = cloud.tenant(BICI).await;
    let long: Vec<String> = (1..=140).map(|number| format!("word-{number:03}.")).collect();
    cloud.fault("llm", json!({"kind": "say", "text": long.join(" ")})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, "Tell me everything").await;

    cloud.settled().await;
    let log = all_delivered(&tenant, CUSTOMER).await;
    let texts = cloud.texts_to(CUSTOMER).await;
    assert!(texts.len() >= 2, "{} parts", texts.len());
    let bodies: Vec<&str> = texts.iter().map(|text| text["body"].as_str().unwrap()).collect();
    assert_eq!(bodies.join(" "), long.join(" "), "nothing is lost, doubled or out of order");
    assert_eq!(answers(&log).into_iter().map(|(_, text)| text).collect::<Vec<_>>(), bodies);
}
