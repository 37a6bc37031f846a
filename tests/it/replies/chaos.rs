//! Thirty customers at once, while batches come late, twice and out of order and the function's process is killed.

use crate::support::cloud::{BICI, BICI_NUMBER, Cloud};
use crate::support::eventually;
use crate::support::pipeline::{all_delivered, answers, conversation_with, sum};
use crate::support::twilio::Sms;
use domain::event::EventBody;
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;

const CUSTOMERS: usize = 30;
const ROUNDS: usize = 3;
/// Webhooks on their way at once.
const AT_ONCE: usize = 6;

fn customer(number: usize) -> String {
    format!("+141555510{number:02}")
}

/// Delivers a message as often as it takes, under its one id.
async fn persistently(cloud: &Cloud, sms: &Sms<'_>) {
    eventually("a webhook's 200", || async { (cloud.sms(sms).await.status() == 200).then_some(()) }).await;
}

#[tokio::test]
async fn chaos_loses_no_question_and_doubles_no_answer() {
    let chaos = ["--chaos", "11", "--env", "SMS_PATIENCE_SECONDS=4", "--env", "LOCAL_LLM_TOKEN_DELAY_MS=2"];
    let cloud = Cloud::with_early_retries(8, &chaos).await;
    let tenant = cloud.tenant(BICI).await;
    for round in 0..ROUNDS {
        let messages = (0..CUSTOMERS).map(|number| {
            let (cloud, from) = (&cloud, customer(number));
            async move { persistently(cloud, &Sms::new(&from, BICI_NUMBER, sum(10 * number + round))).await }
        });
        stream::iter(messages).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        // Some rounds meet the answers of the one before, some do not.
        if round == 0 {
            cloud.texted(&customer(0), 1).await;
        }
    }
    for number in 0..CUSTOMERS {
        cloud.texted(&customer(number), 1).await;
    }
    cloud.settled().await;

    let mut sids = BTreeSet::new();
    for number in 0..CUSTOMERS {
        let log = all_delivered(&tenant, &customer(number)).await;
        let (texts, answers) = (cloud.texts_to(&customer(number)).await, answers(&log));
        let bodies: Vec<&str> = texts.iter().map(|text| text["body"].as_str().unwrap()).collect();
        assert_eq!(bodies, answers.iter().map(|(_, text)| *text).collect::<Vec<_>>(), "{number}: all, once, in order");
        sids.extend(texts.iter().map(|text| text["sid"].as_str().unwrap().to_owned()));
        let groups: Vec<u64> = log
            .iter()
            .filter_map(|event| match event.body {
                EventBody::SmsSent { answers, .. } => Some(answers),
                _ => None,
            })
            .collect();
        assert!(groups.is_sorted_by(|a, b| a < b), "{number}: one answer to each group of questions: {groups:?}");
        let conversation = conversation_with(&tenant, &customer(number)).await;
        assert_eq!(groups.last(), Some(&conversation.asked), "{number}: nothing is left unanswered");
        let asked = log.iter().filter(|event| matches!(event.body, EventBody::SmsReceived { .. })).count();
        assert_eq!(asked, ROUNDS);
    }
    assert!((CUSTOMERS..=CUSTOMERS * ROUNDS).contains(&sids.len()));
    assert!(cloud.dead_letters().await.is_empty());
    assert!(cloud.logs().contains("chaos kills a function's process"), "somebody was killed");
}
