//! Connections that are gone, too young to tell, expired or slow.

use super::{PHONE, connected, plant, principal, settle, topic, write};
use crate::support::backstage::said;
use crate::support::cloud::{ADA, AURORA, BEN, Cloud, LIVE};
use crate::support::eventually;
use crate::support::socket::events;
use crate::support::threads::open;
use domain::conversation::Medium;
use domain::ids::ConnectionId;
use serde_json::json;
use store::{Append, Connection, Topic, now};

#[tokio::test]
async fn a_gone_connection_is_forgotten_unless_it_is_too_young_to_tell() {
    let cloud = Cloud::silent().await;
    let (store, tenant) = (cloud.store().await, cloud.tenant(AURORA).await);
    let id = open(&tenant, "conv_1", PHONE, Medium::Chat).await;
    write(&tenant, &id, &["two"]).await;
    settle(&cloud).await;
    let mut planted = Vec::new();
    for (name, age) in [("old=", 11), ("young=", 0)] {
        let connection_id = ConnectionId::parse(name).unwrap();
        let connection = Connection::new(connection_id, principal("admin_ada"), now().plus_seconds(-age));
        store.put_connection(&connection).await.unwrap();
        for topic in [topic("conv_1"), Topic::Inbox] {
            plant(&store, &connection, &topic, 0).await;
        }
        planted.push(connection.id);
    }
    let (mut socket, connection) = connected(&cloud, BEN).await;
    plant(&store, &connection, &topic("conv_1"), 0).await;

    let answer = cloud.fan_out(&cloud.records_of("conv_1").await).await;

    assert_eq!(answer, json!({"batchItemFailures": []}), "nobody waits for who is gone");
    assert_eq!(socket.drain().await.iter().flat_map(events).count(), 2);
    assert!(store.connection(&planted[0]).await.unwrap().is_none(), "the old one is forgotten");
    assert!(store.connection(&planted[1]).await.unwrap().is_some(), "the young one may still come");
    for topic in [topic("conv_1"), Topic::Inbox] {
        let left = tenant.subscribers(&topic).await.unwrap();
        assert!(left.iter().all(|subscription| subscription.connection_id != planted[0]), "{topic:?}");
        assert!(left.iter().any(|subscription| subscription.connection_id == planted[1]), "{topic:?}");
    }
}

#[tokio::test]
async fn a_connection_whose_token_has_expired_is_closed_at_the_next_event() {
    let cloud = Cloud::silent().await;
    let (store, tenant) = (cloud.store().await, cloud.tenant(AURORA).await);
    let (mut expired, mut connection) = connected(&cloud, ADA).await;
    let (mut valid, _) = connected(&cloud, ADA).await;
    valid.subscribe(LIVE, None).await;
    valid.until("subscribed").await;
    connection.principal.expires_at = now().seconds();
    store.put_connection(&connection).await.unwrap();
    plant(&store, &connection, &topic(LIVE), 5).await;

    cloud.append(AURORA, LIVE, said("too late for some")).await;

    assert_eq!(valid.next().await.unwrap()["message"], "too late for some");
    assert_eq!(expired.next().await, None, "closed without another word");
    eventually("the end of its records", || async {
        let left = tenant.subscribers(&topic(LIVE)).await.unwrap().len();
        (left == 1 && store.connection(&connection.id).await.unwrap().is_none()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_the_others_go_on() {
    let cloud = Cloud::silent().await;
    let tenant = cloud.tenant(AURORA).await;
    let id = open(&tenant, "conv_1", PHONE, Medium::Chat).await;
    let (mut slow, connection) = connected(&cloud, ADA).await;
    let (mut quick, _) = connected(&cloud, BEN).await;
    for socket in [&mut slow, &mut quick] {
        socket.subscribe("conv_1", None).await;
        socket.until("subscribed").await;
    }
    // More than the sockets' buffers and the gateway's queue hold, read by one of them only.
    let (mut last, text) = (1, "x".repeat(30_000));
    let store = cloud.store().await;
    while store.connection(&connection.id).await.unwrap().is_some() {
        let bodies = (0..20).map(|_| said(&text)).collect();
        tenant.append(&id, Append::new(bodies, now())).await.unwrap().unwrap();
        let until = last + 20;
        while last < until {
            for event in events(&quick.next().await.unwrap()) {
                last += 1;
                assert_eq!(event["seq"], last);
            }
        }
        assert!(last < 3000, "the slow client is never given up");
    }
    let topics = tenant.subscribers(&topic("conv_1")).await.unwrap();
    assert_eq!(topics.len(), 1, "only the quick one reads on");

    // It comes back and resumes by number.
    let mut back = cloud.socket(ADA).await;
    back.subscribe("conv_1", Some(last - 1)).await;
    assert_eq!(events(&back.next().await.unwrap())[0]["seq"], last);
}
