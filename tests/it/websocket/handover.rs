//! From catching up to live while somebody writes at full speed: the race that `store::subscriptions` is made for.

use crate::support::backstage::said;
use crate::support::cloud::{ADA, AURORA, BEN, Cloud};
use crate::support::dice::Dice;
use crate::support::socket::{Socket, events};
use crate::support::threads::open;
use domain::conversation::Medium;
use domain::ids::ConversationId;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use store::{Append, Tenant, now};
use tokio::sync::watch;

const EVENTS: u64 = 300;
const SUBSCRIBERS: u64 = 6;

/// Appends until there are `count` events, some at a time; says how far it is.
async fn write(tenant: &Tenant, id: &ConversationId, count: u64, dice: &mut Dice, progress: &watch::Sender<u64>) {
    let mut last = 1;
    while last < count {
        let batch = dice.between(1, 6).min(count - last);
        let bodies = (0..batch).map(|number| said(&format!("{}", last + number + 1))).collect();
        tenant.append(id, Append::new(bodies, now())).await.unwrap().unwrap();
        last += batch;
        progress.send_modify(|total| *total += batch);
    }
}

fn numbers(frame: &Value, field: &str) -> Vec<u64> {
    events(frame).iter().map(|event| event[field].as_u64().unwrap()).collect()
}

/// Subscribes on a new connection and reads to the end. Every number comes once, in order, and `subscribed` stands
/// exactly where the log and it say.
async fn read_strictly(socket: &mut Socket, subject: Value, field: &str, after: u64, count: u64) {
    let mut frame = json!({"action": "subscribe", "after_seq": after});
    frame.as_object_mut().unwrap().extend(subject.as_object().unwrap().clone());
    socket.send(frame).await;
    let (mut last, mut subscribed) = (after, None);
    while last < count || subscribed.is_none() {
        let frame = socket.next().await.expect("the connection stays");
        if frame["type"] == "subscribed" {
            assert_eq!(subscribed.replace(last), None, "subscribed comes once");
            assert_eq!(frame["seq"], last, "everything up to its number was sent, and nothing beyond");
        }
        for number in numbers(&frame, field) {
            assert_eq!(number, last + 1, "after {after}, subscribed at {subscribed:?}");
            last = number;
        }
    }
}

async fn wait_for(progress: &watch::Sender<u64>, count: u64) {
    progress.subscribe().wait_for(|total| *total >= count).await.unwrap();
}

#[tokio::test]
async fn whoever_joins_while_a_writer_runs_sees_every_event_once_in_order() {
    let cloud = Cloud::silent().await;
    let tenant = cloud.tenant(AURORA).await;
    for round in 0..4 {
        let name = format!("conv_round_{round}");
        let id = open(&tenant, &name, "+14155550171", Medium::Chat).await;
        let progress = watch::Sender::new(1);
        let mut dice = Dice::new(round);
        let joining: Vec<(u64, u64)> = (0..SUBSCRIBERS)
            .map(|subscriber| {
                let joins = dice.between(subscriber * 40, subscriber * 40 + 60);
                (joins, dice.below(joins + 1))
            })
            .collect();
        let readers = join_all(joining.into_iter().map(async |(joins, after)| {
            let mut socket = cloud.socket(if joins % 2 == 0 { ADA } else { BEN }).await;
            wait_for(&progress, joins).await;
            read_strictly(&mut socket, json!({"conversation_id": name}), "seq", after.min(joins), EVENTS).await;
            assert!(socket.drain().await.is_empty(), "nothing after the last");
        }));
        join(readers, write(&tenant, &id, EVENTS, &mut Dice::new(round + 100), &progress)).await;
    }
}

#[tokio::test]
async fn a_contact_with_two_busy_conversations_is_followed_without_a_gap() {
    let cloud = Cloud::silent().await;
    let tenant = cloud.tenant(AURORA).await;
    for round in 0..3_u64 {
        let number = format!("+1415555018{round}");
        let chat = open(&tenant, &format!("conv_chat_{round}"), &number, Medium::Chat).await;
        let voice = open(&tenant, &format!("conv_voice_{round}"), &number, Medium::Voice).await;
        let progress = watch::Sender::new(2);
        let readers = join_all((0..4_u64).map(async |reader| {
            let mut socket = cloud.socket(ADA).await;
            wait_for(&progress, reader * 30).await;
            let subject = json!({"lead_id": format!("worker_1415555018{round}")});
            read_strictly(&mut socket, subject, "contact_seq", 2 * reader.min(1), 160).await;
            assert!(socket.drain().await.is_empty());
        }));
        let (mut one, mut two) = (Dice::new(round), Dice::new(round + 50));
        let writers =
            join(write(&tenant, &chat, 80, &mut one, &progress), write(&tenant, &voice, 80, &mut two, &progress));
        join(readers, writers).await;
    }
}

#[tokio::test]
async fn one_connection_that_comes_and_goes_loses_nothing() {
    let cloud = Cloud::silent().await;
    let tenant = cloud.tenant(AURORA).await;
    let id = open(&tenant, "conv_1", "+14155550171", Medium::Chat).await;
    let progress = watch::Sender::new(1);
    let readers = join_all((0..3_u64).map(async |reader| {
        let mut dice = Dice::new(reader);
        let mut socket = cloud.socket(ADA).await;
        let mut last = 0;
        while last < EVENTS {
            socket.subscribe("conv_1", Some(last)).await;
            let stays_until = last + dice.between(1, 40);
            while last < stays_until.min(EVENTS) {
                take(&socket.next().await.unwrap(), &mut last);
            }
            socket.send(json!({"action": "unsubscribe", "conversation_id": "conv_1"})).await;
            loop {
                let frame = socket.next().await.unwrap();
                take(&frame, &mut last);
                if frame["type"] == "unsubscribed" {
                    break;
                }
            }
        }
        assert_eq!(last, EVENTS);
    }));
    join(readers, write(&tenant, &id, EVENTS, &mut Dice::new(9), &progress)).await;
}

/// What was on its way when the client left may come again when it is back: it drops what it has, and misses nothing.
fn take(frame: &Value, last: &mut u64) {
    for number in numbers(frame, "seq") {
        assert!(number <= *last + 1, "a gap: {number} after {last}");
        *last = number.max(*last);
    }
}
