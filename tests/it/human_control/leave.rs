//! Handing back.

use super::{OTHER_STRANGER, STRANGER, count, kinds, until, until_count};
use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BEN, Cloud};
use crate::support::control::{answer, assert_refused};
use crate::support::eventually;
use reqwest::Method;
use serde_json::{Value, json};

const SUMMARY: &str = "Promised the blue drill on Friday.";
const STEP: &str = "Reserve drill number 7.";

/// What the voice agent is told of whoever calls Aurora.
async fn variables(cloud: &Cloud, caller: &str) -> Value {
    let secret = cloud.secret("ELEVENLABS_CONVERSATION_INITIATION_WEBHOOK_SECRET");
    let body = json!({"caller_id": caller, "agent_id": "agent_1", "called_number": AURORA_NUMBER, "call_sid": "CA1"});
    let path = "/api/webhooks/elevenlabs/conversation-initiation";
    let request = cloud.anonymous(Method::POST, path).header("x-webhook-secret", secret.expose()).json(&body);
    let (status, mut body) = answer(request).await;
    assert_eq!(status, 200, "{body}");
    body["dynamic_variables"].take()
}

#[tokio::test]
async fn what_an_agent_leaves_behind_reaches_viewers_the_ai_and_the_next_call() {
    let cloud = Cloud::quick(&[]).await;
    cloud.text(STRANGER, AURORA_NUMBER, "Do you have drills?").await;
    let id = cloud.join(STRANGER, ADA).await["conversation_id"].as_str().unwrap().to_owned();
    let mut stream = cloud.stream(&id, ADA, None).await;
    stream.until("initial").await;
    assert_eq!(cloud.write(STRANGER, ADA, "We keep the blue one for you.").await.0, 200);
    let body = json!({
        "phoneNumber": STRANGER, "summary": SUMMARY, "nextSteps": [STEP, " ", "Call on Friday"], "handoffSuccess": true,
    });
    let (status, left) = cloud.control("leave", ADA, &body).await;
    assert_eq!(status, 200, "{left}");
    assert_eq!((&left["conversation_id"], &left["agentName"]), (&json!(id), &json!("Ada")));
    assert_eq!((&left["aiAnswersPending"], left["durationSeconds"].is_u64()), (&json!(false), true));

    let block = until(&mut stream, "human_control_ended").await.pop().unwrap();
    assert_eq!((&block.data["summary"], &block.data["handoffSuccess"]), (&json!(SUMMARY), &json!(true)));
    assert_eq!((&block.data["nextSteps"], &block.data["endedBy"]), (&json!([STEP, "Call on Friday"]), &json!("left")));
    assert_eq!((&block.data["organizationId"], &block.data["agentId"]), (&json!(AURORA), &json!("admin_ada")));

    // The AI goes on from the person's words.
    let before = count(&cloud, AURORA, &id, "sms_sent").await;
    cloud.text(STRANGER, AURORA_NUMBER, "So which one is mine?").await;
    until_count(&cloud, AURORA, &id, "sms_sent", before + 1).await;
    let prompts = cloud.prompts_with("So which one is mine?").await;
    let texts = prompts.iter().map(|prompt| prompt["messages"].to_string());
    let mut of_replies = texts.filter(|text| text.contains("You answer text messages"));
    let asked = of_replies.next().unwrap();
    assert!(of_replies.next().is_none(), "the model was asked once");
    for part in ["Do you have drills?", "[human agent Ada] We keep the blue one", SUMMARY, STEP] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    // So does the voice agent.
    eventually("the briefing", || async {
        let told = variables(&cloud, STRANGER).await;
        let context = told["conversation_context"].as_str().unwrap().to_owned();
        let all = ["took over from the AI", "We keep the blue one", SUMMARY, STEP, "So which one is mine?"];
        all.iter().all(|part| context.contains(part)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn only_whoever_is_in_control_hands_back() {
    let cloud = Cloud::start().await;
    let body = json!({ "phoneNumber": STRANGER });
    assert_refused(&cloud.control("leave", ADA, &body).await, 400, "not_under_human_control");
    let id = cloud.join(STRANGER, ADA).await["conversation_id"].take();
    assert_refused(&cloud.control("leave", BEN, &body).await, 403, "taken_over");
    assert_refused(&cloud.control("leave", BEN, &json!({ "conversation_id": id })).await, 403, "taken_over");
    // What is refused for its form changes nothing.
    let long = json!({"phoneNumber": STRANGER, "summary": "x".repeat(5001)});
    assert_refused(&cloud.control("leave", ADA, &long).await, 400, "invalid_request");
    assert_eq!(cloud.control_status(STRANGER, ADA).await["isUnderHumanControl"], true);
    let most = json!({"phoneNumber": STRANGER, "summary": "é".repeat(5000), "nextSteps": vec!["x".repeat(500); 10]});
    assert_eq!(cloud.control("leave", ADA, &most).await.0, 200);
    assert_refused(&cloud.control("leave", ADA, &body).await, 400, "not_under_human_control");
    assert_eq!(kinds(&cloud, AURORA, id.as_str().unwrap()).await, ["human_control_started", "human_control_ended"]);
    // Then it is the next one's turn.
    assert_eq!(cloud.join(STRANGER, BEN).await["conversation_id"], id);
}

#[tokio::test]
async fn what_waits_is_answered_once_when_it_is_left_to_the_ai_and_else_not_before_the_next_message() {
    let cloud = Cloud::quick(&[]).await;
    let mut ids = Vec::new();
    for (phone, pending) in [(STRANGER, true), (OTHER_STRANGER, false)] {
        let id = cloud.join(phone, ADA).await["conversation_id"].as_str().unwrap().to_owned();
        for text in ["first?", "second?"] {
            cloud.text(phone, AURORA_NUMBER, &format!("{text} {phone}")).await;
        }
        let body = json!({"phoneNumber": phone, "answerPending": pending});
        let (status, left) = cloud.control("leave", ADA, &body).await;
        assert_eq!((status, &left["aiAnswersPending"]), (200, &json!(pending)), "{left}");
        ids.push(id);
    }
    until_count(&cloud, AURORA, &ids[0], "sms_sent", 1).await;
    // Jobs of a conversation are done in order: what comes now is answered after all that could have been before.
    cloud.text(OTHER_STRANGER, AURORA_NUMBER, "third?").await;
    until_count(&cloud, AURORA, &ids[1], "sms_sent", 1).await;
    let started = "human_control_started";
    let ended = "human_control_ended";
    let without_states =
        |kinds: Vec<&'static str>| kinds.into_iter().filter(|kind| *kind != "sms_status").collect::<Vec<_>>();
    let [first, second] = [&ids[0], &ids[1]].map(|id| kinds(&cloud, AURORA, id));
    let received = "sms_received";
    assert_eq!(without_states(first.await), [started, received, received, ended, "sms_sent"]);
    assert_eq!(without_states(second.await), [started, received, received, ended, received, "sms_sent"]);
    cloud.settled().await;
    for phone in [STRANGER, OTHER_STRANGER] {
        assert_eq!(cloud.texts_to(phone).await.len(), 1, "{phone}");
    }
    // Both messages stood in the one prompt.
    let asked = cloud.prompts_with(&format!("second? {STRANGER}")).await;
    assert!(asked.iter().all(|prompt| prompt["messages"].to_string().contains("first?")), "{asked:?}");
}
