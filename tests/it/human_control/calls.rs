//! Calls to customers, from the request to the transcript (B27).

use super::{STRANGER, STRANGERS_LEAD, contents, kinds, until};
use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BICI, BICI_NUMBER, CLEO, Cloud, SHARED_CONTACT, SHARED_PHONE};
use crate::support::control::{answer, assert_refused};
use crate::support::eventually;
use reqwest::Method;
use serde_json::{Value, json};

/// The voice agent's nine (B15).
const NINE: [&str; 9] = [
    "caller_type",
    "conversation_context",
    "customer_name",
    "has_conversation_history",
    "lead_status",
    "organization_id",
    "organization_name",
    "previous_summary",
    "total_messages",
];

/// The one call that a number got.
async fn the_call(cloud: &Cloud, number: &str) -> Value {
    let mut calls = cloud.calls_to(number).await;
    assert_eq!(calls.len(), 1);
    calls.remove(0)
}

#[tokio::test]
async fn a_call_knows_the_customer_and_comes_back_into_its_conversation() {
    let cloud = Cloud::quick(&[]).await;
    // The briefing is written off the request path.
    cloud.text(SHARED_PHONE, BICI_NUMBER, "Call me about my hub gear.").await;
    let mut contact = cloud.contact_stream(SHARED_CONTACT, "load=true", CLEO, None).await;
    let mut socket = cloud.socket(CLEO).await;
    socket.send(json!({"action": "subscribe", "lead_id": SHARED_CONTACT})).await;
    socket.until("subscribed").await;
    let tenant = cloud.tenant(BICI).await;
    let phone = crate::support::threads::phone(SHARED_PHONE);
    eventually("a briefing", || async {
        let (_, caller) = tenant.caller(Some(&phone)).await.unwrap();
        caller.filter(|(_, caller)| caller.briefing.context.contains("hub gear.")).map(|_| ())
    })
    .await;

    let body = json!({"phoneNumber": " 14155550142", "leadId": SHARED_CONTACT, "dynamicVariables": {"topic": "gears"}});
    let (status, placed) = cloud.call_with(CLEO, &body, None).await;
    assert_eq!((status, &placed["success"]), (200, &json!(true)), "{placed}");
    assert_eq!((&placed["phoneNumber"], &placed["leadId"]), (&json!(SHARED_PHONE), &json!(SHARED_CONTACT)));
    let id = placed["conversation_id"].as_str().unwrap();

    let call = the_call(&cloud, SHARED_PHONE).await;
    assert_eq!(call["conversation_id"], placed["providerConversationId"]);
    assert_eq!((&call["call_sid"], &call["user_id"]), (&placed["callSid"], &json!(SHARED_CONTACT)));
    let variables = call["dynamic_variables"].as_object().unwrap();
    let mut names: Vec<&str> = variables.keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut expected = [&NINE[..], &["switchboard_conversation_id", "topic"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(variables.values().all(Value::is_string), "{variables:?}");
    for (name, value) in [
        ("switchboard_conversation_id", id),
        ("topic", "gears"),
        ("customer_name", "Jordan Lee"),
        ("organization_id", BICI),
        ("caller_type", "existing_lead"),
        ("has_conversation_history", "true"),
    ] {
        assert_eq!(variables[name], value, "{name}");
    }
    assert!(variables["conversation_context"].as_str().unwrap().contains("Call me about my hub gear."));

    let begun = until(&mut contact, "call_initiated").await.pop().unwrap();
    assert_eq!((&begun.data["direction"], &begun.data["conversation_id"]), (&json!("outbound"), &json!(id)));
    assert_eq!((&begun.data["organizationId"], &begun.data["call_id"]), (&json!(BICI), &placed["call_id"]));
    let frame = socket.until("call_initiated").await;
    assert_eq!((&frame["direction"], &frame["conversation_id"]), (&json!("outbound"), &json!(id)));

    // What was said, how it ended and what it came to lands in the same conversation.
    let ended = until(&mut contact, "call_ended").await.pop().unwrap();
    assert_eq!((&ended.data["outcome"], &ended.data["conversation_id"]), (&json!("completed"), &json!(id)));
    assert!(ended.data["summary"].as_str().is_some_and(|text| !text.is_empty()), "{}", ended.data);
    assert_eq!(
        kinds(&cloud, BICI, id).await,
        ["call_initiated", "message", "message", "message", "message", "call_ended"]
    );
    let snapshot = cloud.snapshot(id, CLEO).await;
    assert_eq!((&snapshot["status"], &snapshot["medium"]), (&json!("ENDED"), &json!("Voice")));
    assert_eq!(
        contents(&snapshot)[0],
        "Hello Jordan Lee, this is BICI Bike Store. I am calling about your last message to us. Is now a good time?"
    );
}

#[tokio::test]
async fn an_organizations_own_voice_agent_calls_for_it_and_for_nobody_else() {
    let cloud = Cloud::start().await;
    // The stand-in knows one key and one secret: the stack's. The agent and its number are BICI's own.
    let secret = |name: &str| cloud.secret(name).expose().to_owned();
    let agent = json!({"elevenlabs": {
        "agent_id": "agent_of_bici", "phone_number_id": "phnum_of_bici",
        "api_key": secret("ELEVENLABS_API_KEY"),
        "initiation_secret": secret("ELEVENLABS_CONVERSATION_INITIATION_WEBHOOK_SECRET"),
        "post_call_secret": secret("ELEVENLABS_POST_CALL_WEBHOOK_SECRET"),
    }});
    let settings = cloud.request(Method::PATCH, "/api/admin/organization", CLEO).json(&agent);
    assert_eq!(answer(settings).await.0, 200);
    let (status, placed) = cloud.call(SHARED_PHONE, CLEO).await;
    assert_eq!(status, 200, "{placed}");
    assert_eq!(cloud.call(STRANGER, ADA).await.0, 200);
    let (bicis, auroras) = (the_call(&cloud, SHARED_PHONE).await, the_call(&cloud, STRANGER).await);
    assert_eq!(
        (&bicis["agent_id"], &bicis["agent_phone_number_id"]),
        (&json!("agent_of_bici"), &json!("phnum_of_bici"))
    );
    assert_eq!(auroras["agent_id"], secret("ELEVENLABS_AGENT_ID"));
    assert_eq!(auroras["agent_phone_number_id"], secret("ELEVENLABS_PHONE_NUMBER_ID"));
    // Their news come home too.
    let id = placed["conversation_id"].as_str().unwrap();
    eventually("the end of the call", || async { (cloud.snapshot(id, CLEO).await["status"] == "ENDED").then_some(()) })
        .await;
    // A key that ElevenLabs does not take is an agent that calls nobody, and the admins' to set right.
    let mut broken = agent.clone();
    broken["elevenlabs"]["api_key"] = "sk_of_somebody_else".into();
    let settings = cloud.request(Method::PATCH, "/api/admin/organization", CLEO).json(&broken);
    assert_eq!(answer(settings).await.0, 200);
    assert_refused(&cloud.call("+14155550164", CLEO).await, 503, "not_configured");
}

#[tokio::test]
async fn requests_for_calls_that_make_no_sense_are_refused() {
    let cloud = Cloud::start().await;
    let with = |variables: Value| json!({"phoneNumber": STRANGER, "dynamicVariables": variables});
    let many: serde_json::Map<String, Value> = (0..21).map(|n| (format!("v{n}"), json!("x"))).collect();
    for body in [
        json!({}),
        json!({"phoneNumber": "nobody"}),
        with(json!(many)),
        with(json!({"a b": "x"})),
        with(json!({"": "x"})),
        with(json!({"long": "x".repeat(1001)})),
        with(json!({"number": 7})),
        with(json!({"system__caller_id": "x"})),
        with(json!({"secret__key": "x"})),
        with(json!({"organization_id": BICI})),
        with(json!({"switchboard_conversation_id": "conv_1"})),
    ] {
        assert_refused(&cloud.call_with(ADA, &body, None).await, 400, "invalid_request");
    }
    let foreign = json!({"phoneNumber": STRANGER, "organizationId": BICI});
    assert_refused(&cloud.call_with(ADA, &foreign, None).await, 403, "other_organization");
    assert_refused(&cloud.call_with(ADA, &json!({"leadId": "worker_nobody"}), None).await, 404, "not_found");
    assert_refused(&cloud.call_with(ADA, &with(json!({})), Some("a b")).await, 400, "invalid_request");
    assert!(cloud.calls_to(STRANGER).await.is_empty());
    // A lead is called by their id alone.
    cloud.text(STRANGER, AURORA_NUMBER, "Call me!").await;
    let (status, placed) = cloud.call_with(ADA, &json!({"leadId": STRANGERS_LEAD}), None).await;
    assert_eq!((status, &placed["organizationId"]), (200, &json!(AURORA)), "{placed}");
}
