//! One person, several devices, several ways to ask: everybody sees the same.

use crate::support::chat_socket::{kinds, text, words};
use crate::support::cloud::{ADA, Cloud, UMA};
use crate::support::in_time;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Instant;

#[tokio::test]
async fn the_other_device_sees_the_message_then_typing_then_the_same_response() {
    let cloud = Cloud::quick(&[]).await;
    let (mut phone, mut laptop, mut ada) = (cloud.socket(UMA).await, cloud.socket(UMA).await, cloud.socket(ADA).await);
    let first = phone.answered("What is 12 + 13?", json!({"message_type": "fitness_plan"})).await;
    let session = text(&first, "session_id");
    let (seen, end) = laptop.until_the_end().await;
    assert_eq!(end, first);
    assert_eq!(kinds(&seen), ["message", "typing"], "no words: it did not wish them");
    let message = json!({
        "type": "message", "message": "What is 12 + 13?", "session_id": session, "message_id": first["message_id"],
        "message_type": "fitness_plan", "timestamp": seen[0]["timestamp"],
    });
    assert_eq!(seen[0], message);
    assert!(text(&seen[0], "timestamp") < text(&first, "timestamp"));
    assert_eq!(seen[1], json!({"type": "typing", "session_id": session}));

    let second = laptop.response("What is 14 + 15?", Some(session)).await;
    let (seen, end) = phone.until_the_end().await;
    assert_eq!((end, kinds(&seen)), (second, vec!["message", "typing"]));
    assert!(ada.drain().await.is_empty(), "somebody else's chat");
}

#[tokio::test]
async fn an_answer_is_stopped_from_another_device_and_what_came_is_kept_and_paid() {
    let cloud = Cloud::quick(&["--env", "LLM_SAVE_MS=100"]).await;
    let (mut phone, mut laptop) = (cloud.socket(UMA).await, cloud.socket(UMA).await);
    let long: String = (0..2000).map(|number| format!("word{number} ")).collect();
    cloud.model_says("a long story", &long).await;
    cloud.slowly("a long story", 20).await;
    phone.ask("Tell me a long story", json!({"stream": true})).await;
    let first = phone.until("token").await;
    let session = text(&first, "session_id");
    let started = Instant::now();
    laptop.stop(session).await;
    let (seen, end) = phone.until_the_end().await;
    let took = started.elapsed();
    assert_eq!((text(&end, "type"), text(&end, "finish")), ("response", "stopped"), "{end}");
    // Half a second, and what a busy machine adds.
    assert!(took.as_millis() < 3000, "{took:?}");
    let told = format!("{}{}", text(&first, "content"), words(&seen));
    assert_eq!(told, text(&end, "message"));
    assert!(long.starts_with(&told) && told.len() < long.len());
    assert_eq!(laptop.until_the_end().await.1, end);
    let outcome = cloud.outcome(UMA, session, 1).await;
    assert_eq!((outcome.response.as_str(), outcome.usage_estimated), (told.as_str(), true));
    assert_eq!(outcome.points_cost, outcome.tokens_used.div_ceil(30));
    let (_, held, spent) = cloud.purse(UMA).await;
    assert_eq!((held, spent), (0, outcome.points_cost));

    laptop.stop(session).await;
    assert_eq!(laptop.next().await.unwrap(), json!({"type": "idle", "session_id": session}), "nothing runs");
    assert!(text(&phone.response("What is 20 + 22?", Some(session)).await, "message").contains("42"));
}

#[tokio::test]
async fn questions_at_once_in_one_session_are_answered_one_after_the_other() {
    let cloud = Cloud::quick(&[]).await;
    let (mut one, mut two) = (cloud.socket(UMA).await, cloud.socket(UMA).await);
    let session = one.response("My cat is called Tom.", None).await;
    let session = text(&session, "session_id");
    let mut watchers = [cloud.socket(UMA).await, cloud.socket(UMA).await];
    cloud.slowly("What is", 20).await;
    let questions: Vec<String> = (0..6).map(|number| format!("What is {number} + 100?")).collect();
    for (number, question) in questions.iter().enumerate() {
        let socket = if number % 2 == 0 { &mut one } else { &mut two };
        socket.ask(question, json!({ "session_id": session })).await;
        // Kept, in this order.
        socket.until("typing").await;
        crate::support::eventually("the question", || async { cloud.exchange(UMA, session, number as u64 + 2).await })
            .await;
    }
    for socket in &mut watchers {
        for number in 0..questions.len() {
            let (_, end) = in_time("an answer", socket.until_the_end()).await;
            assert!(text(&end, "message").contains(&(100 + number).to_string()), "{number}: {end}");
        }
    }
    for (number, question) in questions.iter().enumerate().skip(1) {
        let prompt = cloud.prompts_with(question).await.remove(0);
        let before = &questions[number - 1];
        let answered = format!("{}", 100 + number - 1);
        let messages = prompt["messages"].as_array().unwrap();
        let place = messages.iter().position(|message| message["content"] == before.as_str()).unwrap();
        assert!(text(&messages[place + 1], "content").contains(&answered), "the answer before is known: {prompt}");
    }
}

#[tokio::test]
async fn what_is_asked_over_sse_is_seen_on_the_sockets_too() {
    let cloud = Cloud::quick(&[]).await;
    let mut socket = cloud.socket(UMA).await;
    let request = cloud.request(Method::POST, "/api/stream/stream-conversation", UMA);
    let request = request.header("accept", "application/json").json(&json!({"message": "What is 30 + 3?"}));
    let complete: Value = request.send().await.unwrap().json().await.unwrap();
    let (seen, end) = socket.until_the_end().await;
    assert_eq!(kinds(&seen), ["message", "typing"]);
    assert_eq!((text(&seen[0], "message"), text(&end, "type")), ("What is 30 + 3?", "response"));
    assert_eq!((&end["message"], &end["message_id"]), (&complete["content"], &complete["message_id"]));
    assert_eq!(end["session_id"], complete["interaction_id"]);
    let next = socket.response("What is 30 + 4?", complete["interaction_id"].as_str()).await;
    assert_eq!(next["session_id"], complete["interaction_id"]);
}
