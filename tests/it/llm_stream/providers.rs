//! A model that fails, in all its ways: an error that says which, a part that is kept, and nothing paid (G6).

use super::{says, stalls};
use crate::support::answers::Answers;
use crate::support::answers_sse::{Told, words};
use crate::support::cloud::{Cloud, UMA};
use crate::support::control::assert_refused;
use serde_json::{Value, json};

/// A failure: the question that meets it, how it is played, its code and status, and how often the model is asked.
struct Case {
    question: &'static str,
    fault: Value,
    code: &'static str,
    status: u16,
    requests: usize,
}

fn case(question: &'static str, fault: Value, code: &'static str, status: u16, requests: usize) -> Case {
    Case { question, fault, code, status, requests }
}

/// Limits that a test can wait for.
const IMPATIENT: [&str; 4] = ["--env", "LLM_FIRST_TOKEN_SECONDS=0.4", "--env", "LLM_IDLE_SECONDS=0.4"];

/// The answer to a question is an error; gives what there was of it.
async fn fails(cloud: &Cloud, case: &Case) -> Told {
    let told = cloud.told(UMA, json!({"message": case.question})).await;
    let text = told.assert_whole(1);
    told.assert_failed(case.code);
    let end = told.end();
    assert_eq!((&end["partial"], &end["points_cost"]), (&json!(!text.is_empty()), &json!(0)), "{}", case.question);
    assert_eq!(end["tokens_used"], 0);
    assert_eq!(cloud.asked_model(case.question).await.len(), case.requests, "{}", case.question);
    // Somebody who comes back is told the same.
    let again = cloud.resumed(UMA, told.chat(), Some(0)).await;
    assert_eq!((again.text(), again.end()), (text, end));
    told
}

async fn nothing_is_paid(cloud: &Cloud) {
    let balance = cloud.balance(UMA).await;
    assert_eq!((balance.held, balance.spent, balance.running.len()), (0, 0, 0));
    assert_eq!(cloud.ledger(UMA).await.len(), 1);
}

#[tokio::test]
async fn before_its_first_word_a_failure_is_tried_again_where_that_may_help() {
    let cloud = Cloud::quick(&IMPATIENT).await;
    let fault = |kind: &str| json!({ "kind": kind });
    let cases = [
        case("It fails", fault("fail"), "llm_unavailable", 502, 2),
        case("It is empty", fault("empty"), "llm_unavailable", 502, 2),
        case("It is garbage", fault("garbage"), "llm_unavailable", 502, 2),
        case("It is cut", json!({"kind": "stop_after", "tokens": 0}), "llm_unavailable", 502, 2),
        case("It throttles", fault("rate_limit"), "llm_rate_limited", 503, 1),
        case("It is silent", stalls(0), "llm_timeout", 504, 1),
    ];
    for case in &cases {
        cloud.model(case.question, &[says(&words(9)), case.fault.clone()]).await;
        let told = fails(&cloud, case).await;
        assert_eq!(told.text(), "");
        let json = cloud.ask_json(UMA, &json!({"message": case.question})).await;
        assert_refused(&json, case.status, case.code);
    }
    nothing_is_paid(&cloud).await;
}

#[tokio::test]
async fn after_its_first_word_it_is_over_and_its_part_is_kept_for_nothing() {
    let cloud = Cloud::quick(&IMPATIENT).await;
    let after = |kind: &str| json!({"kind": kind, "tokens": 3});
    let cases = [
        case("It is cut", after("stop_after"), "llm_interrupted", 502, 1),
        case("It breaks", after("fail"), "llm_interrupted", 502, 1),
        case("It stalls", after("stall"), "llm_timeout", 504, 1),
    ];
    for case in &cases {
        cloud.model(case.question, &[says(&words(9)), case.fault.clone()]).await;
        let told = fails(&cloud, case).await;
        assert_eq!(told.text(), words(3), "{}", case.question);
        let json = cloud.ask_json(UMA, &json!({"message": case.question})).await;
        assert_refused(&json, case.status, case.code);
    }
    nothing_is_paid(&cloud).await;

    // The chat goes on, and the model knows what it had said.
    let told = fails(&cloud, &Case { requests: 3, ..case("It breaks", json!(null), "llm_interrupted", 502, 1) }).await;
    let next = cloud.told(UMA, json!({"message": "Go on", "interaction_id": told.chat()})).await;
    next.assert_whole(2);
    assert_eq!(next.end()["type"], "complete");
    let prompt = &cloud.asked_model("Go on").await[0]["messages"];
    assert_eq!(prompt[2]["content"], format!("{} [broken off]", words(3)));
}

/// One that passes is not seen at all.
#[tokio::test]
async fn a_failure_that_passes_is_one_attempt_more() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Once", &[says("Well."), json!({"kind": "fail", "times": 1})]).await;
    let told = cloud.told(UMA, json!({"message": "Once"})).await;
    assert_eq!((told.assert_whole(1).as_str(), &told.end()["finish"]), ("Well.", &json!("stop")));
    assert_eq!(cloud.asked_model("Once").await.len(), 2);
    assert_eq!(cloud.ledger(UMA).await.len(), 2);
}

/// A server that answers everything with this, as a model does.
async fn other_model(text: &str) -> Answers {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        format!("data: {}\n\n", json!({"id": "c-1", "object": "chat.completion.chunk", "choices": [choice]}))
    };
    let body = [
        chunk(json!({"role": "assistant", "content": text}), Value::Null),
        chunk(json!({}), json!("stop")),
        format!(
            "data: {}\n\n",
            json!({"choices": [], "usage": {"prompt_tokens": 140, "completion_tokens": 10, "total_tokens": 150}})
        ),
        "data: [DONE]\n\n".to_owned(),
    ];
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    Answers::of(format!("{head}{}", body.concat()).into_bytes()).await
}

#[tokio::test]
async fn the_next_provider_is_asked_before_the_first_word_and_not_after_it() {
    let other = other_model("From elsewhere.").await;
    let url = format!("LLM_FALLBACK_BASE_URL={}/v1", other.url);
    let knobs = ["--env", &url, "--env", "LLM_FALLBACK_MODEL=other-1", "--env", "LLM_FALLBACK_API_KEY=none"];
    let cloud = Cloud::quick(&knobs).await;
    cloud.model("It fails", &[says(&words(9)), json!({"kind": "fail"})]).await;
    cloud.model("It throttles", &[says(&words(9)), json!({"kind": "rate_limit"})]).await;
    cloud.model("It breaks", &[says(&words(9)), json!({"kind": "fail", "tokens": 3})]).await;
    // First: whoever fails three times in a row is left out for a while.
    let told = cloud.told(UMA, json!({"message": "It breaks"})).await;
    assert_eq!(told.assert_whole(1), words(3));
    told.assert_failed("llm_interrupted");
    for question in ["It fails", "It throttles"] {
        let told = cloud.told(UMA, json!({"message": question, "cache": false})).await;
        assert_eq!(told.assert_whole(1), "From elsewhere.", "{question}");
        let end = told.end();
        assert_eq!((&end["model"], &end["finish"]), (&json!("other-1"), &json!("stop")));
        // Its own count: seed C's example.
        assert_eq!((&end["tokens_used"], &end["points_cost"]), (&json!(150), &json!(5)));
    }
    assert_eq!(cloud.balance(UMA).await.spent, 10);
    cloud.ledger(UMA).await;
    let health: Value =
        cloud.anonymous(reqwest::Method::GET, "/api/stream/health?deep=1").send().await.unwrap().json().await.unwrap();
    let models: Vec<&Value> = health["llm"]["models"].as_array().unwrap().iter().map(|model| &model["model"]).collect();
    assert_eq!(models, ["local-notes-1", "other-1"]);
}
