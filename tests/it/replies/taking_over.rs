//! A person takes over: from then on nothing of the AI, until they hand back (G4).

use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BICI, BICI_NUMBER, CLEO, Cloud, LIVE};
use crate::support::eventually;
use crate::support::pipeline::{answers, history, last_words, reached, sum};
use domain::event::{ControlEnd, Event, EventBody};
use domain::sms::MessageStatus;
use serde_json::json;

const CUSTOMER: &str = "+14155550603";
/// Who is on the phone in Aurora's live call.
const CALLER: &str = "+919325590143";

fn begun(log: &[Event]) -> u64 {
    let started = |event: &&Event| matches!(event.body, EventBody::HumanControlStarted { .. });
    log.iter().rfind(started).unwrap().contact_seq
}

#[tokio::test]
async fn nothing_of_the_ai_follows_a_takeover_and_afterwards_it_knows_what_was_said() {
    let cloud = Cloud::start().await;
    let tenant = cloud.tenant(BICI).await;
    cloud.fault("llm", json!({"kind": "delay", "delay_ms": 1200, "times": 1})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(1)).await;
    cloud.asked(&sum(1)).await;
    let join = json!({"phoneNumber": CUSTOMER, "agentName": "Cleo", "handoffReason": "asked for a person"});
    cloud.human_control("join", join, CLEO).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(2)).await;
    cloud.settled().await;

    let log = history(&tenant, CUSTOMER).await;
    assert!(answers(&log).is_empty(), "the answer came too late: {log:?}");
    assert!(cloud.texts_to(CUSTOMER).await.is_empty());
    assert_eq!(cloud.prompts().await.len(), 1, "under human control the model is not asked");

    let write = json!({"phoneNumber": CUSTOMER, "message": "Cleo here: it is ready on Friday."});
    cloud.human_control("send-message", write, CLEO).await;
    let leave = json!({"phoneNumber": CUSTOMER, "summary": "Promised Friday", "nextSteps": ["call on Thursday"]});
    cloud.human_control("leave", leave, CLEO).await;
    cloud.settled().await;
    assert_eq!(cloud.texts_to(CUSTOMER).await.len(), 1, "the agent's words only");

    cloud.text(CUSTOMER, BICI_NUMBER, &sum(3)).await;
    cloud.settled().await;
    let texts = cloud.texts_to(CUSTOMER).await;
    assert_eq!(texts.len(), 2, "answered once");
    assert!(texts[1]["body"].as_str().unwrap().contains("1003"), "{texts:?}");
    let log = history(&tenant, CUSTOMER).await;
    assert_eq!(answers(&log).len(), 1);

    let prompts = cloud.prompts().await;
    let prompt = prompts.last().unwrap();
    assert!(last_words(prompt).contains(&sum(3)));
    let said: Vec<String> = prompt.as_array().unwrap()[1..].iter().map(|one| one["content"].to_string()).collect();
    let place = |words: &str| said.concat().find(words).unwrap_or_else(|| panic!("{words} in {said:?}"));
    let order = [
        &sum(1),
        "[Cleo, a human agent, took over from the AI]",
        &sum(2),
        "[human agent Cleo] Cleo here: it is ready on Friday.",
        "handed back to the AI; summary: Promised Friday; next steps: call on Thursday",
        &sum(3),
    ];
    assert!(order.map(place).is_sorted(), "{said:?}");
}

/// An answer that is in the log but not with Twilio when a person takes over is never sent.
#[tokio::test]
async fn an_answer_that_waits_to_be_sent_is_withdrawn_by_a_takeover() {
    let cloud = Cloud::with_early_retries(60, &[]).await;
    let tenant = cloud.tenant(BICI).await;
    cloud.fault("twilio", json!({"kind": "rate_limit"})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(1)).await;
    let (seq, _) = eventually("an answer in the log", || async {
        let log = history(&tenant, CUSTOMER).await;
        answers(&log).first().map(|(seq, text)| (*seq, text.to_string()))
    })
    .await;
    cloud.human_control("join", json!({"phoneNumber": CUSTOMER}), CLEO).await;
    cloud.no_faults("twilio").await;
    cloud.settled().await;
    let log = history(&tenant, CUSTOMER).await;
    assert_eq!(reached(&log, seq), Some(MessageStatus::Canceled));
    assert!(cloud.texts_to(CUSTOMER).await.is_empty());
}

/// A person who has the contact's call has the contact: the AI does not text beside them.
#[tokio::test]
async fn while_a_person_has_the_call_the_ai_sends_no_texts() {
    let cloud = Cloud::start().await;
    let tenant = cloud.tenant(AURORA).await;
    cloud.fault("llm", json!({"kind": "delay", "delay_ms": 1200, "times": 1})).await;
    cloud.text(CALLER, AURORA_NUMBER, &sum(1)).await;
    cloud.asked(&sum(1)).await;
    cloud.human_control("join", json!({"conversation_id": LIVE}), ADA).await;
    cloud.text(CALLER, AURORA_NUMBER, &sum(2)).await;
    cloud.settled().await;
    assert!(cloud.texts_to(CALLER).await.is_empty());
    assert!(answers(&history(&tenant, CALLER).await).is_empty());

    cloud.human_control("leave", json!({"conversation_id": LIVE, "answerPending": true}), ADA).await;
    cloud.settled().await;
    let texts = cloud.texts_to(CALLER).await;
    assert_eq!(texts.len(), 1, "both answered together: {texts:?}");
    let text = texts[0]["body"].as_str().unwrap();
    assert!(text.contains("1001") && text.contains("1002"), "{text}");
}

#[tokio::test]
async fn joins_at_any_moment_of_an_answer_leave_nothing_behind_them() {
    let cloud = Cloud::start().await;
    let tenant = cloud.tenant(BICI).await;
    // The moments that a join can meet: the model at work, the commit, the sending.
    for (number, delay) in [0, 5, 10, 20, 30, 40, 60, 80, 120, 160].into_iter().enumerate() {
        let customer = format!("+141555507{number:02}");
        cloud.fault("llm", json!({"kind": "delay", "delay_ms": delay, "contains": sum(number)})).await;
        cloud.text(&customer, BICI_NUMBER, &sum(number)).await;
        cloud.asked(&sum(number)).await;
        cloud.human_control("join", json!({"phoneNumber": customer, "agentName": "Cleo"}), CLEO).await;
    }
    cloud.settled().await;
    for number in 0..10 {
        let customer = format!("+141555507{number:02}");
        let log = history(&tenant, &customer).await;
        let began = begun(&log);
        let late = log.iter().filter(|event| event.contact_seq > began);
        assert!(late.into_iter().all(|event| !matches!(event.body, EventBody::SmsSent { .. })), "{log:?}");
        // What was with Twilio before the takeover goes out; the rest is withdrawn.
        let withdrawn = |seq: u64| reached(&log, seq) == Some(MessageStatus::Canceled);
        let sent = answers(&log).into_iter().filter(|(seq, _)| !withdrawn(*seq)).count();
        assert_eq!(cloud.texts_to(&customer).await.len(), sent);
    }
}

#[tokio::test]
async fn a_control_without_a_sign_of_life_ends_and_the_ai_answers_what_waits() {
    let cloud = Cloud::with(&["--env", "HUMAN_CONTROL_SECONDS=2", "--time-scale", "120"]).await;
    let tenant = cloud.tenant(BICI).await;
    cloud.human_control("join", json!({"phoneNumber": CUSTOMER, "agentName": "Cleo"}), CLEO).await;
    let lead = crate::support::threads::contact_of(CUSTOMER);
    let mut stream = cloud.contact_stream(lead.as_str(), "load=false", CLEO, None).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &sum(1)).await;

    let ended = stream.until("human_control_ended").await;
    assert_eq!(ended.data["endedBy"], "timed_out");
    stream.until("sms_sent").await;
    cloud.settled().await;
    let texts =
        eventually("the answer", || async { Some(cloud.texts_to(CUSTOMER).await).filter(|texts| !texts.is_empty()) })
            .await;
    assert_eq!(texts.len(), 1);
    assert!(texts[0]["body"].as_str().unwrap().contains("1001"));
    let log = history(&tenant, CUSTOMER).await;
    let ended: Vec<&Event> =
        log.iter().filter(|event| matches!(event.body, EventBody::HumanControlEnded { .. })).collect();
    assert_eq!(ended.len(), 1);
    assert!(matches!(ended[0].body, EventBody::HumanControlEnded { ended_by: ControlEnd::TimedOut, .. }));
}
