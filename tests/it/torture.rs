//! Cut, killed, doubled and disturbed: what clients and providers may rely on all the same (G1, G5).

mod client;
mod storm;

use crate::support::backstage::said;
use crate::support::cloud::{BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, SHARED_PHONE};
use crate::support::dice::Dice;
use crate::support::twilio::Sms;
use client::Client;
use domain::ids::ConversationId;
use futures_util::future::{join, join_all};
use store::{Append, Tenant, now};
use tokio::sync::watch;

/// The demo conversation's events before any of ours.
const BEFORE: u64 = 2;

/// Adds messages until the log has `last`, some by webhook and some by the store; never more than `ahead` beyond what
/// the client has, so that it meets both the past and the present.
async fn write(cloud: &Cloud, tenant: &Tenant, last: u64, ahead: u64, seen: &watch::Sender<u64>) {
    let id = ConversationId::parse(BICI_LIVE).unwrap();
    let (mut dice, mut written) = (Dice::new(1), BEFORE);
    while written < last {
        seen.subscribe().wait_for(|seen| seen + ahead >= written).await.unwrap();
        if dice.below(5) == 0 {
            let texts = dice.between(1, 4).min(last - written);
            join_all((0..texts).map(|_| cloud.text(SHARED_PHONE, BICI_NUMBER, "by webhook"))).await;
            written += texts;
        } else {
            let some = dice.between(1, 25).min(last - written);
            let bodies = (0..some).map(|_| said("by the store")).collect();
            tenant.append(&id, Append::new(bodies, now())).await.unwrap().unwrap();
            written += some;
        }
    }
}

#[tokio::test]
async fn two_thousand_messages_reach_a_client_that_is_cut_and_swaps_transports_once_each_in_order() {
    const LAST: u64 = BEFORE + 2000;
    let cloud = Cloud::silent().await;
    let tenant = cloud.tenant(BICI).await;
    let seen = watch::Sender::new(BEFORE);
    let mut client = Client::new(&cloud, CLEO, BICI_LIVE, BEFORE, &seen);
    let read = Box::pin(client.run_until(LAST, 2));
    join(read, write(&cloud, &tenant, LAST, 60, &seen)).await;
    client.assert_saw_all(LAST);
    assert!(client.cuts >= 50, "only {} cuts", client.cuts);
    assert!(client.by_stream >= 500 && client.by_socket >= 500, "{} {}", client.by_stream, client.by_socket);
}

#[tokio::test]
async fn the_same_client_loses_nothing_to_chaos() {
    const LAST: u64 = BEFORE + 300;
    let cloud = Cloud::silent_with(&["--chaos", "7"]).await;
    let tenant = cloud.tenant(BICI).await;
    let seen = watch::Sender::new(BEFORE);
    let mut client = Client::new(&cloud, CLEO, BICI_LIVE, BEFORE, &seen);
    let read = Box::pin(client.run_until(LAST, 3));
    join(read, write(&cloud, &tenant, LAST, 40, &seen)).await;
    client.assert_saw_all(LAST);
}

#[tokio::test]
async fn twenty_deliveries_of_one_message_at_once_are_one_message_and_twenty_times_200() {
    let cloud = Cloud::silent().await;
    let sms = Sms::new("+14155550166", BICI_NUMBER, "once");
    let answers = join_all((0..20).map(|_| cloud.sms(&sms))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let list = cloud.json("/api/conversations?medium=SMS", CLEO).await;
    let made = list["conversations"].as_array().unwrap().iter().find(|one| one["mobile_no"] == "+14155550166").unwrap();
    assert_eq!((made["total_messages"].as_u64(), made["seq"].as_u64()), (Some(1), Some(1)));
    assert_eq!(cloud.sms(&sms).await.status(), 200, "and later again");
    let snapshot = cloud.snapshot(made["conversation_id"].as_str().unwrap(), CLEO).await;
    assert_eq!(snapshot["messages"].as_array().unwrap().len(), 1);
}
