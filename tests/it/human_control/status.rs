//! Who is in control, what waits for them, and for how long.

use super::{ASHA, STRANGER, STRANGERS_LEAD, until, until_count};
use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BEN, Cloud};
use crate::support::control::{answer, assert_refused};
use crate::support::eventually;
use domain::ids::ConversationId;
use serde_json::{Value, json};

#[tokio::test]
async fn the_number_in_the_path_may_be_written_in_any_way() {
    let cloud = Cloud::start().await;
    cloud.join(ASHA, ADA).await;
    for number in
        ["+919325590143", "%2B919325590143", "%20919325590143", "919325590143", "09325590143", "+91%2093255%2090143"]
    {
        let status = cloud.control_status(number, ADA).await;
        assert_eq!((&status["phoneNumber"], &status["isUnderHumanControl"]), (&json!(ASHA), &json!(true)), "{number}");
    }
    for number in ["nobody", "12", "%2B"] {
        let path = format!("/api/conversations/human-control/status/{number}");
        assert_refused(&answer(cloud.get(&path, ADA)).await, 400, "invalid_request");
    }
    let unknown = cloud.control_status(STRANGER, ADA).await;
    let expected = json!({
        "success": true, "phoneNumber": STRANGER, "organizationId": AURORA, "leadId": null,
        "isUnderHumanControl": false, "status": null, "conversation_id": null, "session": null, "queuedMessages": [],
    });
    assert_eq!(unknown, expected);
}

/// The texts that wait.
fn queued(status: &Value) -> Vec<&str> {
    let waiting = status["queuedMessages"].as_array().unwrap();
    waiting.iter().map(|message| message["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_customers_write_meanwhile_is_shown_and_waits_for_the_agent_alone() {
    let cloud = Cloud::quick(&[]).await;
    cloud.text(STRANGER, AURORA_NUMBER, "Is anybody there?").await;
    let body = json!({"phoneNumber": STRANGER, "handoffReason": "asked for a person"});
    let (_, joined) = cloud.control("join", ADA, &body).await;
    let id = joined["conversation_id"].as_str().unwrap();
    let mut contact = cloud.contact_stream(STRANGERS_LEAD, "load=true", ADA, None).await;
    contact.until("conversation_history").await;
    let waiting = queued(&cloud.control_status(STRANGER, ADA).await).len();
    assert_eq!(joined["queuedMessages"], waiting);
    for text in ["one", "two"] {
        cloud.text(STRANGER, AURORA_NUMBER, text).await;
        let block = contact.until("sms_received").await;
        assert_eq!((&block.data["message"], &block.data["organizationId"]), (&json!(text), &json!(AURORA)));
    }
    let status = cloud.control_status(STRANGER, ADA).await;
    let session = &status["session"];
    assert_eq!((&session["agentId"], &session["agentName"]), (&json!("admin_ada"), &json!("Ada")));
    assert_eq!((&session["isMine"], &session["handoffReason"]), (&json!(true), &json!("asked for a person")));
    assert_eq!((&session["startedAt"], &session["expiresAt"]), (&joined["startedAt"], &joined["expiresAt"]));
    assert_eq!((&status["conversation_id"], &status["status"]), (&json!(id), &json!("TAKEN_OVER")));
    assert_eq!(queued(&status)[waiting..], ["one", "two"]);
    let seqs: Vec<u64> =
        status["queuedMessages"].as_array().unwrap().iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted() && seqs.len() == waiting + 2, "{seqs:?}");

    // A colleague learns who it is, and neither why nor what was written.
    let theirs = cloud.control_status(STRANGER, BEN).await;
    assert_eq!((&theirs["session"]["agentName"], &theirs["session"]["isMine"]), (&json!("Ada"), &json!(false)));
    assert_eq!((&theirs["session"]["handoffReason"], &theirs["queuedMessages"]), (&json!(null), &json!([])));

    // The agent's answer empties the queue; the AI had no part in it.
    assert_eq!(cloud.write(STRANGER, ADA, "I am here.").await.0, 200);
    assert_eq!(queued(&cloud.control_status(STRANGER, ADA).await), [""; 0]);
    cloud.text(STRANGER, AURORA_NUMBER, "three").await;
    assert_eq!(queued(&cloud.control_status(STRANGER, ADA).await), ["three"]);
    cloud.leave(STRANGER, ADA).await;
    let during = until(&mut contact, "human_control_ended").await;
    assert!(!during.iter().any(|block| block.name() == "sms_sent"), "{during:?}");
    let snapshot = cloud.snapshot(id, ADA).await;
    for text in ["one", "two", "three"] {
        assert!(super::contents(&snapshot).contains(&text), "{text} is stored");
    }
    let status = cloud.control_status(STRANGER, BEN).await;
    assert_eq!((&status["isUnderHumanControl"], &status["session"]), (&json!(false), &json!(null)));
    assert_eq!((&status["leadId"], &status["status"]), (&json!(STRANGERS_LEAD), &json!("ACTIVE")));
}

#[tokio::test]
async fn signs_of_life_keep_a_control_alive() {
    let cloud = Cloud::start().await;
    let body = json!({ "phoneNumber": STRANGER });
    assert_refused(&cloud.control("heartbeat", ADA, &body).await, 400, "not_under_human_control");
    let joined = cloud.join(STRANGER, ADA).await;
    let id = ConversationId::parse(joined["conversation_id"].as_str().unwrap()).unwrap();
    let lease = cloud.tenant(AURORA).await.lease(&id).await.unwrap().unwrap();
    assert_eq!((lease.lease_seconds, json!(lease.until.iso())), (7200, joined["expiresAt"].clone()));
    assert_refused(&cloud.control("heartbeat", BEN, &body).await, 403, "taken_over");
    let mut last = joined["expiresAt"].as_str().unwrap().to_owned();
    for alive in ["heartbeat", "send-message"] {
        let body = json!({"phoneNumber": STRANGER, "message": "still here"});
        let (status, answer) = cloud.control(alive, ADA, &body).await;
        assert_eq!(status, 200, "{answer}");
        let status = cloud.control_status(STRANGER, ADA).await;
        let until = status["session"]["expiresAt"].as_str().unwrap();
        assert!(until > last.as_str(), "{alive}: {until} after {last}");
        assert!(alive != "heartbeat" || answer["expiresAt"] == until);
        last = until.to_owned();
    }
}

#[tokio::test]
async fn an_agent_who_is_gone_is_not_waited_for_and_the_ai_answers_what_they_left() {
    let cloud = Cloud::quick(&["--time-scale", "30", "--env", "HUMAN_CONTROL_SECONDS=1"]).await;
    let joined = cloud.join(STRANGER, ADA).await;
    let id = joined["conversation_id"].as_str().unwrap();
    let mut contact = cloud.contact_stream(STRANGERS_LEAD, "load=true", ADA, None).await;
    cloud.text(STRANGER, AURORA_NUMBER, "Are you still there?").await;
    let ended = until(&mut contact, "human_control_ended").await.pop().unwrap();
    assert_eq!((&ended.data["endedBy"], &ended.data["agentId"]), (&json!("timed_out"), &json!("admin_ada")));
    until_count(&cloud, AURORA, id, "sms_sent", 1).await;
    assert_eq!(cloud.texted(STRANGER, 1).await.len(), 1);
    assert_refused(&cloud.write(STRANGER, ADA, "I am back").await, 400, "not_under_human_control");
    // It is free for whoever wants it.
    eventually("a free conversation", || async {
        (cloud.control_status(STRANGER, BEN).await["isUnderHumanControl"] == false).then_some(())
    })
    .await;
    cloud.join(STRANGER, BEN).await;
}
