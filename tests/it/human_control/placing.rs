//! Calls that are not placed, and calls that must not be placed twice.

use super::{OTHER_STRANGER, STRANGER, until};
use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BEN, Cloud};
use crate::support::control::assert_refused;
use crate::support::eventually;
use futures_util::future::join_all;
use serde_json::{Value, json};

/// The end of the one call that a number's stream shows.
async fn ended(cloud: &Cloud, number: &str) -> Value {
    let lead = format!("worker_{}", number.trim_start_matches('+'));
    let mut stream = cloud.contact_stream(&lead, "", ADA, Some(0)).await;
    let seen = until(&mut stream, "call_ended").await;
    assert_eq!(seen[0].name(), "call_initiated");
    seen.into_iter().next_back().unwrap().data
}

#[tokio::test]
async fn whoever_is_with_a_person_is_not_called_and_whoever_opted_out_of_texts_may_be() {
    let cloud = Cloud::start().await;
    cloud.join(STRANGER, ADA).await;
    for email in [ADA, BEN] {
        assert_refused(&cloud.call(STRANGER, email).await, 409, "under_human_control");
    }
    assert!(cloud.calls_to(STRANGER).await.is_empty());
    cloud.leave(STRANGER, ADA).await;
    assert_eq!(cloud.call(STRANGER, BEN).await.0, 200);

    cloud.text(OTHER_STRANGER, AURORA_NUMBER, "STOP").await;
    assert_eq!(cloud.call(OTHER_STRANGER, ADA).await.0, 200);
    assert_eq!(cloud.calls_to(OTHER_STRANGER).await.len(), 1);
}

#[tokio::test]
async fn of_calls_to_one_number_at_once_one_is_placed() {
    let cloud = Cloud::start().await;
    let answers = join_all([ADA, BEN, ADA, BEN].map(|email| cloud.call(STRANGER, email))).await;
    let (placed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 200);
    assert_eq!((placed.len(), refused.len()), (1, 3));
    for refused in &refused {
        assert_refused(refused, 409, "conflict");
    }
    assert_eq!(cloud.calls_to(STRANGER).await.len(), 1);
    // The lock is the contact's, not the organization's.
    assert_eq!(cloud.call(OTHER_STRANGER, ADA).await.0, 200);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_ones_answer_and_places_no_call() {
    let cloud = Cloud::start().await;
    let body = json!({"phoneNumber": STRANGER, "dynamicVariables": {"topic": "the drill"}});
    let answers = join_all((0..5).map(|_| cloud.call_with(ADA, &body, Some("key-1")))).await;
    let done: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    assert!(!done.is_empty() && done.iter().all(|answer| *answer == done[0]), "{answers:?}");
    for running in answers.iter().filter(|(status, _)| *status != 200) {
        assert_refused(running, 409, "conflict");
    }
    assert_eq!(&cloud.call_with(ADA, &body, Some("key-1")).await, done[0]);
    assert_eq!(cloud.calls_to(STRANGER).await.len(), 1);
    // The key stands for this request, and for this person.
    let other = json!({ "phoneNumber": OTHER_STRANGER });
    assert_refused(&cloud.call_with(ADA, &other, Some("key-1")).await, 409, "conflict");
    assert_eq!(cloud.call_with(BEN, &other, Some("key-1")).await.0, 200);
    // A request that came to nothing may be tried again under its key.
    let third = json!({ "phoneNumber": "+14155550163" });
    cloud.fault("elevenlabs", json!({"kind": "rate_limit", "times": 1})).await;
    assert_refused(&cloud.call_with(ADA, &third, Some("key-3")).await, 502, "provider_unavailable");
    assert_eq!(cloud.call_with(ADA, &third, Some("key-3")).await.0, 200);
}

#[tokio::test]
async fn a_call_that_was_surely_not_placed_has_failed_and_may_be_tried_again() {
    let cloud = Cloud::start().await;
    for (number, kind, status, code) in [
        ("+14155550163", "success_false", 502, "provider_refused"),
        ("+14155550164", "rate_limit", 502, "provider_unavailable"),
    ] {
        cloud.fault("elevenlabs", json!({"kind": kind, "times": 1, "number": number})).await;
        let refused = cloud.call(number, ADA).await;
        assert_refused(&refused, status, code);
        let ended = ended(&cloud, number).await;
        assert_eq!((&ended["outcome"], &ended["organizationId"]), (&json!("failed"), &json!(AURORA)));
        if kind == "success_false" {
            assert_eq!(refused.1["detail"], "The number is unverified.");
            assert_eq!(ended["termination_reason"], "The number is unverified.");
        }
        assert_eq!(cloud.call(number, ADA).await.0, 200, "after {kind}");
        assert_eq!(cloud.calls_to(number).await.len(), 1);
    }
}

/// Nobody knows whether it rings: another attempt could ring a second time.
#[tokio::test]
async fn a_call_of_an_unknown_fate_is_not_placed_again_while_the_lock_stands() {
    let cloud = Cloud::with(&["--time-scale", "30"]).await;
    for (number, kind, rings) in
        [("+14155550163", "timeout", 0), ("+14155550164", "fail", 0), ("+14155550165", "drop_response", 1)]
    {
        cloud.fault("elevenlabs", json!({"kind": kind, "times": 1, "number": number})).await;
        let body = json!({ "phoneNumber": number });
        assert_refused(&cloud.call_with(ADA, &body, Some(kind)).await, 504, "provider_timeout");
        assert_refused(&cloud.call_with(ADA, &body, Some(kind)).await, 409, "conflict");
        assert_refused(&cloud.call(number, BEN).await, 409, "conflict");
        assert_eq!(cloud.calls_to(number).await.len(), rings, "{kind}");
    }
    // The one that did ring comes back into its conversation.
    let ended = ended(&cloud, "+14155550165").await;
    assert_eq!(ended["outcome"], "completed");
}

#[tokio::test]
async fn a_line_that_is_busy_ends_the_call_so() {
    let cloud = Cloud::start().await;
    cloud.fault("elevenlabs", json!({"kind": "busy", "times": 1})).await;
    let (status, placed) = cloud.call(STRANGER, ADA).await;
    assert_eq!(status, 200, "{placed}");
    let ended = ended(&cloud, STRANGER).await;
    assert_eq!((&ended["outcome"], &ended["conversation_id"]), (&json!("busy"), &placed["conversation_id"]));
    let id = placed["conversation_id"].as_str().unwrap();
    eventually("the end", || async { (cloud.snapshot(id, ADA).await["status"] == "ENDED").then_some(()) }).await;
}
