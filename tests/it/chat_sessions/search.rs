//! `GET /chat/search` (E25).

use super::{pages, texts};
use crate::support::chats::Person;
use crate::support::cloud::{Cloud, UMA};
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn words_are_found_in_questions_and_answers_whatever_their_case() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    let long = format!("{} the NEEDLE is here {}", "before ".repeat(50), "after ".repeat(50));
    uma.exchange("old", "Where is my needle?", "Which needle?").await;
    uma.exchange("old", "nothing", "\u{1f600} \u{3a3}\u{399}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3}").await;
    let late = uma.exchange("new", "nothing", &long).await;
    uma.ask("new", "a needle without an answer yet").await;
    let found = cloud.json("/chat/search?q=Needle", UMA).await;
    let results = found["results"].as_array().unwrap();
    let hits: Vec<_> = results.iter().map(|hit| (&hit["session_id"], &hit["field"])).collect();
    let expected = [json!(["new", "message"]), json!(["new", "response"]), json!(["old", "message"])];
    assert_eq!(hits, expected.iter().map(|one| (&one[0], &one[1])).collect::<Vec<_>>());
    let hit = &results[1];
    assert_eq!((&hit["message_id"], &hit["title"]), (&json!(late.question.id.as_str()), &json!("nothing")));
    let snippet = hit["snippet"].as_str().unwrap();
    assert!(snippet.contains("the NEEDLE is here") && (100..170).contains(&snippet.chars().count()), "{snippet}");
    assert!(snippet.starts_with('\u{2026}') && snippet.ends_with('\u{2026}'), "{snippet}");
    assert_eq!(hit["created_at"].as_str().unwrap().len(), 26);
    // In Greek, and with what means something in a URL.
    let search = async |q: &str| cloud.get("/chat/search", UMA).query(&[("q", q)]).send().await.unwrap().json().await;
    let found: serde_json::Value = search("\u{3c3}\u{3b9}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2}").await.unwrap();
    assert_eq!(texts(&found["results"], "session_id"), ["old"]);
    let found: serde_json::Value = search("100% & more?").await.unwrap();
    assert_eq!(found, json!({"results": [], "next_cursor": null}));
}

#[tokio::test]
async fn a_word_deep_in_a_very_long_answer_is_found() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    let book = format!("{}the needle{}", "hay ".repeat(200_000), " hay".repeat(200_000));
    uma.exchange("chat", "write a book", &book).await;
    let found = cloud.json("/chat/search?q=needle", UMA).await;
    assert_eq!(texts(&found["results"], "field"), ["response"]);
}

#[tokio::test]
async fn a_search_goes_on_from_page_to_page_through_all_chats() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    // More chats than one call reads; needles at both ends and in the middle of one.
    let mut expected = Vec::new();
    for number in 0..57 {
        let id = format!("chat-{number}");
        let message = if [0, 30, 56].contains(&number) { "a needle" } else { "hay" };
        let exchange = uma.exchange(&id, message, "hay").await;
        expected.extend((message != "hay").then(|| exchange.question.id.to_string()));
        if number == 30 {
            for text in ["hay", "needle one", "needle two", "hay"] {
                let exchange = uma.exchange(&id, text, "hay").await;
                expected.extend((text != "hay").then(|| exchange.question.id.to_string()));
            }
        }
    }
    expected.reverse();
    for limit in [1, 2, 100] {
        let pages = pages(&cloud, &format!("/chat/search?q=needle&limit={limit}"), UMA, 20).await;
        let found: Vec<&str> = pages.iter().flat_map(|page| texts(&page["results"], "message_id")).collect();
        assert_eq!(found, expected, "limit {limit}");
        assert!(pages.iter().all(|page| page["results"].as_array().unwrap().len() <= limit));
        assert!(pages.len() > 1, "one call read everything");
    }
    // What is used between two pages moves to the top: it is found in the next search, and nothing is found twice.
    let first = cloud.json("/chat/search?q=needle&limit=1", UMA).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    uma.exchange("chat-0", "hay", "hay").await;
    let path = format!("/chat/search?q=needle&cursor={cursor}");
    let mut rest = cloud.json(&path, UMA).await;
    let mut found: Vec<String> = texts(&first["results"], "message_id").into_iter().map(str::to_owned).collect();
    while let Some(cursor) = rest["next_cursor"].as_str().map(str::to_owned) {
        found.extend(texts(&rest["results"], "message_id").into_iter().map(str::to_owned));
        rest = cloud.json(&format!("/chat/search?q=needle&cursor={cursor}"), UMA).await;
    }
    found.extend(texts(&rest["results"], "message_id").into_iter().map(str::to_owned));
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "found twice");
    assert_eq!(found, expected[..4]);
}
