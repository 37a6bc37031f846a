//! Models that fail, and answers that take longer than a request may.

use crate::support::chat_socket::{kinds, text, words};
use crate::support::cloud::{Cloud, UMA};
use serde_json::{Value, json};

/// The answer to a failing question; that it cost nothing, and that the session goes on.
async fn fails(cloud: &Cloud, question: &str, fault: Value) -> (String, Value) {
    let mut fault = fault;
    fault["contains"] = question.into();
    cloud.fault("llm", fault).await;
    let mut socket = cloud.socket(UMA).await;
    let mut other = cloud.socket(UMA).await;
    let (available, _, spent) = cloud.purse(UMA).await;
    socket.ask(question, json!({"stream": true})).await;
    let (seen, end) = socket.until_the_end().await;
    assert_eq!(text(&end, "type"), "error", "{end}");
    assert_eq!(other.until_the_end().await.1, end, "everybody is told");
    assert!(end["hint"].is_string() && end["message_id"].is_string());
    let session = text(&end, "session_id");
    assert_eq!(cloud.purse(UMA).await, (available, 0, spent), "nothing set aside, nothing paid");
    let outcome = cloud.outcome(UMA, session, 1).await;
    assert_eq!((outcome.points_cost, outcome.tokens_used), (0, 0));
    assert_eq!(outcome.response, words(&seen));
    assert_eq!(end["partial"].as_str().unwrap_or_default(), outcome.response);
    cloud.no_faults("llm").await;
    let next = socket.response("What is 40 + 2?", Some(session)).await;
    assert!(text(&next, "message").contains("42"));
    (text(&end, "code").to_owned(), end)
}

#[tokio::test]
async fn each_failure_of_a_model_has_its_code_and_costs_nothing() {
    let cloud = Cloud::quick(&["--env", "LLM_SECONDS=3"]).await;
    // So that there are points to compare.
    cloud.socket(UMA).await.response("What is 1 + 1?", None).await;
    let before = ["fail", "rate_limit", "garbage", "empty"];
    let codes = ["llm_unavailable", "llm_rate_limited", "llm_unavailable", "llm_unavailable"];
    for (kind, code) in before.into_iter().zip(codes) {
        let (said, end) = Box::pin(fails(&cloud, &format!("Does {kind} fail?"), json!({ "kind": kind }))).await;
        assert_eq!(said, code, "{kind}: {end}");
        assert!(end.get("partial").is_none(), "{end}");
    }
    for kind in ["fail", "stop_after"] {
        let fault = json!({"kind": kind, "tokens": 4});
        let (said, end) = Box::pin(fails(&cloud, &format!("Does {kind} break off?"), fault)).await;
        assert_eq!(said, "llm_interrupted", "{kind}: {end}");
        assert_eq!(text(&end, "partial").split(' ').count(), 5, "four words: {end}");
    }
    let (said, end) = Box::pin(fails(&cloud, "Does it stall?", json!({"kind": "stall", "tokens": 0}))).await;
    assert_eq!(said, "llm_timeout", "{end}");
}

#[tokio::test]
async fn an_answer_may_take_longer_than_the_gateway_waits_for_the_question() {
    // A request of the socket has three seconds, as twenty-nine.
    let cloud = Cloud::quick(&["--time-scale", "10", "--env", "LLM_SECONDS=60"]).await;
    let mut socket = cloud.socket(UMA).await;
    cloud.fault("llm", json!({"kind": "delay", "delay_ms": 6000, "contains": "a long time"})).await;
    socket.ask("Will it take a long time?", json!({"stream": true})).await;
    let (seen, end) = socket.until_the_end().await;
    assert_eq!(text(&end, "type"), "response", "{end}");
    assert!(end["response_time_ms"].as_u64().unwrap() >= 6000);
    let typing = seen.iter().filter(|frame| frame["type"] == "typing").count();
    assert!(typing >= 2, "it is said that the answer still comes: {seen:?}");
    assert_eq!(kinds(&seen), ["typing", "token"]);
}

#[tokio::test]
async fn nothing_of_a_chat_is_in_the_logs() {
    let cloud = Cloud::quick(&["--env", "LOG_LEVEL=debug"]).await;
    let mut socket = cloud.socket(UMA).await;
    cloud.model_says("xylophone", "The marimba is made of rosewood.").await;
    let frame = json!({"stream": true, "client_message_id": "key-of-the-client", "message_type": "vibraphones"});
    let response = socket.answered("Where is my xylophone?", frame).await;
    let session = text(&response, "session_id").to_owned();
    cloud.fault("llm", json!({"kind": "fail", "tokens": 2, "contains": "celesta"})).await;
    socket.ask("And the celesta?", json!({ "session_id": session })).await;
    socket.until("error").await;
    socket.ask("glockenspiel", json!({"session_id": "glockenspiel"})).await;
    socket.until("error").await;
    socket.resume(&session).await;
    socket.until("error").await;
    let logs = cloud.logs();
    assert!(logs.contains("answer over"), "there are logs");
    let secrets = ["xylophone", "marimba", "rosewood", "celesta", "glockenspiel", "vibraphones", "key-of-the-client"];
    for secret in secrets.into_iter().chain([cloud.token(UMA), "You are the assistant"]) {
        let line = logs.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {line:?}");
    }
}
