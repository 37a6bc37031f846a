//! Answers word by word, for connections that wish it (E20), and coming back to one (G11).

use crate::support::chat_socket::{kinds, text, words};
use crate::support::cloud::{Cloud, UMA};
use reqwest::Method;
use serde_json::{Value, json};

/// A text of many words.
fn story(words: usize) -> String {
    (0..words).map(|number| format!("w{number} ")).collect()
}

#[tokio::test]
async fn words_come_before_the_response_and_are_it() {
    let cloud = Cloud::quick(&[]).await;
    let (mut socket, mut plain) = (cloud.socket(UMA).await, cloud.socket(UMA).await);
    let story = story(120);
    cloud.model_says("a story", &story).await;
    cloud.slowly("a story", 5).await;
    for round in 0..3_u32 {
        // Once is enough.
        let frame = if round == 0 { json!({"stream": true}) } else { json!({"stream": null}) };
        socket.ask(&format!("Tell me a story, {round}"), frame).await;
        let (seen, end) = socket.until_the_end().await;
        assert_eq!(kinds(&seen), ["typing", "token"]);
        assert_eq!(words(&seen), story);
        assert_eq!(end["message"], story);
        let last = seen.last().unwrap();
        let outcome = cloud.outcome(UMA, text(&end, "session_id"), 1).await;
        assert_eq!(last["seq"].as_u64(), Some(outcome.tokens));
        assert_eq!((&last["session_id"], &last["message_id"]), (&end["session_id"], &end["message_id"]));
        let frames = seen.len() - 1;
        assert!((2..=outcome.tokens as usize / 2).contains(&frames), "{frames} frames: words travel together");
        let (seen, other) = plain.until_the_end().await;
        assert_eq!((kinds(&seen), other), (vec!["message", "typing"], end));
    }
    assert!(socket.drain().await.is_empty());
}

#[tokio::test]
async fn who_comes_late_gets_everything_so_far_and_then_what_comes() {
    let cloud = Cloud::quick(&[]).await;
    let mut first = cloud.socket(UMA).await;
    let story = story(300);
    cloud.model_says("a story", &story).await;
    cloud.slowly("a story", 10).await;
    first.ask("Tell me a story", json!({"stream": true})).await;
    let token = first.until("token").await;
    let mut told = text(&token, "content").to_owned();
    while told.len() < 60 {
        told.push_str(text(&first.until("token").await, "content"));
    }
    let mut late = cloud.socket(UMA).await;
    late.resume(text(&token, "session_id")).await;
    let (seen, end) = late.until_the_end().await;
    assert_eq!(kinds(&seen), ["typing", "token"], "it is under way");
    let catching_up = text(&seen[1], "content");
    assert!(catching_up.len() >= told.len() && story.starts_with(catching_up), "{catching_up}");
    assert_eq!(words(&seen), story);
    let (rest, same) = first.until_the_end().await;
    assert_eq!((told + &words(&rest), same), (story, end));
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_loses_nothing() {
    let cloud = Cloud::quick(&[]).await;
    let mut socket = cloud.socket(UMA).await;
    let story = story(400);
    cloud.model_says("a story", &story).await;
    cloud.slowly("a story", 8).await;
    socket.ask("Tell me a story", json!({"stream": true})).await;
    let session = text(&socket.until("token").await, "session_id").to_owned();
    let mut cuts = 0;
    let end = loop {
        // Cut as a network does, again and again, and in the end just before the response.
        drop(socket);
        cuts += 1;
        socket = cloud.socket(UMA).await;
        socket.resume(&session).await;
        let mut told = String::new();
        let end = loop {
            let frame = socket.next().await.unwrap();
            match text(&frame, "type") {
                "token" => {
                    told.push_str(text(&frame, "content"));
                    assert!(story.starts_with(&told), "from the beginning each time: {told}");
                    if cuts < 4 && told.len() > 300 * cuts {
                        break None;
                    }
                }
                "response" => break Some(frame),
                _ => {}
            }
        };
        if let Some(end) = end {
            break end;
        }
    };
    assert!(cuts > 1, "the answer was long enough to break off");
    assert_eq!(end["message"], story);
    assert_eq!(cloud.prompts_with("Tell me a story").await.len(), 1, "asked once");
    // And after all: the same once more.
    drop(socket);
    let mut socket = cloud.socket(UMA).await;
    socket.resume(&session).await;
    assert_eq!(socket.next().await.unwrap(), end);
}

#[tokio::test]
async fn resuming_where_nothing_runs_tells_the_latest_end_again() {
    let cloud = Cloud::quick(&[]).await;
    let (mut socket, mut other) = (cloud.socket(UMA).await, cloud.socket(UMA).await);
    let first = socket.response("What is 1 + 1?", None).await;
    let session = text(&first, "session_id");
    socket.resume(session).await;
    assert_eq!(socket.next().await.unwrap(), first);
    cloud.fault("llm", json!({"kind": "fail", "contains": "broken"})).await;
    let failed = socket.answered("Is it broken?", json!({ "session_id": session })).await;
    assert_eq!(text(&failed, "type"), "error");
    socket.resume(session).await;
    assert_eq!(socket.next().await.unwrap(), failed);
    other.until("error").await;
    assert!(other.drain().await.is_empty(), "only who asked");
}

#[tokio::test]
async fn an_answer_that_comes_all_at_once_is_told_in_frames_that_fit() {
    let cloud = Cloud::quick(&[]).await;
    let mut socket = cloud.socket(UMA).await;
    let long: String = (0..1000).map(|number| format!("\"\u{1}{number:030}\u{e9}\n")).collect();
    cloud.model_says("everything", &long).await;
    socket.ask("Tell me everything", json!({"stream": true})).await;
    let (seen, end) = socket.until_the_end().await;
    let sizes: Vec<usize> = seen.iter().map(|frame| frame.to_string().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 32 * 1024) && seen.len() > 1, "{sizes:?}");
    assert!(words(&seen) == text(&end, "message") && end.get("truncated").is_none());
    // Somebody who comes after all gets the end only.
    let mut late = cloud.socket(UMA).await;
    late.resume(text(&end, "session_id")).await;
    assert_eq!(late.next().await.unwrap(), end);
}

#[tokio::test]
async fn an_answer_too_long_for_a_frame_is_cut_there_and_whole_in_the_chat() {
    let cloud = Cloud::quick(&[]).await;
    let mut socket = cloud.socket(UMA).await;
    // Of all texts of so few tokens one of the longest.
    let long = format!("{} ", "\u{1f600}".repeat(30)).repeat(1000);
    assert!(long.len() > 120_000);
    cloud.model_says("everything", &long).await;
    // The socket has no word for it, but shows what others ask for.
    let body = json!({"message": "Tell me everything", "max_tokens": 16_000});
    let request = cloud.request(Method::POST, "/api/stream/stream-conversation", UMA).json(&body);
    let complete: Value = request.header("accept", "application/json").send().await.unwrap().json().await.unwrap();
    assert!(complete["content"] == long.as_str(), "{}", text(&complete, "content").len());
    let (_, end) = socket.until_the_end().await;
    assert_eq!((text(&end, "type"), &end["truncated"]), ("response", &json!(true)));
    let cut = text(&end, "message");
    assert!(cut.len() > 90_000 && cut.len() <= 102_400 && long.starts_with(cut), "{}", cut.len());
    socket.resume(text(&end, "session_id")).await;
    assert_eq!(socket.next().await.unwrap(), end);
}
