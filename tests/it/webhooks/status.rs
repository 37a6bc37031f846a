//! How far our messages got.

use super::is_empty_twiml;
use crate::support::cloud::{
    ADA, AURORA_NUMBER, BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, SHARED_CONTACT, SHARED_PHONE,
};
use crate::support::twilio::STATUS;
use domain::event::EventBody;
use domain::sms::MessageStatus;
use futures_util::future::join_all;
use serde_json::{Value, json};

/// The demo's message to the shared contact: its provider's id, and its place in the conversation.
const SENT: &str = "SM00000000000000000000000000000002";
const SENT_SEQ: u64 = 2;

async fn report(cloud: &Cloud, sid: &str, status: &str) {
    is_empty_twiml(cloud.sms_status(sid, BICI_NUMBER, SHARED_PHONE, status).await).await;
}

async fn delivery_status(cloud: &Cloud) -> Value {
    cloud.snapshot(BICI_LIVE, CLEO).await["messages"][1]["delivery_status"].clone()
}

#[tokio::test]
async fn a_delivery_state_only_moves_forward_and_viewers_are_told() {
    let cloud = Cloud::silent().await;
    let mut contact = cloud.contact_stream(SHARED_CONTACT, "", CLEO, None).await;
    let mut conversation = cloud.stream(BICI_LIVE, CLEO, None).await;
    conversation.until("initial").await;
    assert_eq!(delivery_status(&cloud).await, json!(null));

    for (told, then) in [
        ("queued", "queued"),
        ("delivered", "delivered"),
        ("sent", "delivered"),
        ("sending", "delivered"),
        ("delivered", "delivered"),
        ("failed", "delivered"),
        ("read", "read"),
        ("delivered", "read"),
    ] {
        report(&cloud, SENT, told).await;
        assert_eq!(delivery_status(&cloud).await, then, "after {told}");
    }
    for status in ["queued", "delivered", "read"] {
        let block = contact.next().await.unwrap();
        assert_eq!(block.name(), "sms_status_update");
        assert_eq!((&block.data["messageStatus"], &block.data["messageSeq"]), (&json!(status), &json!(SENT_SEQ)));
        assert_eq!((&block.data["organizationId"], &block.data["actor"]), (&json!("bici-demo"), &json!("system")));
        assert_eq!(conversation.next().await.unwrap().event.as_deref(), Some("sms_status_update"));
    }
    // Nothing was told of the others.
    cloud.text(SHARED_PHONE, BICI_NUMBER, "fence").await;
    assert_eq!(contact.next().await.unwrap().name(), "sms_received");
}

#[tokio::test]
async fn states_that_arrive_at_once_leave_the_furthest() {
    let cloud = Cloud::silent().await;
    let states = ["read", "queued", "sent", "sending", "delivered"];
    join_all(states.map(|state| report(&cloud, SENT, state))).await;
    assert_eq!(delivery_status(&cloud).await, "read");
}

/// Of two callbacks at once, the one that is further along may be appended first.
#[tokio::test]
async fn states_in_the_wrong_order_in_the_log_show_the_furthest() {
    let cloud = Cloud::silent().await;
    for status in [MessageStatus::Delivered, MessageStatus::Sent, MessageStatus::Undelivered] {
        let body = EventBody::SmsStatus {
            provider_id: Some(SENT.to_owned()),
            message_seq: SENT_SEQ,
            status,
            error_code: None,
        };
        cloud.append(BICI, BICI_LIVE, body).await;
        assert_eq!(delivery_status(&cloud).await, "delivered");
    }
}

#[tokio::test]
async fn a_failure_says_why() {
    let cloud = Cloud::silent().await;
    let mut contact = cloud.contact_stream(SHARED_CONTACT, "", CLEO, None).await;
    let fields = [
        ("MessageSid", SENT),
        ("AccountSid", "AC1"),
        ("From", BICI_NUMBER),
        ("To", SHARED_PHONE),
        ("SmsStatus", "undelivered"),
        ("ErrorCode", "30003"),
    ];
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    is_empty_twiml(cloud.signed(STATUS, form).send().await.unwrap()).await;
    let block = contact.next().await.unwrap();
    assert_eq!((&block.data["messageStatus"], &block.data["errorCode"]), (&json!("undelivered"), &json!(30003)));
}

#[tokio::test]
async fn a_state_of_a_message_that_is_not_the_organizations_is_taken_and_changes_nothing() {
    let cloud = Cloud::silent().await;
    let before = cloud.snapshot(BICI_LIVE, CLEO).await;
    report(&cloud, "SM99999999999999999999999999999999", "delivered").await;
    // The sid is BICI's, the number Aurora's.
    is_empty_twiml(cloud.sms_status(SENT, AURORA_NUMBER, SHARED_PHONE, "delivered").await).await;
    assert_eq!(cloud.snapshot(BICI_LIVE, CLEO).await, before);
    let listing = cloud.json("/api/conversations?medium=SMS", ADA).await;
    assert_eq!(listing["conversations"], json!([]));
}
