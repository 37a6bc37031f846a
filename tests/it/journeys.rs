//! The life of a message through everything at once.

use crate::support::cloud::{BICI_LIVE, BICI_NUMBER, CLEO, Cloud, SHARED_CONTACT, SHARED_PHONE};
use crate::support::socket::events;

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
