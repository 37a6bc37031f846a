//! Taking over.

use super::{ASHA, ASHA_NATIONAL, ASHAS_LEAD, OTHER_STRANGER, STRANGER, STRANGERS_LEAD, contents, count, kinds};
use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BEN, BICI_LIVE, CLEO, Cloud, DAN, ENDED, LIVE, TAKEN, UMA};
use crate::support::control::{CALL, answer, assert_refused};
use crate::support::eventually;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_number_may_be_written_in_any_way() {
    let cloud = Cloud::start().await;
    let joined = cloud.join(ASHA, ADA).await;
    assert_eq!((&joined["phoneNumber"], &joined["leadId"]), (&json!(ASHA), &json!(ASHAS_LEAD)));
    assert_eq!((&joined["success"], &joined["organizationId"]), (&json!(true), &json!(AURORA)));
    assert_eq!((&joined["agentId"], &joined["agentName"]), (&json!("admin_ada"), &json!("Ada")));
    cloud.leave(ASHA, ADA).await;
    let id = &joined["conversation_id"];
    for whom in [
        json!({"phoneNumber": ASHA, "organizationId": AURORA}),
        json!({"phone_number": " 919325590143"}),
        json!({"phoneNumber": "%2B919325590143"}),
        json!({"phoneNumber": "919325590143"}),
        json!({"phoneNumber": "+91 93255 90143"}),
        json!({"phoneNumber": ASHA_NATIONAL}),
        json!({"leadId": ASHAS_LEAD}),
        json!({"lead_id": ASHAS_LEAD, "organization_id": AURORA}),
        json!({ "conversation_id": id }),
        json!({"conversationId": id, "organizationId": AURORA}),
    ] {
        for (action, status) in [("join", 200), ("join", 409), ("leave", 200), ("leave", 400)] {
            let (got, body) = cloud.control(action, ADA, &whom).await;
            assert_eq!(got, status, "{action} {whom}: {body}");
            assert!(got != 200 || body["conversation_id"] == *id, "{action} {whom}: {body}");
        }
    }
}

/// Waits until Twilio has taken these for the stranger, and no other.
async fn until_texted(cloud: &Cloud, expected: &[&str]) {
    eventually("the message", || async { (cloud.texts_to(STRANGER).await.len() >= expected.len()).then_some(()) })
        .await;
    assert_eq!(cloud.bodies_to(STRANGER).await, expected);
}

#[tokio::test]
async fn of_fifty_who_join_at_once_one_is_in_control() {
    let cloud = Cloud::start().await;
    let body = json!({"phoneNumber": STRANGER, "customMessage": "Hello, a person here."});
    let joins = (0..50).map(|n| cloud.control("join", [ADA, BEN, DAN][n % 3], &body));
    let (won, lost): (Vec<_>, Vec<_>) = join_all(joins).await.into_iter().partition(|(status, _)| *status == 200);
    assert_eq!((won.len(), lost.len()), (1, 49));
    for refused in &lost {
        assert_refused(refused, 409, "under_human_control");
    }
    let joined = &won[0].1;
    let log = kinds(&cloud, AURORA, joined["conversation_id"].as_str().unwrap()).await;
    assert_eq!(log[..2], ["human_control_started", "human_message_sent"]);
    assert!(log[2..].iter().all(|kind| *kind == "sms_status"), "{log:?}");
    until_texted(&cloud, &["Hello, a person here."]).await;
    let status = cloud.control_status(STRANGER, ADA).await;
    assert_eq!(status["session"]["agentId"], joined["agentId"]);
}

#[tokio::test]
async fn an_unknown_number_begins_a_conversation() {
    let cloud = Cloud::start().await;
    let body = json!({
        "phoneNumber": STRANGER, "agentName": "Ben of the night desk", "handoffReason": "asked for a person",
        "customMessage": "  Hello,\nhow can I help? ",
    });
    let (status, joined) = cloud.control("join", BEN, &body).await;
    assert_eq!(status, 200, "{joined}");
    assert_eq!((&joined["agentName"], &joined["leadId"]), (&json!("Ben of the night desk"), &json!(STRANGERS_LEAD)));
    assert_eq!((&joined["handoffReason"], &joined["queuedMessages"]), (&json!("asked for a person"), &json!(0)));
    let snapshot = cloud.snapshot(joined["conversation_id"].as_str().unwrap(), BEN).await;
    assert_eq!((&snapshot["status"], &snapshot["medium"]), (&json!("TAKEN_OVER"), &json!("SMS")));
    assert_eq!((&snapshot["admin_id"], &snapshot["mobile_no"]), (&json!("admin_ben"), &json!(STRANGER)));
    assert_eq!(contents(&snapshot), ["Hello,\nhow can I help?"]);
    until_texted(&cloud, &["Hello,\nhow can I help?"]).await;
    assert_eq!(cloud.texts_to(STRANGER).await[0]["from"], AURORA_NUMBER);
}

#[tokio::test]
async fn whoever_opted_out_is_not_greeted() {
    let cloud = Cloud::start().await;
    cloud.text(STRANGER, AURORA_NUMBER, "STOP").await;
    let greeting = json!({"phoneNumber": STRANGER, "customMessage": "Hello"});
    assert_refused(&cloud.control("join", ADA, &greeting).await, 409, "opted_out");
    assert_eq!(cloud.control_status(STRANGER, ADA).await["isUnderHumanControl"], false);
    // A person may still read on.
    cloud.join(STRANGER, ADA).await;
    assert_eq!(cloud.bodies_to(STRANGER).await, [""; 0]);
}

/// Who holds a contact's call is in control of the contact: by number, nobody else joins beside them.
#[tokio::test]
async fn a_contact_whose_call_is_taken_over_is_under_control() {
    let cloud = Cloud::start().await;
    let (status, _) = cloud.control("join", ADA, &json!({ "conversation_id": LIVE })).await;
    assert_eq!(status, 200);
    for email in [BEN, ADA] {
        let refused = cloud.control("join", email, &json!({ "phoneNumber": ASHA })).await;
        assert_refused(&refused, 409, "under_human_control");
    }
    assert_eq!(cloud.leave(ASHA, ADA).await["conversation_id"], LIVE);
    let joined = cloud.join(ASHA, BEN).await;
    assert_ne!(joined["conversation_id"], LIVE);
}

#[tokio::test]
async fn conversations_that_cannot_be_taken_over() {
    let cloud = Cloud::start().await;
    for action in ["join", "leave", "heartbeat", "send-message"] {
        for (id, status, code) in [
            (BICI_LIVE, 403, "other_organization"),
            ("conv_nobody", 404, "not_found"),
            ("no id/at all", 404, "not_found"),
        ] {
            let body = json!({"conversation_id": id, "message": "hi"});
            assert_refused(&cloud.control(action, ADA, &body).await, status, code);
        }
        let lead = json!({"leadId": "worker_nobody", "message": "hi"});
        assert_refused(&cloud.control(action, ADA, &lead).await, 404, "not_found");
        // Another organization is refused before anything is looked for, however the rest of the body is right.
        for whom in [json!({"phoneNumber": ASHA}), json!({"conversation_id": LIVE}), json!({"leadId": ASHAS_LEAD})] {
            let mut body = whom.clone();
            body["organizationId"] = "bici-demo".into();
            body["message"] = "hi".into();
            assert_refused(&cloud.control(action, ADA, &body).await, 403, "other_organization");
        }
    }
    assert_refused(&cloud.control("join", BEN, &json!({ "conversation_id": TAKEN })).await, 409, "under_human_control");
    assert_refused(&cloud.control("join", ADA, &json!({ "conversation_id": ENDED })).await, 409, "conflict");
    assert_eq!(kinds(&cloud, AURORA, LIVE).await.len(), 5, "nothing has changed");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let cloud = Cloud::start().await;
    let with = |field: &str, value: Value| {
        let mut body = json!({"phoneNumber": OTHER_STRANGER, "message": "hi"});
        body[field] = value;
        body
    };
    for (action, body) in [
        ("join", json!({})),
        ("join", json!([])),
        ("join", with("phoneNumber", json!("nobody"))),
        ("join", with("phoneNumber", json!("12"))),
        ("join", with("phoneNumber", json!(14_155_550_162_u64))),
        ("join", with("agentName", json!("x".repeat(101)))),
        ("join", with("agentName", json!("two\nlines"))),
        ("join", with("handoffReason", json!("x".repeat(501)))),
        ("join", with("handoffReason", json!("\u{0}"))),
        ("join", with("customMessage", json!("x".repeat(1601)))),
        ("join", with("customMessage", json!("bell \u{7}"))),
        ("leave", with("summary", json!("x".repeat(5001)))),
        ("leave", with("nextSteps", json!(vec!["step"; 11]))),
        ("leave", with("nextSteps", json!(["x".repeat(501)]))),
        ("leave", with("handoffSuccess", json!("yes"))),
        ("heartbeat", json!({})),
        ("send-message", with("message", json!(""))),
        ("send-message", with("message", json!(" \n "))),
        ("send-message", with("message", json!(null))),
        ("send-message", with("message", json!("x".repeat(1601)))),
        ("send-message", with("message", json!("escape \u{1b}[2J"))),
        ("send-message", with("agentName", json!("x".repeat(101)))),
    ] {
        assert_refused(&cloud.control(action, ADA, &body).await, 400, "invalid_request");
    }
    for path in ["join", "leave", "heartbeat", "send-message"]
        .map(|action| format!("/api/conversations/human-control/{action}"))
    {
        let request = || cloud.request(Method::POST, &path, ADA);
        let json = request().header("content-type", "application/json").body("{\"phoneNumber\":");
        assert_refused(&answer(json).await, 400, "invalid_request");
        assert_refused(&answer(request().body("phoneNumber=1")).await, 415, "unsupported_media_type");
    }
    assert!(
        cloud
            .tenant(AURORA)
            .await
            .contact_by_phone(&crate::support::threads::phone(OTHER_STRANGER))
            .await
            .unwrap()
            .is_none(),
        "nobody new is known"
    );
}

#[tokio::test]
async fn only_people_who_run_conversations_may() {
    let cloud = Cloud::start().await;
    let body = json!({"phoneNumber": STRANGER, "message": "hi"});
    let control = ["join", "leave", "heartbeat", "send-message"]
        .map(|action| format!("/api/conversations/human-control/{action}"));
    for path in control.iter().map(String::as_str).chain([CALL]) {
        assert_refused(&answer(cloud.anonymous(Method::POST, path).json(&body)).await, 401, "missing_token");
        assert_refused(&answer(cloud.request(Method::POST, path, UMA).json(&body)).await, 403, "forbidden");
    }
    let path = format!("/api/conversations/human-control/status/{STRANGER}");
    assert_refused(&answer(cloud.get(&path, UMA)).await, 403, "forbidden");
    // An agent may, as an admin may; and what one organization does is nothing to the other.
    let id = cloud.join(STRANGER, DAN).await["conversation_id"].take();
    assert_eq!(cloud.control_status(STRANGER, CLEO).await["isUnderHumanControl"], false);
    assert_refused(
        &cloud.control("leave", CLEO, &json!({ "phoneNumber": STRANGER })).await,
        400,
        "not_under_human_control",
    );
    assert_refused(&cloud.control("join", CLEO, &json!({ "conversation_id": id })).await, 403, "other_organization");
    assert_eq!(count(&cloud, AURORA, id.as_str().unwrap(), "human_control_started").await, 1);
}
