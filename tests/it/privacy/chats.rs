//! Chats with the model leave nothing of themselves in the logs (C18).

use super::{Secrets, TEXT, is_about};
use crate::support::answers_sse::Told;
use crate::support::cloud::{ADA, AURORA, Cloud, UMA};
use crate::support::eventually;
use crate::support::sse::Sse;
use reqwest::Method;
use serde_json::{Value, json};

/// People ask in every way there is, and the model fails in every way.
async fn questions(cloud: &Cloud, secrets: &mut Secrets) {
    let profile = json!({"profile": {"instrument": "Glockenspiel"}});
    assert_eq!(cloud.request(Method::PATCH, "/api/me", UMA).json(&profile).send().await.unwrap().status(), 200);
    cloud.set_ai(AURORA, |ai| ai.instructions = Some("Recommend celestas.".to_owned())).await;
    for kind in ["fail", "rate_limit", "garbage", "empty", "stop_after"] {
        let fault = json!({"kind": kind, "times": 2, "tokens": 1, "contains": "Who tunes"});
        cloud.fault("llm", fault).await;
    }
    let question = json!({"message": format!("Who tunes my {TEXT}?")});
    for _ in 0..8 {
        let request = cloud.ask(UMA, &question).header("idempotency-key", "key-of-a-client");
        Told::rest(&mut Sse::open(request).await).await;
        cloud.told(UMA, question.clone()).await;
    }
    cloud.model("Marimbas", &[json!({"kind": "say", "text": "Vibraphones are made of metal."})]).await;
    let told = cloud.told(UMA, json!({"message": "Marimbas?"})).await;
    told.assert_whole(1);
    cloud.resumed(UMA, told.chat(), Some(1)).await;
    cloud.stop(UMA, told.chat()).await;
    let query = [("message", "Marimbas, simply"), ("key", "key-of-a-query")];
    Told::rest(&mut Sse::open(cloud.simple(UMA, &query)).await).await;
    let ticket = cloud.request(Method::POST, "/api/stream/ticket", UMA);
    let ticket: Value =
        ticket.json(&json!({"path": "/api/stream/stream-simple"})).send().await.unwrap().json().await.unwrap();
    let ticket = ticket["ticket"].as_str().unwrap();
    let request = cloud.anonymous(Method::GET, "/api/stream/stream-simple");
    Told::rest(&mut Sse::open(request.query(&[("message", "Marimbas again"), ("ticket", ticket)])).await).await;
    let message = json!({"id": "id-of-a-message", "role": "user", "parts": [{"type": "text", "text": "Marimbas too"}]});
    let chat = json!({"id": "chatOfAClient", "messages": [message]});
    cloud.request(Method::POST, "/api/chat", UMA).json(&chat).send().await.unwrap().text().await.unwrap();
    // And in ways that are refused.
    for body in [json!({"message": 7, "note": TEXT}), json!({"message": TEXT, "interaction_id": format!("no {TEXT}")})]
    {
        cloud.ask_json(UMA, &body).await;
    }
    let torn = cloud.request(Method::POST, "/api/stream/stream-conversation", UMA);
    torn.header("content-type", "application/json").body(format!("{{\"message\": \"{TEXT}")).send().await.unwrap();
    cloud.get(&format!("/api/stream/interactions/{}?after=1", told.chat()), ADA).send().await.unwrap();
    cloud.get(&format!("/chat/search?q={TEXT}"), UMA).send().await.unwrap();

    for word in ["Marimbas", "Vibraphones", "Who tunes", "No language model", "Glockenspiel", "celestas", TEXT] {
        secrets.add("words of a question, an answer or a profile", word);
    }
    secrets.add("a prompt", "You are the assistant of");
    for key in ["key-of-a-client", "key-of-a-query", "id-of-a-message", ticket, cloud.token(UMA)] {
        secrets.add("a key", key);
    }
    for query in ["?message=", "&message=", "?after=", "&ticket="] {
        secrets.add("a query string", query);
    }
    secrets.add("the model's key", cloud.secret("LLM_API_KEY").expose());
}

#[tokio::test]
async fn logs_of_chats_tell_their_course_and_nothing_of_what_was_said() {
    let knobs = ["--env", "LOG_LEVEL=debug", "--env", "ENABLE_LOGS=true"];
    let cloud = Cloud::quick(&knobs).await;
    let mut secrets = Secrets(Vec::new());
    questions(&cloud, &mut secrets).await;
    let wanted = [
        ("POST", "/api/stream/stream-conversation", 200),
        ("POST", "/api/stream/stream-conversation", 400),
        ("POST", "/api/stream/stream-conversation", 404),
        ("GET", "/api/stream/stream-simple", 200),
        ("GET", "/api/stream/interactions/{interaction_id}", 200),
        ("GET", "/api/stream/interactions/{interaction_id}", 404),
        ("POST", "/api/stream/interactions/{interaction_id}/stop", 200),
        ("POST", "/api/chat", 200),
    ];
    let logs = eventually("the requests in the logs", || async {
        let logs = cloud.logs();
        wanted.iter().all(|row| logs.lines().any(|line| is_about(line, *row))).then_some(logs)
    })
    .await;
    // What operators need of an answer is there.
    assert!(logs.contains("FirstTokenTime"), "metrics");
    secrets.assert_in_no_log(&cloud);
}
