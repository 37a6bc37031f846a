//! Who sees a conversation that somebody has joined, and whose it is besides (A19, A21, B28).

use super::{fence, until, until_count};
use crate::support::backstage::said;
use crate::support::cloud::{
    ADA, AURORA, AURORA_NUMBER, BEN, BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, DAN, LIVE, SHARED_CONTACT,
    SHARED_PHONE, TAKEN,
};
use crate::support::control::{answer, assert_refused};
use crate::support::sse::Sse;
use serde_json::json;

async fn lists(cloud: &Cloud, email: &str) -> bool {
    let listing = cloud.json("/api/conversations?limit=100", email).await;
    listing["conversations"].as_array().unwrap().iter().any(|one| one["conversation_id"] == LIVE)
}

#[tokio::test]
async fn a_call_that_is_joined_is_the_admins_own_until_they_leave() {
    let cloud = Cloud::start().await;
    let mut bens = cloud.stream(LIVE, BEN, None).await;
    bens.until("initial").await;
    let mut socket = cloud.socket(BEN).await;
    socket.subscribe(LIVE, None).await;
    socket.until("subscribed").await;
    assert!(lists(&cloud, BEN).await && lists(&cloud, DAN).await);

    let (status, joined) = cloud.control("join", ADA, &json!({ "conversation_id": LIVE })).await;
    assert_eq!((status, &joined["conversation_id"]), (200, &json!(LIVE)), "{joined}");
    cloud.append(AURORA, LIVE, said("for Ada only")).await;

    let last = until(&mut bens, "error").await.pop().unwrap();
    assert_eq!((&last.data["code"], &last.data["conversation_id"]), (&json!("taken_over"), &json!(LIVE)));
    assert!(bens.next().await.is_none(), "the stream has ended");
    assert_eq!(socket.until("error").await["code"], "taken_over");
    for email in [BEN, DAN] {
        for path in [format!("/api/conversation/{LIVE}"), format!("/api/conversation/{LIVE}/stream")] {
            assert_refused(&answer(cloud.get(&path, email)).await, 403, "taken_over");
        }
        assert!(!lists(&cloud, email).await);
        let body = json!({"conversation_id": LIVE, "message": "hi"});
        assert_refused(&cloud.control("send-message", email, &body).await, 403, "taken_over");
        assert_refused(&cloud.control("leave", email, &body).await, 403, "taken_over");
    }
    let snapshot = cloud.snapshot(LIVE, ADA).await;
    assert_eq!((&snapshot["admin_id"], &snapshot["status"]), (&json!("admin_ada"), &json!("TAKEN_OVER")));
    assert!(lists(&cloud, ADA).await);

    let (status, _) = cloud.control("leave", ADA, &json!({ "conversation_id": LIVE })).await;
    assert_eq!(status, 200);
    let snapshot = cloud.snapshot(LIVE, BEN).await;
    assert_eq!((&snapshot["admin_id"], &snapshot["status"]), (&json!(null), &json!("ACTIVE")));
    assert!(lists(&cloud, BEN).await && lists(&cloud, DAN).await);
    // Back on the stream, nothing of what happened is missing.
    let mut bens = cloud.stream(LIVE, BEN, Some(5)).await;
    let seen = until(&mut bens, "human_control_ended").await;
    assert!(seen.iter().any(|block| block.data["messages"][0]["content"] == "for Ada only"), "{seen:?}");
    socket.drain().await;
    cloud.append(AURORA, LIVE, fence()).await;
    socket.subscribe(LIVE, None).await;
    socket.until("subscribed").await;
}

#[tokio::test]
async fn organizations_that_share_a_customer_do_not_share_control() {
    let cloud = Cloud::quick(&[]).await;
    // Ada has another conversation of this customer at Aurora: to BICI's Cleo that is nothing.
    let (status, left) = cloud.control("leave", ADA, &json!({ "conversation_id": TAKEN })).await;
    assert_eq!(status, 200, "{left}");
    let joined = cloud.join(SHARED_PHONE, CLEO).await;
    assert_eq!((&joined["conversation_id"], &joined["organizationId"]), (&json!(BICI_LIVE), &json!(BICI)));
    let (mut ben, mut cleo): (Sse, Sse) = (
        cloud.contact_stream(SHARED_CONTACT, "", BEN, None).await,
        cloud.contact_stream(SHARED_CONTACT, "", CLEO, None).await,
    );

    let status = cloud.control_status(SHARED_PHONE, BEN).await;
    assert_eq!((&status["isUnderHumanControl"], &status["session"]), (&json!(false), &json!(null)));
    assert_refused(&cloud.write(SHARED_PHONE, BEN, "hi").await, 400, "not_under_human_control");

    // The customer writes to both: one is answered by the AI, the other waits for Cleo.
    for (number, text) in [(AURORA_NUMBER, "to Aurora"), (BICI_NUMBER, "to BICI")] {
        cloud.text(SHARED_PHONE, number, text).await;
    }
    let auroras = ben.until("sms_sent").await;
    assert_eq!(auroras.data["organizationId"], AURORA);
    let queue = cloud.control_status(SHARED_PHONE, CLEO).await["queuedMessages"].take();
    assert_eq!((&queue[0]["message"], &queue[1]), (&json!("to BICI"), &json!(null)));

    // Both in control at once, each of its own.
    cloud.join(SHARED_PHONE, BEN).await;
    for (email, text) in [(BEN, "Ben here"), (CLEO, "Cleo here")] {
        assert_eq!(cloud.write(SHARED_PHONE, email, text).await.0, 200);
    }
    cloud.leave(SHARED_PHONE, BEN).await;
    assert_eq!(cloud.control_status(SHARED_PHONE, CLEO).await["isUnderHumanControl"], true);
    cloud.leave(SHARED_PHONE, CLEO).await;
    let texts = cloud.texts_to(SHARED_PHONE).await;
    let from = |number| texts.iter().filter(|text| text["from"] == number).count();
    assert_eq!((from(AURORA_NUMBER), from(BICI_NUMBER)), (2, 1), "{texts:?}");
    for (stream, own, foreign) in [(&mut ben, AURORA, BICI), (&mut cleo, BICI, AURORA)] {
        for block in until(stream, "human_control_ended").await {
            assert_eq!(block.data["organizationId"], own);
            assert!(!block.data.to_string().contains(foreign), "{}", block.data);
        }
    }
    until_count(&cloud, BICI, BICI_LIVE, "sms_sent", 1).await;
}
