//! What a connected client may not have, and how access ends while it is connected.

use crate::support::backstage::{said, taken_over_by};
use crate::support::cloud::{ADA, AURORA, BEN, BICI_LIVE, CLEO, Cloud, DAN, LIVE, TAKEN, UMA};
use crate::support::eventually;
use crate::support::socket::{Socket, events};
use domain::ids::{ContactId, ConversationId};
use serde_json::{Value, json};
use store::Topic;

async fn refused(socket: &mut Socket, subject: Value) -> String {
    let mut frame = json!({"action": "subscribe"});
    frame.as_object_mut().unwrap().extend(subject.as_object().unwrap().clone());
    socket.send(frame).await;
    let answer = socket.next().await.unwrap();
    assert_eq!(answer["type"], "error", "{answer}");
    answer["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_one_may_not_read_cannot_be_subscribed() {
    let cloud = Cloud::silent().await;
    let (mut ada, mut ben, mut uma) = (cloud.socket(ADA).await, cloud.socket(BEN).await, cloud.socket(UMA).await);
    assert_eq!(refused(&mut ada, json!({"conversation_id": BICI_LIVE})).await, "other_organization");
    assert_eq!(refused(&mut ada, json!({"conversation_id": "conv_nobody"})).await, "not_found");
    assert_eq!(refused(&mut ben, json!({"conversation_id": TAKEN})).await, "taken_over");
    let mut dan = cloud.socket(DAN).await;
    assert_eq!(refused(&mut dan, json!({"conversation_id": TAKEN, "after_seq": 0})).await, "taken_over");
    for subject in [json!({"conversation_id": LIVE}), json!({"lead_id": "worker_1"}), json!({"inbox": true})] {
        assert_eq!(refused(&mut uma, subject).await, "forbidden");
    }
    for mut socket in [ada, ben, uma, dan] {
        assert!(socket.drain().await.is_empty(), "the connection stays, and nothing comes");
    }
}

#[tokio::test]
async fn a_takeover_ends_the_others_view_with_one_error() {
    let cloud = Cloud::silent().await;
    let (mut ada, mut ben, mut dan) = (cloud.socket(ADA).await, cloud.socket(BEN).await, cloud.socket(DAN).await);
    for socket in [&mut ada, &mut ben] {
        socket.subscribe(LIVE, None).await;
        socket.until("subscribed").await;
    }
    let contact = json!({"action": "subscribe", "lead_id": "worker_919325590143"});
    dan.send(contact).await;
    dan.until("subscribed").await;

    cloud.append(AURORA, LIVE, taken_over_by("admin_ada")).await;
    for text in ["for Ada only", "and this"] {
        cloud.append(AURORA, LIVE, said(text)).await;
    }

    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.extend(events(&ada.next().await.unwrap()));
    }
    assert_eq!(heard[0]["type"], "human_control_started");
    assert_eq!(heard[2]["message"], "and this");
    // Told to everybody before Ada's next is told.
    cloud.append(AURORA, LIVE, said("last")).await;
    ada.until("message").await;
    for socket in [&mut ben, &mut dan] {
        let frames = socket.drain().await;
        let [error] = frames.as_slice() else { panic!("one frame, not {frames:?}") };
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("taken_over")));
        assert_eq!((&error["conversation_id"], &error["seq"]), (&json!(LIVE), &json!(6)));
    }
    let tenant = cloud.tenant(AURORA).await;
    let topic = Topic::Conversation(ConversationId::parse(LIVE).unwrap());
    assert_eq!(tenant.subscribers(&topic).await.unwrap().len(), 1, "only Ada's subscription is left");
    assert_eq!(refused(&mut ben, json!({"conversation_id": LIVE, "after_seq": 0})).await, "taken_over");
}

#[tokio::test]
async fn a_revoked_token_gets_no_further_answer_and_no_connection() {
    let cloud = Cloud::silent().await;
    let issued = cloud.mint(ADA, 600);
    let url = format!("{}?token={}", cloud.info.websocket_url, issued.token.expose());
    let mut socket = Socket::connect(&url).await.unwrap();
    socket.until("connected").await;
    let mut other = cloud.socket(ADA).await;
    cloud.store().await.revoke(&issued.claims.jti, issued.claims.exp).await.unwrap();

    assert_eq!(refused(&mut socket, json!({"conversation_id": LIVE})).await, "invalid_token");
    assert_eq!(socket.next().await, None, "closed");
    assert!(other.drain().await.is_empty(), "the same person's other connection stays");
}

#[tokio::test]
async fn the_fifty_first_topic_is_refused_until_one_is_left() {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(CLEO).await;
    let lead = |number: u32| json!({"lead_id": format!("worker_{number}")});
    for number in 0..50 {
        socket.send(json!({"action": "subscribe", "lead_id": format!("worker_{number}")})).await;
        assert_eq!(socket.next().await.unwrap()["type"], "subscribed", "{number}");
    }
    assert_eq!(refused(&mut socket, lead(50)).await, "conflict");
    socket.send(json!({"action": "subscribe", "lead_id": "worker_7"})).await;
    assert_eq!(socket.next().await.unwrap()["type"], "subscribed", "one that is read already");
    socket.send(json!({"action": "unsubscribe", "lead_id": "worker_7"})).await;
    assert_eq!(socket.next().await.unwrap()["type"], "unsubscribed");
    socket.send(json!({"action": "subscribe", "lead_id": "worker_50"})).await;
    assert_eq!(socket.next().await.unwrap()["type"], "subscribed", "in the place of the one that was left");
    assert_eq!(refused(&mut socket, lead(51)).await, "conflict");
}

#[tokio::test]
async fn leaving_takes_the_records_along() {
    let cloud = Cloud::silent().await;
    let (store, tenant) = (cloud.store().await, cloud.tenant(AURORA).await);
    let topics = [
        Topic::Conversation(ConversationId::parse(LIVE).unwrap()),
        Topic::Contact(ContactId::parse("worker_919325590143").unwrap()),
        Topic::Inbox,
        Topic::User(domain::ids::UserId::parse(&cloud.user(ADA).id).unwrap()),
    ];
    for polite in [true, false] {
        let mut socket = cloud.socket(ADA).await;
        for subject in [
            json!({"action": "subscribe", "conversation_id": LIVE}),
            json!({"action": "subscribe", "lead_id": "worker_919325590143"}),
            json!({"action": "subscribe", "inbox": true}),
        ] {
            socket.send(subject).await;
            socket.until("subscribed").await;
        }
        let mut connection = None;
        for topic in &topics {
            let subscribers = tenant.subscribers(topic).await.unwrap();
            assert_eq!(subscribers.len(), 1, "{topic:?}");
            connection = Some(subscribers[0].connection_id.clone());
        }
        let connection = connection.unwrap();
        assert!(store.connection(&connection).await.unwrap().is_some());
        if polite {
            socket.close().await;
        }
        drop(socket);
        eventually("the end of the records", || async {
            let gone = store.connection(&connection).await.unwrap().is_none();
            let mut left = 0;
            for topic in &topics {
                left += tenant.subscribers(topic).await.unwrap().len();
            }
            (gone && left == 0).then_some(())
        })
        .await;
    }
}
