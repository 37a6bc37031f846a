//! G3: every batch twice and shuffled, while clients are connected, changes nothing that they see.

use super::{numbers, settle};
use crate::support::backstage::said;
use crate::support::cloud::{ADA, AURORA, BEN, Cloud, DAN, ENDED, LIVE, TAKEN};
use crate::support::dice::Dice;
use crate::support::socket::Socket;
use crate::support::threads::open;
use domain::conversation::Medium;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use store::{Append, now};
use tokio::sync::watch;

/// All records in batches of any size, each twice, in any order and shuffled inside, several at once.
async fn replay(cloud: &Cloud, dice: &mut Dice) {
    let mut records = cloud.stream_records().await;
    let mut batches: Vec<Vec<Value>> = Vec::new();
    while !records.is_empty() {
        let size = (dice.between(1, 40) as usize).min(records.len());
        let batch: Vec<Value> = records.drain(..size).collect();
        for _ in 0..2 {
            let mut copy = batch.clone();
            dice.shuffle(&mut copy);
            batches.push(copy);
        }
    }
    dice.shuffle(&mut batches);
    for some in batches.chunks(4) {
        for answer in join_all(some.iter().map(|batch| cloud.fan_out(batch))).await {
            assert_eq!(answer, json!({"batchItemFailures": []}));
        }
    }
}

/// A client of one topic that keeps what it sees.
struct Client {
    socket: Socket,
    frames: Vec<Value>,
}

impl Client {
    async fn of(cloud: &Cloud, email: &str, subject: Value) -> Self {
        let mut socket = cloud.socket(email).await;
        let mut frame = json!({"action": "subscribe"});
        frame.as_object_mut().unwrap().extend(subject.as_object().unwrap().clone());
        socket.send(frame).await;
        socket.until("subscribed").await;
        Self { socket, frames: Vec::new() }
    }

    async fn read(&mut self) -> &[Value] {
        let more = self.socket.drain().await;
        self.frames.extend(more);
        &self.frames
    }
}

async fn clients(cloud: &Cloud) -> [Client; 4] {
    [
        Client::of(cloud, ADA, json!({"conversation_id": LIVE})).await,
        Client::of(cloud, BEN, json!({"conversation_id": "conv_chat"})).await,
        Client::of(cloud, DAN, json!({"lead_id": "worker_919325590143"})).await,
        Client::of(cloud, BEN, json!({"inbox": true})).await,
    ]
}

/// Two conversations of one contact, written at once.
async fn write(cloud: &Cloud, rounds: u64, written: &watch::Sender<bool>) {
    let tenant = cloud.tenant(AURORA).await;
    let live = domain::ids::ConversationId::parse(LIVE).unwrap();
    let chat = domain::ids::ConversationId::parse("conv_chat").unwrap();
    let mut dice = Dice::new(5);
    for round in 0..rounds {
        let some = (0..dice.between(1, 4)).map(|number| said(&format!("{round}.{number}"))).collect();
        let append = async |id, bodies| tenant.append(id, Append::new(bodies, now())).await.unwrap().unwrap();
        join(append(&live, some), append(&chat, vec![said("chat")])).await;
    }
    written.send_replace(true);
}

/// In order, each once; for the inbox each conversation by itself, where the latest of a batch stands for all.
async fn assert_in_order(cloud: &Cloud, clients: &mut [Client; 4]) {
    let tenant = cloud.tenant(AURORA).await;
    let [live, chat, contact, inbox] = clients;
    for (client, field, first) in [(live, "seq", 6), (chat, "seq", 2), (contact, "contact_seq", 8)] {
        let numbers = numbers(client.read().await, field);
        let expected: Vec<u64> = (first..first + numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "{field} from {first}");
        assert!(!numbers.is_empty());
    }
    let frames = inbox.read().await;
    for conversation in [LIVE, "conv_chat"] {
        let of = frames.iter().filter(|frame| frame["conversation_id"] == conversation);
        let seqs: Vec<u64> = of.map(|frame| frame["seq"].as_u64().unwrap()).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
        let id = domain::ids::ConversationId::parse(conversation).unwrap();
        let last = tenant.conversation(&id).await.unwrap().unwrap().last_seq;
        assert_eq!(seqs.last(), Some(&last));
    }
}

async fn start() -> Cloud {
    let cloud = Cloud::silent().await;
    let tenant = cloud.tenant(AURORA).await;
    open(&tenant, "conv_chat", "+919325590143", Medium::Chat).await;
    cloud
}

#[tokio::test]
async fn every_batch_twice_and_shuffled_is_invisible_to_clients() {
    let cloud = start().await;
    let mut clients = clients(&cloud).await;
    for other in ["conv_123", TAKEN, ENDED] {
        cloud.append(AURORA, other, said("for the inbox")).await;
    }
    write(&cloud, 20, &watch::Sender::new(false)).await;
    settle(&cloud).await;
    assert_in_order(&cloud, &mut clients).await;
    let before: Vec<Vec<Value>> = clients.iter().map(|client| client.frames.clone()).collect();

    for seed in 0..3 {
        replay(&cloud, &mut Dice::new(seed)).await;
    }

    for (client, before) in clients.iter_mut().zip(before) {
        let more = client.read().await.get(before.len()..).unwrap();
        assert!(more.is_empty(), "{more:?}");
    }
}

#[tokio::test]
async fn the_inbox_is_not_told_what_is_older_than_its_subscription() {
    let cloud = start().await;
    let mut inbox = Client::of(&cloud, ADA, json!({"inbox": true})).await;
    let mut record = cloud.records_of("conv_123").await.remove(0);
    let written = &mut record["dynamodb"]["ApproximateCreationDateTime"];
    *written = json!(now().seconds() - 60);
    cloud.fan_out(&[record.clone()]).await;
    assert!(inbox.read().await.is_empty());
    record["dynamodb"]["ApproximateCreationDateTime"] = json!(now().seconds());
    cloud.fan_out(&[record]).await;
    assert_eq!(inbox.read().await[0]["conversation_id"], "conv_123");
}

#[tokio::test]
async fn batches_come_again_in_any_order_while_new_ones_arrive_and_clients_see_the_plain_log() {
    let cloud = start().await;
    let mut clients = clients(&cloud).await;
    let written = watch::Sender::new(false);
    let replays = async {
        let mut dice = Dice::new(7);
        while !*written.borrow() {
            replay(&cloud, &mut dice).await;
        }
    };
    Box::pin(join(write(&cloud, 40, &written), replays)).await;
    settle(&cloud).await;
    assert_in_order(&cloud, &mut clients).await;
}
