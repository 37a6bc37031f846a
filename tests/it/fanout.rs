//! The fan-out by the Lambda Invoke API: batches again, in any order, with holes and with poison.

mod connections;
mod replay;

use crate::support::backstage::said;
use crate::support::cloud::{ADA, AURORA, Cloud, LIVE};
use crate::support::socket::{Socket, events};
use crate::support::threads::open;
use domain::conversation::Medium;
use domain::ids::{ConnectionId, ConversationId, OrganizationId, UserId};
use domain::user::{Principal, Role};
use serde_json::{Value, json};
use store::{Append, Connection, Store, Subscription, Tenant, Topic, now};

const PHONE: &str = "+14155550171";

fn topic(conversation: &str) -> Topic {
    Topic::Conversation(ConversationId::parse(conversation).unwrap())
}

/// A caller that no token stands for.
fn principal(user: &str) -> Principal {
    Principal {
        user_id: UserId::parse(user).unwrap(),
        organization_id: OrganizationId::parse(AURORA).unwrap(),
        role: Role::Admin,
        permissions: Role::Admin.permissions(),
        token_id: "none".into(),
        issued_at: now().seconds(),
        expires_at: now().seconds() + 600,
    }
}

/// Subscribes behind the WebSocket's back, live after `reached`.
async fn plant(store: &Store, connection: &Connection, topic: &Topic, reached: u64) -> Subscription {
    let tenant = store.tenant(&connection.principal.organization_id);
    let subscription = tenant.subscribe(connection, topic, reached).await.unwrap().unwrap();
    assert!(tenant.go_live(topic, &connection.id, reached).await.unwrap());
    subscription
}

/// A connected client, and the record of its connection.
async fn connected(cloud: &Cloud, email: &str) -> (Socket, Connection) {
    let (store, tenant) = (cloud.store().await, cloud.tenant(AURORA).await);
    let own = Topic::User(UserId::parse(&cloud.user(email).id).unwrap());
    let known = async || {
        let subscribers = tenant.subscribers(&own).await.unwrap();
        subscribers.into_iter().map(|subscription| subscription.connection_id).collect::<Vec<_>>()
    };
    let before = known().await;
    let socket = cloud.socket(email).await;
    let id = known().await.into_iter().find(|id: &ConnectionId| !before.contains(id)).unwrap();
    (socket, store.connection(&id).await.unwrap().unwrap())
}

/// Returns when the stream has been delivered up to here.
async fn settle(cloud: &Cloud) {
    let tenant = cloud.tenant(AURORA).await;
    let name = format!("conv_canary_{}", identity::random::new_id());
    let id = open(&tenant, &name, "+14155550199", Medium::Chat).await;
    let mut socket = cloud.socket(ADA).await;
    socket.subscribe(&name, None).await;
    socket.until("subscribed").await;
    tenant.append(&id, Append::new(vec![said("the end")], now())).await.unwrap();
    socket.until("message").await;
}

async fn write(tenant: &Tenant, id: &ConversationId, texts: &[&str]) {
    for text in texts {
        tenant.append(id, Append::new(vec![said(text)], now())).await.unwrap().unwrap();
    }
}

fn numbers(frames: &[Value], field: &str) -> Vec<u64> {
    frames.iter().flat_map(events).map(|event| event[field].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn records_missing_from_a_batch_are_read_from_the_log() {
    let cloud = Cloud::silent().await;
    let (store, tenant) = (cloud.store().await, cloud.tenant(AURORA).await);
    let id = open(&tenant, "conv_1", PHONE, Medium::Chat).await;
    write(&tenant, &id, &["2", "3", "4", "5", "6"]).await;
    settle(&cloud).await;
    let records = cloud.records_of("conv_1").await;
    assert_eq!(records.len(), 6);
    let (mut socket, connection) = connected(&cloud, ADA).await;
    plant(&store, &connection, &topic("conv_1"), 0).await;

    // The first and the third are missing, and nothing was ever sent to this connection before.
    let answer = cloud.fan_out(&[records[3].clone(), records[1].clone()]).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(numbers(&socket.drain().await, "seq"), [1, 2, 3, 4, 5, 6], "as far as the log goes");
    cloud.fan_out(&records).await;
    assert!(socket.drain().await.is_empty());

    write(&tenant, &id, &["7"]).await;
    settle(&cloud).await;
    assert_eq!(numbers(&socket.drain().await, "seq"), [7], "and live again");
}

#[tokio::test]
async fn two_conversations_of_a_contact_in_one_batch_come_in_the_contacts_order() {
    let cloud = Cloud::silent().await;
    let (store, tenant) = (cloud.store().await, cloud.tenant(AURORA).await);
    // The later one sorts first.
    let voice = open(&tenant, "conv_voice", PHONE, Medium::Voice).await;
    let chat = open(&tenant, "conv_chat", PHONE, Medium::Chat).await;
    for number in 0..4 {
        write(&tenant, if number % 2 == 0 { &chat } else { &voice }, &["more"]).await;
    }
    settle(&cloud).await;
    let mut records = cloud.records_of("conv_chat").await;
    records.extend(cloud.records_of("conv_voice").await);
    let (mut socket, connection) = connected(&cloud, ADA).await;
    let contact = Topic::Contact(crate::support::threads::contact_of(PHONE));
    plant(&store, &connection, &contact, 0).await;

    cloud.fan_out(&records).await;
    assert_eq!(numbers(&socket.drain().await, "contact_seq"), [1, 2, 3, 4, 5, 6]);
    let (first, second) = records.split_at(3);
    for part in [second, first] {
        cloud.fan_out(part).await;
    }
    assert!(socket.drain().await.is_empty());
}

#[tokio::test]
async fn poison_in_the_stream_holds_nobody_up() {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(ADA).await;
    socket.subscribe(LIVE, None).await;
    socket.until("subscribed").await;
    for (sk, body) in [("M#000000000001", "{}"), ("M#000000000002", "no JSON"), ("M#", "")] {
        cloud.put_item("CoreTable", &[("pk", "CONV#aurora-demo#conv_poison"), ("sk", sk), ("body", body)]).await;
    }
    let odd = json!({"pk": {"S": "CONV#x#y"}, "sk": {"S": "M#3"}, "body": {"N": "1"}, "connection_id": {"BOOL": true}});
    cloud.dynamodb("DynamoDB_20120810.PutItem", json!({"TableName": "CoreTable", "Item": odd})).await;
    cloud.put_item("CoreTable", &[("pk", "HELLO#nobody="), ("sk", "HELLO"), ("connection_id", "nobody=")]).await;
    cloud.put_item("CoreTable", &[("pk", "HELLO#bad"), ("sk", "HELLO"), ("connection_id", "a#b")]).await;

    cloud.append(AURORA, LIVE, said("after the poison")).await;
    assert_eq!(socket.next().await.unwrap()["message"], "after the poison");
    let fanout = cloud.metrics().await["streams"]["fanout"].take();
    assert_eq!((&fanout["failures"], &fanout["dead_letters"]), (&json!(0), &json!(0)), "nothing is tried again");
}

#[tokio::test]
async fn what_cannot_be_told_is_reported_and_the_rest_is_told() {
    let cloud = Cloud::silent().await;
    let (store, tenant) = (cloud.store().await, cloud.tenant(AURORA).await);
    for name in ["conv_bad", "conv_good"] {
        let id = open(&tenant, name, PHONE, Medium::Chat).await;
        write(&tenant, &id, &["two", "three"]).await;
    }
    settle(&cloud).await;
    let (bad, good) = (cloud.records_of("conv_bad").await, cloud.records_of("conv_good").await);
    let (mut socket, connection) = connected(&cloud, ADA).await;
    plant(&store, &connection, &topic("conv_good"), 0).await;
    // A subscription that no version has written makes the readers of this conversation unknowable.
    let key = [("pk", "TOPIC#aurora-demo#conv:conv_bad"), ("sk", "broken=")];
    cloud.put_item("EphemeralTable", &key).await;

    let mut batch = [good.clone(), bad.clone()].concat();
    batch.reverse();
    let answer = cloud.fan_out(&batch).await;
    let lowest = &bad[0]["dynamodb"]["SequenceNumber"];
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": lowest}]}));
    assert_eq!(numbers(&socket.drain().await, "seq"), [1, 2, 3]);

    let key: serde_json::Map<_, _> = key.iter().map(|(k, v)| ((*k).to_owned(), json!({ "S": v }))).collect();
    cloud.dynamodb("DynamoDB_20120810.DeleteItem", json!({"TableName": "EphemeralTable", "Key": key})).await;
    assert_eq!(cloud.fan_out(&batch).await, json!({"batchItemFailures": []}), "repaired");
    assert!(socket.drain().await.is_empty(), "what was told is not told again");
}

#[tokio::test]
async fn an_event_too_large_for_a_frame_is_named_instead() {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(ADA).await;
    socket.subscribe(LIVE, None).await;
    socket.until("subscribed").await;
    let bodies = vec![said("before"), said(&"\u{e9}".repeat(20_000)), said("after")];
    let id = ConversationId::parse(LIVE).unwrap();
    cloud.tenant(AURORA).await.append(&id, Append::new(bodies, now())).await.unwrap().unwrap();

    let mut told: Vec<Value> = Vec::new();
    while told.len() < 3 {
        told.extend(events(&socket.next().await.unwrap()));
    }
    assert_eq!(numbers(&told, "seq"), [6, 7, 8]);
    assert_eq!((told[0]["message"].as_str(), told[2]["message"].as_str()), (Some("before"), Some("after")));
    assert_eq!((&told[1]["truncated"], &told[1]["type"]), (&json!(true), &json!("message")));
    assert!(told[1].get("message").is_none() && told[1]["organizationId"] == AURORA);
    // Catching up says the same.
    let mut later = cloud.socket(ADA).await;
    later.subscribe(LIVE, Some(6)).await;
    assert_eq!(events(&later.next().await.unwrap())[0]["truncated"], true);
}
