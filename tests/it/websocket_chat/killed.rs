//! Functions that die, queues and streams that say things twice: every question has one end, on every socket, and the money
//! is right.

use crate::support::chat_socket::{text, words};
use crate::support::cloud::{Cloud, UMA};
use crate::support::eventually;
use crate::support::socket::Socket;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A sweep every three seconds. What a dead function held comes again after 45.
const SWEPT: [&str; 6] = ["--time-scale", "20", "--env", "QUESTIONS_PER_MINUTE=1000", "--env", "LLM_SAVE_MS=100"];
/// Far more calls than an answer takes.
const MOST_CALLS: usize = 40;

fn story() -> String {
    (0..3000).map(|number| format!("w{number} ")).collect()
}

/// Asks for a long story and kills its teller in the middle. What was told, and in which session.
async fn break_off(cloud: &Cloud, socket: &mut Socket) -> (String, String) {
    cloud.model_says("a story", &story()).await;
    cloud.slowly("a story", 10).await;
    socket.ask("Tell me a story", json!({"stream": true})).await;
    let mut told = String::new();
    loop {
        let token = socket.until("token").await;
        told.push_str(text(&token, "content"));
        if told.len() > 150 {
            cloud.kill_function("chat").await;
            return (told, text(&token, "session_id").to_owned());
        }
    }
}

async fn assert_broken_off(cloud: &Cloud, error: &Value, told: &str, session: &str, before: (u64, u64, u64)) {
    assert_eq!((text(error, "type"), text(error, "code")), ("error", "llm_interrupted"), "{error}");
    let partial = text(error, "partial");
    assert!(story().starts_with(partial) && partial.len() > 20, "{partial}");
    assert!(partial.starts_with(told) || told.starts_with(partial));
    let outcome = cloud.outcome(UMA, session, 1).await;
    assert_eq!((outcome.response.as_str(), outcome.points_cost), (partial, 0));
    assert_eq!(cloud.purse(UMA).await, before, "nothing set aside, nothing paid");
}

#[tokio::test]
async fn an_answer_whose_function_is_killed_ends_for_nothing_and_the_next_question_is_answered() {
    let cloud = Cloud::quick(&["--env", "LLM_SAVE_MS=100"]).await;
    let mut socket = cloud.socket(UMA).await;
    socket.response("What is 1 + 1?", None).await;
    let before = cloud.purse(UMA).await;
    let (told, session) = break_off(&cloud, &mut socket).await;
    let mut other = cloud.socket(UMA).await;
    socket.ask("What is 20 + 22?", json!({ "session_id": session })).await;
    let (seen, error) = socket.until_the_end().await;
    let told = told + &words(&seen);
    let (_, response) = socket.until_the_end().await;
    assert!(text(&response, "message").contains("42"), "{response}");
    let (available, held, spent) = cloud.purse(UMA).await;
    let cost = response["points_cost"].as_u64().unwrap();
    let left = (available + cost, held, spent - cost);
    assert_eq!(left, before, "the second is paid");
    assert_eq!((&other.until_the_end().await.1, &other.until_the_end().await.1), (&error, &response));
    let outcome = cloud.outcome(UMA, &session, 1).await;
    assert_eq!((text(&error, "partial"), outcome.points_cost), (outcome.response.as_str(), 0));
    assert!(story().starts_with(&told) && told.len().abs_diff(outcome.response.len()) < 400, "{told}");
    let prompt = cloud.prompts_with("20 + 22").await.remove(0)["messages"].to_string();
    assert!(prompt.contains("[broken off]"), "the model knows what was said: {prompt}");
}

#[tokio::test]
async fn the_sweep_ends_an_answer_that_nobody_asks_about() {
    let cloud = Cloud::quick(&SWEPT).await;
    let mut socket = cloud.socket(UMA).await;
    socket.response("What is 1 + 1?", None).await;
    let before = cloud.purse(UMA).await;
    let (told, session) = break_off(&cloud, &mut socket).await;
    cloud.outcome(UMA, &session, 1).await;
    let (seen, error) = socket.until_the_end().await;
    assert_broken_off(&cloud, &error, &(told + &words(&seen)), &session, before).await;
}

/// Reads frames until all these questions have ended; how often each did.
async fn ends(socket: &mut Socket, questions: usize) -> BTreeMap<String, Vec<Value>> {
    let mut ends: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    while ends.len() < questions {
        let (_, end) = socket.until_the_end().await;
        ends.entry(text(&end, "message_id").to_owned()).or_default().push(end);
    }
    for frame in socket.drain().await {
        if frame["type"] == "response" || frame["type"] == "error" {
            ends.entry(text(&frame, "message_id").to_owned()).or_default().push(frame);
        }
    }
    ends
}

async fn chat_killed(when: &str) {
    let cloud = Cloud::quick(&SWEPT).await;
    let (mut socket, mut other) = (cloud.socket(UMA).await, cloud.socket(UMA).await);
    let mut sessions: Vec<String> = Vec::new();
    for call in 1..=MOST_CALLS {
        cloud.local(Method::DELETE, "kill-points", Value::Null).await;
        let point = json!({"function": "chat", "call": call, "when": when});
        cloud.local(Method::POST, "kill-points", point).await;
        socket.ask(&format!("What is {call} + 1000?"), json!({})).await;
        sessions.push(text(&socket.until("typing").await, "session_id").to_owned());
        let session = sessions.last().unwrap();
        let killed = eventually("a kill, or the end", || async {
            if cloud.local(Method::GET, "kill-points", Value::Null).await[0]["done"] == true {
                return Some(true);
            }
            let exchange = cloud.exchange(UMA, session, 1).await?;
            exchange.outcome.map(|_| false)
        })
        .await;
        if !killed {
            break;
        }
    }
    cloud.local(Method::DELETE, "kill-points", Value::Null).await;
    assert!((7..MOST_CALLS).contains(&sessions.len()), "{} kills", sessions.len() - 1);
    let (mut cost, mut answered) = (0, 0);
    for session in &sessions {
        let outcome = cloud.late_outcome(UMA, session, 1).await;
        cost += outcome.points_cost;
        answered += usize::from(outcome.points_cost > 0);
    }
    assert!((1..=sessions.len()).contains(&answered), "{answered} of {} answered", sessions.len());
    let (_, held, spent) = cloud.purse(UMA).await;
    assert_eq!((held, spent), (0, cost));
    let all = ends(&mut other, sessions.len()).await;
    assert!(all.values().all(|ends| ends.len() == 1), "each once: {all:?}");
    // The session of one who died goes on.
    let response = cloud.socket(UMA).await.response("What is 3 + 4?", Some(&sessions[2])).await;
    assert_eq!(text(&response, "session_id"), sessions[2]);
}

#[tokio::test]
async fn chat_killed_before_any_of_its_calls_leaves_no_question_without_an_end() {
    Box::pin(chat_killed("before")).await;
}

#[tokio::test]
async fn chat_killed_after_any_of_its_calls_leaves_no_question_without_an_end() {
    Box::pin(chat_killed("after")).await;
}

#[tokio::test]
async fn what_queue_and_stream_say_twice_is_done_and_told_once() {
    let cloud = Cloud::quick(&[]).await;
    let (mut socket, mut other) = (cloud.socket(UMA).await, cloud.socket(UMA).await);
    cloud.slowly("slowly", 50).await;
    let quick = socket.response("What is 1 + 1?", None).await;
    socket.ask("What is, slowly, 2 + 2?", json!({"session_id": quick["session_id"]})).await;
    eventually("the second prompt", || async { (!cloud.prompts_with("slowly").await.is_empty()).then_some(()) }).await;
    // Both questions come from the queue once more: one that is answered, one that is being answered.
    let asked: Vec<Value> = questions(&cloud).await;
    assert_eq!(asked.len(), 2);
    for record in &asked {
        let message = json!({
            "messageId": "again", "receiptHandle": "r", "body": record.to_string(),
            "attributes": {"ApproximateReceiveCount": "2"}, "eventSource": "aws:sqs",
        });
        let url = format!("{}/2015-03-31/functions/chat/invocations", cloud.info.aws_endpoint_url);
        let answer: Value =
            cloud.http.post(url).json(&json!({"Records": [message]})).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    socket.until_the_end().await;
    other.until_the_end().await;
    other.until_the_end().await;
    assert_eq!(cloud.prompts_with("What is").await.len(), 2);

    let records = cloud.stream_records().await;
    let mut backwards = records.clone();
    backwards.reverse();
    for batch in [&records, &backwards] {
        assert_eq!(cloud.fan_out(batch).await, json!({"batchItemFailures": []}));
    }
    assert!(socket.drain().await.is_empty() && other.drain().await.is_empty());
}

/// What the pipe to the chat queue was given so far.
async fn questions(cloud: &Cloud) -> Vec<Value> {
    let is_asked = |record: &Value| record["dynamodb"]["NewImage"]["asked"]["S"].is_string();
    cloud.records_of_table("EphemeralTable").await.into_iter().filter(is_asked).collect()
}

#[tokio::test]
async fn chaos_loses_no_question_and_tells_no_end_twice() {
    const SESSIONS: usize = 6;
    const ROUNDS: u64 = 3;
    let cloud = Cloud::quick(&[&SWEPT[..], &["--chaos", "5"]].concat()).await;
    let (mut socket, mut other) = (cloud.socket(UMA).await, cloud.socket(UMA).await);
    cloud.slowly("What is", 5).await;
    let mut sessions: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        for number in 0..SESSIONS {
            let frame = json!({ "session_id": sessions.get(number) });
            socket.ask(&format!("What is {round} + {number}?"), frame).await;
            if round == 0 {
                // Nobody else's: all is asked from here.
                let typing = other.until("message").await;
                sessions.push(text(&typing, "session_id").to_owned());
            }
        }
    }
    for session in &sessions {
        for number in 1..=ROUNDS {
            cloud.late_outcome(UMA, session, number).await;
        }
    }
    let told = ends(&mut socket, SESSIONS * ROUNDS as usize).await;
    assert!(told.values().all(|ends| ends.len() == 1), "each once: {told:?}");
    for session in &sessions {
        for number in 1..=ROUNDS {
            let exchange = cloud.exchange(UMA, session, number).await.unwrap();
            assert!(told.contains_key(exchange.question.id.as_str()));
        }
    }
    let (_, held, _) = cloud.purse(UMA).await;
    assert_eq!(held, 0);
    assert!(cloud.logs().contains("chaos kills a function's process"), "somebody was killed");
}
