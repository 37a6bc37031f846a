//! A process that is killed between any two of its calls, before or after the other side took one: exactly one message.

use crate::support::cloud::{BICI, BICI_NUMBER, CLEO, Cloud};
use crate::support::eventually;
use crate::support::pipeline::{all_delivered, answers, history, sum};
use crate::support::threads::phone;
use domain::event::EventBody;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::Tenant;

/// A killed job comes again after 12 s: after all kills. A killed sender's message is free after 5 s.
const SLOW_RETRIES: [&str; 8] = [
    "--time-scale",
    "30",
    "--env",
    "SMS_PATIENCE_SECONDS=5",
    "--env",
    "LOCAL_LLM_TOKEN_DELAY_MS=1",
    "--env",
    "SENDS_PER_MINUTE=1000",
];

/// Far more than there are.
const MOST_CALLS: usize = 60;

fn customer(number: usize) -> String {
    format!("+141555509{number:02}")
}

/// Lets a function die at its n-th call about a customer.
async fn aim(cloud: &Cloud, function: &str, when: &str, call: usize) {
    cloud.local(Method::DELETE, "kill-points", Value::Null).await;
    let digits = customer(call).trim_start_matches('+').to_owned();
    let point = json!({"function": function, "call": call, "when": when, "contains": digits});
    cloud.local(Method::POST, "kill-points", point).await;
}

async fn has_killed(cloud: &Cloud) -> bool {
    cloud.local(Method::GET, "kill-points", Value::Null).await[0]["done"] == true
}

/// Whether the customer's message has been answered, and their briefing knows it: the end of a follow-up.
async fn is_followed_up(tenant: &Tenant, number: &str) -> bool {
    let log = history(tenant, number).await;
    let Some(answer) = log.iter().rfind(|event| matches!(event.body, EventBody::SmsSent { .. })) else { return false };
    let (_, caller) = tenant.caller(Some(&phone(number))).await.unwrap();
    caller.is_some_and(|(_, caller)| caller.briefing.upto >= answer.contact_seq)
}

async fn replies_killed(when: &str) {
    let cloud = Cloud::with(&SLOW_RETRIES).await;
    let tenant = cloud.tenant(BICI).await;
    let mut kills = 0;
    for call in 1..=MOST_CALLS {
        aim(&cloud, "replies", when, call).await;
        cloud.text(&customer(call), BICI_NUMBER, &sum(call)).await;
        let killed = eventually("a kill, or the end", || async {
            let over = is_followed_up(&tenant, &customer(call)).await;
            match has_killed(&cloud).await {
                true => Some(true),
                false => over.then_some(false),
            }
        });
        if !killed.await {
            break;
        }
        kills += 1;
    }
    cloud.local(Method::DELETE, "kill-points", Value::Null).await;
    assert!((15..MOST_CALLS).contains(&kills), "{kills} kills");

    for call in 1..=kills + 1 {
        let log = all_but_unsent(&cloud, &tenant, &customer(call)).await;
        let texts = cloud.texts_to(&customer(call)).await;
        assert_eq!((answers(&log).len(), texts.len()), (1, 1), "killed {when} call {call}: {texts:?}");
        assert!(texts[0]["body"].as_str().unwrap().contains(&(1000 + call).to_string()));
    }
    cloud.settled().await;
    for call in 1..=kills + 1 {
        assert_eq!(cloud.texts_to(&customer(call)).await.len(), 1, "killed {when} call {call}, in the end");
        assert!(is_followed_up(&tenant, &customer(call)).await);
    }
    assert!(cloud.dead_letters().await.is_empty());
}

/// The log once the answer is in it and has arrived.
async fn all_but_unsent(cloud: &Cloud, tenant: &Tenant, number: &str) -> Vec<domain::event::Event> {
    cloud.texted(number, 1).await;
    all_delivered(tenant, number).await
}

#[tokio::test]
async fn replies_killed_before_any_of_its_calls_sends_each_answer_once() {
    replies_killed("before").await;
}

#[tokio::test]
async fn replies_killed_after_any_of_its_calls_sends_each_answer_once() {
    replies_killed("after").await;
}

/// Writes to a customer as the agent in control, under the same key each time.
async fn write(cloud: &Cloud, number: usize) -> StatusCode {
    let body = json!({"phoneNumber": customer(number), "message": format!("Agent's words {number}")});
    let request = cloud.request(Method::POST, "/api/conversations/human-control/send-message", CLEO);
    request.header("idempotency-key", format!("key-{number}")).json(&body).send().await.unwrap().status()
}

async fn send_message_killed(when: &str) {
    let cloud = Cloud::with(&SLOW_RETRIES).await;
    let tenant = cloud.tenant(BICI).await;
    let mut kills = 0;
    for call in 1..=MOST_CALLS {
        let join = json!({"phoneNumber": customer(call), "agentName": "Cleo"});
        cloud.human_control("join", join, CLEO).await;
        aim(&cloud, "human-control", when, call).await;
        let status = write(&cloud, call).await;
        if !has_killed(&cloud).await {
            assert_eq!(status, 200);
            break;
        }
        assert!(status.is_server_error(), "{status}");
        kills += 1;
    }
    cloud.local(Method::DELETE, "kill-points", Value::Null).await;
    assert!((6..MOST_CALLS).contains(&kills), "{kills} kills");

    // What was recorded is sent without anybody's help.
    cloud.settled().await;
    let written = async |call| {
        let log = history(&tenant, &customer(call)).await;
        let words = log.iter().filter(|event| matches!(event.body, EventBody::HumanMessageSent { .. })).count();
        (words, cloud.texts_to(&customer(call)).await.len())
    };
    let mut lost = 0;
    for call in 1..=kills + 1 {
        match written(call).await {
            (0, 0) => lost += 1,
            other => assert_eq!(other, (1, 1), "killed {when} call {call}"),
        }
    }
    assert!((1..=kills).contains(&lost) || when == "after", "{lost} lost");
    // And what was not, by the agent's second try; which changes nothing where there is nothing to do.
    for call in 1..=kills + 1 {
        assert_eq!(write(&cloud, call).await, 200);
    }
    cloud.settled().await;
    for call in 1..=kills + 1 {
        assert_eq!(written(call).await, (1, 1), "killed {when} call {call}, tried again");
        all_delivered(&tenant, &customer(call)).await;
    }
}

#[tokio::test]
async fn send_message_killed_before_any_of_its_calls_sends_once() {
    send_message_killed("before").await;
}

#[tokio::test]
async fn send_message_killed_after_any_of_its_calls_sends_once() {
    send_message_killed("after").await;
}
