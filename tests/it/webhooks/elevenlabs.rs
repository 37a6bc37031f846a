//! A call that is over becomes a conversation.

use super::{STRANGER, STRANGERS_CONVERSATION, conversations, strangers};
use crate::support::cloud::{BICI, BICI_NUMBER, CLEO, Cloud, SHARED_CONTACT, SHARED_PHONE};
use crate::support::elevenlabs::{Call, STARTED, own_agent};
use crate::support::socket::events;
use crate::support::threads::log_of;
use domain::event::{Event, EventBody};
use domain::ids::ConversationId;
use reqwest::Method;
use serde_json::{Value, json};
use store::Thread;

/// The bodies that ElevenLabs documents.
pub(super) fn payloads() -> Value {
    serde_json::from_str(include_str!("../../vectors/webhook_payloads/elevenlabs.json")).unwrap()
}

/// The log of a conversation of BICI's.
pub(super) async fn log(cloud: &Cloud, conversation: &Value) -> Vec<Event> {
    let id = ConversationId::parse(conversation["conversation_id"].as_str().unwrap()).unwrap();
    log_of(&cloud.tenant(BICI).await, &Thread::Conversation(id)).await
}

/// How the call in a log ended.
fn outcome(log: &[Event]) -> (&str, Option<u32>) {
    match &log.last().unwrap().body {
        EventBody::CallEnded { outcome, duration_seconds, .. } => (outcome, *duration_seconds),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_is_told_to_viewers_in_order_with_its_times_and_its_report() {
    let cloud = Cloud::start().await;
    let mut stream = cloud.contact_stream(SHARED_CONTACT, "", CLEO, None).await;
    let mut socket = cloud.socket(CLEO).await;
    socket.send(json!({"action": "subscribe", "lead_id": SHARED_CONTACT})).await;
    socket.until("subscribed").await;
    assert!(socket.drain().await.is_empty());

    let mut news = payloads()["post_call_transcription"].take();
    news["data"]["metadata"]["phone_call"]["agent_number"] = BICI_NUMBER.into();
    news["data"]["metadata"]["phone_call"]["external_number"] = SHARED_PHONE.into();
    cloud.call_over(&news).await;

    let mut told = Vec::new();
    while told.len() < 5 {
        told.extend(events(&socket.next().await.unwrap()));
    }
    let kinds: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["call_initiated", "message", "message", "message", "call_ended"]);
    for event in &told {
        assert_eq!((&event["organizationId"], &event["medium"]), (&json!(BICI), &json!("Voice")));
        let block = stream.until(event["type"].as_str().unwrap()).await;
        assert_eq!((&block.data["seq"], &block.data["timestamp"]), (&event["seq"], &event["timestamp"]));
    }
    assert_eq!(told[0]["direction"], "inbound");
    let [first, second, third] =
        [1, 2, 3].map(|n| (told[n]["actor"].as_str().unwrap(), told[n]["message"].as_str().unwrap()));
    assert_eq!(first, ("assistant", "Hi Ann, BICI Bike Store here. How can I help?"));
    assert_eq!(second, ("customer", "Is my bike ready?"));
    assert_eq!(third, ("assistant", "Yes, you can pick it up today until six."));
    let ended = &told[4];
    assert_eq!((&ended["outcome"], &ended["durationSeconds"]), (&json!("completed"), &json!(42)));
    assert_eq!(ended["summary"], "Ann asked if her bike is ready; it is.");
    assert_eq!((&ended["title"], &ended["successful"]), (&json!("Bike pickup"), &json!("success")));
    // What was not found out is left out.
    assert_eq!((&ended["collected"], &ended["criteria"]), (&json!({"order_no": "17"}), &json!({"helped": "success"})));
    assert_eq!((&ended["status"], &ended["total_messages"]), (&json!("ENDED"), &json!(3)));

    let id = ended["conversation_id"].as_str().unwrap();
    let log = log(&cloud, ended).await;
    let seconds: Vec<i64> = log.iter().map(|event| event.at.seconds() - STARTED as i64).collect();
    assert_eq!(seconds, [0, 0, 4, 8, 42]);
    let snapshot = cloud.snapshot(id, CLEO).await;
    assert_eq!((&snapshot["medium"], &snapshot["worker_id"]), (&json!("Voice"), &json!(SHARED_CONTACT)));
    assert!(snapshot["call_id"].as_str().unwrap().starts_with("call_14155550142_"));
}

#[tokio::test]
async fn every_documented_body_is_taken_by_the_agent_it_names() {
    let cloud = Cloud::start().await;
    let payloads = payloads();
    let agent = payloads["post_call_transcription"]["data"]["agent_id"].as_str().unwrap();
    let set =
        cloud.request(Method::PATCH, "/api/admin/organization", CLEO).json(&own_agent(agent)).send().await.unwrap();
    assert_eq!(set.status(), 200);
    let secret = domain::secret::Secret::new("wsec_own_post_call");
    let kinds = ["post_call", "call_initiation_failure"];
    let mut sent = 0;
    for (name, payload) in payloads.as_object().unwrap() {
        if kinds.iter().any(|kind| name.starts_with(kind)) {
            let response = cloud.signed_by(&secret, payload.to_string()).send().await.unwrap();
            assert_eq!(response.status(), 200, "{name}");
            sent += 1;
        }
    }
    assert!(sent >= 6);
    // One call with and without its transcript is one call; two more were never answered; the rest is passed over.
    let calls = cloud.json("/api/conversations?medium=Voice", CLEO).await;
    let calls = calls["conversations"].as_array().unwrap();
    let mut outcomes = Vec::new();
    for call in calls {
        let log = log(&cloud, call).await;
        assert!(matches!(log[0].body, EventBody::CallInitiated { .. }));
        outcomes.push(outcome(&log).0.to_owned());
    }
    outcomes.sort();
    assert_eq!(outcomes, ["busy", "busy", "completed"]);
    let inbox = cloud.json("/api/admin/webhooks", CLEO).await;
    let passed: Vec<_> = inbox["webhooks"].as_array().unwrap().iter().filter(|one| !one["reason"].is_null()).collect();
    assert_eq!(passed.len(), 2, "{inbox}");
}

#[tokio::test]
async fn what_is_absent_null_or_odd_costs_no_call() {
    let cloud = Cloud::start().await;
    let whole = Call::new("conv_odd", STRANGER, BICI_NUMBER).of_turns(2).news();
    // What is changed, and then: messages, outcome, duration.
    let cases = [
        ("/data/transcript", json!(null), 0, "completed", Some(42)),
        ("/data/transcript", json!([]), 0, "completed", Some(42)),
        ("/data/transcript/0/message", json!(null), 1, "completed", Some(42)),
        ("/data/transcript/0/role", json!("tool"), 1, "completed", Some(42)),
        ("/data/transcript/0/time_in_call_secs", json!(-5), 2, "completed", Some(42)),
        ("/data/transcript/1/time_in_call_secs", json!(1e18), 2, "completed", Some(42)),
        ("/data/analysis", json!(null), 2, "completed", Some(42)),
        ("/data/metadata/call_duration_secs", json!(null), 2, "completed", None),
        ("/data/metadata/start_time_unix_secs", json!("yesterday"), 2, "completed", Some(42)),
        ("/data/metadata/phone_call/call_result", json!("voicemail"), 2, "voicemail", Some(42)),
        ("/data/metadata/phone_call/direction", json!(7), 2, "completed", Some(42)),
        ("/data/status", json!("failed"), 2, "failed", Some(42)),
        ("/data/agent_id", json!("x".repeat(10_000)), 2, "completed", Some(42)),
        ("/data/analysis/transcript_summary", json!("s".repeat(500_000)), 2, "completed", Some(42)),
        ("/event_timestamp", json!(null), 2, "completed", Some(42)),
    ];
    let count = cases.len();
    for (number, (path, value, messages, outcome_due, duration)) in cases.into_iter().enumerate() {
        let mut news = whole.clone();
        let phone = format!("+1415555{number:04}");
        news["data"]["conversation_id"] = format!("conv_odd_{number}").into();
        news["data"]["metadata"]["phone_call"]["external_number"] = phone.as_str().into();
        *news.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")) = value;
        cloud.call_over(&news).await;
        let found = conversations(&cloud, &format!("conv_1415555{number:04}_"), CLEO).await;
        assert_eq!(found.len(), 1, "{path}");
        let log = log(&cloud, &found[0]).await;
        assert_eq!((log.len(), outcome(&log)), (messages + 2, (outcome_due, duration)), "{path}");
    }
    assert_eq!(count, 15);
    // A caller without a number is a caller too.
    let mut news = whole;
    news["data"]["conversation_id"] = "conv_nobody".into();
    news["data"]["metadata"]["phone_call"]["external_number"] = "anonymous".into();
    cloud.call_over(&news).await;
    assert_eq!(conversations(&cloud, "conv_anonymous_", CLEO).await.len(), 1);
}

#[tokio::test]
async fn a_call_that_was_not_answered_and_its_transcript_are_one_conversation() {
    let cloud = Cloud::start().await;
    let mut failure = payloads()["call_initiation_failure_twilio"].take();
    failure["data"]["metadata"]["body"]["From"] = BICI_NUMBER.into();
    failure["data"]["metadata"]["body"]["To"] = STRANGER.into();
    for _ in 0..2 {
        cloud.call_over(&failure).await;
    }
    let snapshot = strangers(&cloud, CLEO).await;
    assert_eq!((&snapshot["status"], &snapshot["seq"]), (&json!("ENDED"), &json!(2)));
    let log = log(&cloud, &snapshot).await;
    assert!(matches!(log[0].body, EventBody::CallInitiated { direction: domain::event::Direction::Outbound, .. }));
    assert_eq!(outcome(&log), ("busy", Some(0)));
    assert_eq!(conversations(&cloud, STRANGERS_CONVERSATION, CLEO).await.len(), 1);
}
