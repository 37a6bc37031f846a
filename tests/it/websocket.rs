//! The WebSocket: who gets in, and what each frame of a client is answered.

mod access;
mod handover;

use crate::support::backstage::{said, taken_over_by};
use crate::support::cloud::{
    ADA, AURORA, BEN, BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, LIVE, SHARED_CONTACT, SHARED_PHONE, TAKEN,
};
use crate::support::socket::{Socket, events};
use domain::secret::Secret;
use identity::token::{self, Keyring, Subject};
use reqwest::Method;
use serde_json::{Value, json};
use store::now;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;

/// A handshake with one header.
fn with_header(cloud: &Cloud, name: &'static str, value: &str) -> Request {
    let mut request = cloud.info.websocket_url.as_str().into_client_request().unwrap();
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

async fn ticket(cloud: &Cloud, body: Value) -> String {
    let request = cloud.request(Method::POST, "/api/stream/ticket", ADA).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["ticket"].as_str().unwrap().to_owned()
}

async fn with_query(cloud: &Cloud, query: &str) -> Result<Socket, u16> {
    Socket::connect(&format!("{}?{query}", cloud.info.websocket_url)).await
}

async fn assert_works(mut socket: Socket) {
    assert_eq!(socket.next().await.unwrap(), json!({"type": "connected"}));
    socket.subscribe(LIVE, None).await;
    assert_eq!(socket.next().await.unwrap()["type"], "subscribed");
}

#[tokio::test]
async fn each_way_to_show_who_one_is_opens_the_socket() {
    let cloud = Cloud::silent().await;
    let token = cloud.token(ADA);
    assert_works(with_query(&cloud, &format!("token={token}")).await.unwrap()).await;
    let ticket = ticket(&cloud, json!({})).await;
    assert_works(with_query(&cloud, &format!("ticket={ticket}")).await.unwrap()).await;
    let bearer = with_header(&cloud, "authorization", &format!("Bearer {token}"));
    let (socket, answer) = Socket::handshake(bearer).await.unwrap();
    assert!(!answer.headers().contains_key("sec-websocket-protocol"));
    assert_works(socket).await;
    for offered in [format!("chat.v1, bearer.{token}"), format!("bearer.{token}, chat.v1")] {
        let request = with_header(&cloud, "sec-websocket-protocol", &offered);
        let (socket, answer) = Socket::handshake(request).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "chat.v1", "the token is not named back");
        assert_works(socket).await;
    }
}

#[tokio::test]
async fn without_a_good_token_there_is_no_socket() {
    let cloud = Cloud::silent().await;
    let refused = async |query: &str| with_query(&cloud, query).await.err();
    assert_eq!(refused("").await, Some(401), "nothing");
    assert_eq!(refused("token=").await, Some(401), "an empty token");
    assert_eq!(refused("token=a.b.c").await, Some(401), "no token of ours");
    let expired = cloud.mint(ADA, -3600);
    assert_eq!(refused(&format!("token={}", expired.token.expose())).await, Some(401), "an expired token");

    let stranger = Keyring::new(&Secret::new("another secret of thirty-two bytes or more"), &[]).unwrap();
    let tenant = cloud.tenant(AURORA).await;
    let ada = tenant.users().await.unwrap().into_iter().find(|user| user.email.as_str() == ADA).unwrap();
    let forged = token::issue(&stranger, &Subject::from(&ada), now(), 600).unwrap();
    assert_eq!(refused(&format!("token={}", forged.token.expose())).await, Some(401), "signed by somebody else");

    let revoked = cloud.mint(ADA, 600);
    cloud.store().await.revoke(&revoked.claims.jti, revoked.claims.exp).await.unwrap();
    assert_eq!(refused(&format!("token={}", revoked.token.expose())).await, Some(401), "a revoked token");

    let once = ticket(&cloud, json!({})).await;
    assert_eq!(refused(&format!("token={once}")).await, Some(401), "a ticket is no token");
    assert!(with_query(&cloud, &format!("ticket={once}")).await.is_ok());
    assert_eq!(refused(&format!("ticket={once}")).await, Some(401), "a ticket opens once");
    let elsewhere = ticket(&cloud, json!({"conversation_id": LIVE})).await;
    assert_eq!(refused(&format!("ticket={elsewhere}")).await, Some(401), "a ticket for a stream");
    let basic = with_header(&cloud, "authorization", "Basic YTpi");
    assert_eq!(Socket::handshake(basic).await.err(), Some(401));
    let protocol = with_header(&cloud, "sec-websocket-protocol", "chat.v1");
    assert_eq!(Socket::handshake(protocol).await.err(), Some(401), "a subprotocol without a token");
}

#[tokio::test]
async fn connected_is_the_first_frame_however_fast_the_client_speaks() {
    let cloud = Cloud::silent().await;
    for _ in 0..15 {
        let mut socket = with_query(&cloud, &format!("token={}", cloud.token(ADA))).await.unwrap();
        socket.send(json!({"action": "ping"})).await;
        assert_eq!(socket.next().await.unwrap(), json!({"type": "connected"}));
        assert_eq!(socket.next().await.unwrap(), json!({"type": "pong"}));
        assert!(socket.drain().await.is_empty(), "connected comes once");
    }
}

#[tokio::test]
async fn a_subscriber_gets_what_it_missed_then_subscribed_then_what_happens() {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(ADA).await;
    socket.subscribe(LIVE, Some(2)).await;
    let missed = socket.next().await.unwrap();
    let seqs: Vec<u64> = events(&missed).iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [3, 4, 5]);
    let subscribed = json!({"type": "subscribed", "conversation_id": LIVE, "seq": 5});
    assert_eq!(socket.next().await.unwrap(), subscribed);
    cloud.append(AURORA, LIVE, said("news")).await;
    let news = socket.next().await.unwrap();
    assert_eq!((news["seq"].as_u64(), news["message"].as_str()), (Some(6), Some("news")));
    assert_eq!((news["organizationId"].as_str(), news["type"].as_str()), (Some(AURORA), Some("message")));

    let mut later = cloud.socket(BEN).await;
    later.subscribe(LIVE, Some(1000)).await;
    assert_eq!(later.next().await.unwrap()["seq"], 6, "a number beyond the log is of another history");
}

#[tokio::test]
async fn a_contact_is_followed_over_all_conversations() {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(CLEO).await;
    socket.send(json!({"action": "subscribe", "lead_id": SHARED_CONTACT, "after_seq": 0})).await;
    let missed = socket.next().await.unwrap();
    assert_eq!(events(&missed).len(), 2);
    let subscribed = json!({"type": "subscribed", "lead_id": SHARED_CONTACT, "seq": 2});
    assert_eq!(socket.next().await.unwrap(), subscribed);
    cloud.append(BICI, BICI_LIVE, crate::support::backstage::ended()).await;
    cloud.text(SHARED_PHONE, BICI_NUMBER, "Still there?").await;
    let ended = socket.next().await.unwrap();
    assert_eq!((ended["type"].as_str(), ended["contact_seq"].as_u64()), (Some("conversation_ended"), Some(3)));
    let text = socket.next().await.unwrap();
    assert_eq!((text["message"].as_str(), text["contact_seq"].as_u64()), (Some("Still there?"), Some(4)));
    assert_ne!(text["conversation_id"], BICI_LIVE, "another conversation, the same contact");
}

#[tokio::test]
async fn the_inbox_tells_of_every_conversation_but_not_what_one_may_not_read() {
    let cloud = Cloud::silent().await;
    let (mut ada, mut ben) = (cloud.socket(ADA).await, cloud.socket(BEN).await);
    for socket in [&mut ada, &mut ben] {
        socket.send(json!({"action": "subscribe", "inbox": true})).await;
        assert_eq!(socket.next().await.unwrap(), json!({"type": "subscribed", "inbox": true, "seq": 0}));
    }
    cloud.append(AURORA, TAKEN, said("a secret of Ada's")).await;
    cloud.append(BICI, BICI_LIVE, said("a secret of BICI's")).await;
    cloud.append(AURORA, LIVE, said(&"long ".repeat(100))).await;

    for (socket, preview) in [(&mut ada, Some("a secret of Ada's")), (&mut ben, None)] {
        let taken = socket.next().await.unwrap();
        assert_eq!((&taken["type"], &taken["conversation_id"]), (&json!("conversation_updated"), &json!(TAKEN)));
        assert_eq!(taken["preview"].as_str(), preview);
        assert_eq!((&taken["status"], &taken["admin_id"]), (&json!("TAKEN_OVER"), &json!("admin_ada")));
        let live = socket.next().await.unwrap();
        assert_eq!(live["conversation_id"], LIVE, "nothing of the other organization");
        assert_eq!(live["preview"].as_str().unwrap().chars().count(), 140);
    }
    cloud.append(AURORA, LIVE, taken_over_by("admin_ada")).await;
    assert_eq!(ben.next().await.unwrap()["event"], "human_control_started");
}

#[tokio::test]
async fn after_unsubscribing_nothing_more_comes() {
    let cloud = Cloud::silent().await;
    let (mut stays, mut leaves) = (cloud.socket(ADA).await, cloud.socket(BEN).await);
    for socket in [&mut stays, &mut leaves] {
        socket.subscribe(LIVE, None).await;
        socket.until("subscribed").await;
    }
    leaves.send(json!({"action": "unsubscribe", "conversation_id": LIVE})).await;
    assert_eq!(leaves.next().await.unwrap(), json!({"type": "unsubscribed", "conversation_id": LIVE}));
    for text in ["one", "two"] {
        cloud.append(AURORA, LIVE, said(text)).await;
        assert_eq!(stays.next().await.unwrap()["message"], text);
    }
    // The first of the two was told to everybody before the second was told to anybody.
    assert!(leaves.drain().await.is_empty());
    leaves.send(json!({"action": "unsubscribe", "conversation_id": LIVE})).await;
    assert_eq!(leaves.next().await.unwrap()["type"], "unsubscribed", "once more does no harm");
}

#[tokio::test]
async fn frames_that_nobody_knows_are_answered_and_the_connection_stays() {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(ADA).await;
    for frame in [
        json!({"action": "shout"}),
        json!({"action": "shout", "message": "hi"}),
        json!({"message": ["hi"]}),
        json!({"action": "subscribe"}),
        json!({"action": "subscribe", "conversation_id": LIVE, "inbox": true}),
        json!({"action": "subscribe", "conversation_id": "a#b"}),
        json!({"action": "subscribe", "conversation_id": LIVE, "after_seq": -1}),
        json!({"action": "$connect"}),
        json!("ping"),
        json!(null),
    ] {
        socket.send(frame.clone()).await;
        let answer = socket.next().await.unwrap();
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!("invalid_request")), "{frame}");
        assert!(answer["message"].is_string() && answer["hint"].is_string());
    }
    assert!(socket.drain().await.is_empty());
}
