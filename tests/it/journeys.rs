//! The life of a message through everything at once.

use crate::support::cloud::{BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, SHARED_CONTACT, SHARED_PHONE};
use crate::support::socket::{Socket, events};
use crate::support::sse::Sse;
use serde_json::{Value, json};
use std::collections::VecDeque;

#[tokio::test]
async fn a_text_message_is_seen_on_both_streams_the_socket_and_in_the_snapshot() {
    let cloud = Cloud::start().await;
    let mut conversation = cloud.stream(BICI_LIVE, CLEO, None).await;
    assert_eq!(conversation.next().await.unwrap().name(), "initial");
    let mut contact = cloud.contact_stream(SHARED_CONTACT, "load=true", CLEO, None).await;
    assert_eq!(contact.next().await.unwrap().name(), "conversation_history");
    let mut socket = cloud.socket(CLEO).await;
    socket.subscribe(BICI_LIVE, None).await;
    socket.until("subscribed").await;

    cloud.text(SHARED_PHONE, BICI_NUMBER, "Is it ready?").await;

    let block = conversation.until("new_messages").await;
    assert_eq!(block.data["messages"][0]["content"], "Is it ready?");
    let block = contact.until("sms_received").await;
    assert_eq!(block.data["message"], "Is it ready?");
    let frame = socket.next().await.unwrap();
    assert_eq!(events(&frame)[0]["message"], "Is it ready?");
    let snapshot = cloud.snapshot(BICI_LIVE, CLEO).await;
    assert_eq!(snapshot["messages"].as_array().unwrap().last().unwrap()["content"], "Is it ready?");
}

/// A contact, watched over both transports.
struct Watched {
    stream: Sse,
    socket: Socket,
    /// What the socket's frames held beyond what was asked for: one frame may tell of several events.
    ahead: VecDeque<Value>,
}

impl Watched {
    /// What both transports show until an event of this type.
    async fn until(&mut self, last: &str) -> Vec<Value> {
        let mut unnamed = Vec::new();
        while unnamed.last().is_none_or(|frame: &Value| frame["type"] != last) {
            let block = self.stream.next().await.expect("the stream stays");
            assert_eq!((block.event, &block.data["organizationId"]), (None, &json!(BICI)), "{}", block.data);
            unnamed.extend((block.data["type"] != "heartbeat").then_some(block.data));
        }
        let mut framed = Vec::new();
        while framed.last().is_none_or(|frame: &Value| frame["type"] != last) {
            match self.ahead.pop_front() {
                Some(event) => framed.push(event),
                None => {
                    let frame = self.socket.next().await.expect("the connection stays");
                    assert_eq!(frame["organizationId"], BICI, "{frame}");
                    self.ahead.extend(events(&frame));
                }
            }
        }
        assert_eq!(unnamed, framed, "both say the same");
        framed
    }
}

/// The one of this type.
fn one<'a>(frames: &'a [Value], kind: &str) -> &'a Value {
    let mut found = frames.iter().filter(|frame| frame["type"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("{kind} in {frames:?}"));
    assert!(found.next().is_none(), "{kind} came twice");
    one
}

/// Connect, text in, join, agent's message, leave (B32), over both transports at once.
#[tokio::test]
async fn the_five_steps_of_a_takeover_are_seen_over_both_transports() {
    let cloud = Cloud::start().await;
    let query = format!("phoneNumber={SHARED_PHONE}&load=true&organizationId={BICI}");
    let mut stream = cloud.contact_stream(SHARED_CONTACT, &query, CLEO, None).await;
    let history = stream.next().await.unwrap();
    assert_eq!((history.name(), &history.data["organizationId"]), ("conversation_history", &json!(BICI)));
    assert_eq!(history.data["messages"].as_array().unwrap().len(), 2);
    let mut socket = cloud.socket(CLEO).await;
    socket.send(json!({"action": "subscribe", "lead_id": SHARED_CONTACT})).await;
    socket.until("subscribed").await;
    let mut watched = Watched { stream, socket, ahead: VecDeque::new() };

    cloud.text(SHARED_PHONE, BICI_NUMBER, "Are you open on Saturday?").await;
    let frames = watched.until("sms_sent").await;
    let received = one(&frames, "sms_received");
    assert_eq!(
        (&received["message"], &received["phoneNumber"]),
        (&json!("Are you open on Saturday?"), &json!(SHARED_PHONE))
    );
    let answered = one(&frames, "sms_sent")["message"].clone();
    assert!(answered.as_str().unwrap().contains("Saturday"), "{answered}");

    let body = json!({"phoneNumber": SHARED_PHONE, "agentName": "Cleo", "handoffReason": "wants a person"});
    assert_eq!(cloud.control("join", CLEO, &body).await.0, 200);
    let frames = watched.until("human_control_started").await;
    let started = one(&frames, "human_control_started");
    assert_eq!((&started["agentName"], &started["handoffReason"]), (&json!("Cleo"), &json!("wants a person")));
    assert_eq!((&started["leadId"], &started["conversation_id"]), (&json!(SHARED_CONTACT), &json!(BICI_LIVE)));

    cloud.text(SHARED_PHONE, BICI_NUMBER, "And on Sunday?").await;
    assert_eq!(cloud.write(SHARED_PHONE, CLEO, "On Sunday we rest.").await.0, 200);
    let frames = watched.until("human_message_sent").await;
    assert_eq!(one(&frames, "sms_received")["message"], "And on Sunday?");
    let sent = one(&frames, "human_message_sent");
    assert_eq!((&sent["message"], &sent["agentName"]), (&json!("On Sunday we rest."), &json!("Cleo")));

    let body = json!({"phoneNumber": SHARED_PHONE, "summary": "Told them the hours.", "handoffSuccess": true});
    assert_eq!(cloud.control("leave", CLEO, &body).await.0, 200);
    let frames = watched.until("human_control_ended").await;
    assert_eq!(one(&frames, "human_control_ended")["summary"], "Told them the hours.");
    assert!(!frames.iter().any(|frame| frame["type"] == "sms_sent"), "the AI was silent: {frames:?}");
    cloud.texted(SHARED_PHONE, 2).await;
    let texts = cloud.bodies_to(SHARED_PHONE).await;
    assert_eq!(texts, [answered.as_str().unwrap(), "On Sunday we rest."]);
}
