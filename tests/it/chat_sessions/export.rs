//! `GET /chat/sessions/{session_id}/export` (E26, G29).

use super::{SESSIONS, texts};
use crate::support::chats::{Person, outcome};
use crate::support::cloud::{Cloud, UMA};
use domain::chat::{Chat, Ending, Failure, Finish, MediaFile, Outcome};
use domain::ids::{ChatId, ExchangeId};
use domain::time::Timestamp;
use serde_json::Value;
use store::{Asked, Ended};

/// 2024-01-01T00:00:00Z.
const BEGUN: i64 = 1_704_067_200;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(BEGUN * 1000).plus_seconds(seconds)
}

/// A chat whose every word and time is known.
async fn known_chat(uma: &Person) {
    let id = ChatId::parse("golden").unwrap();
    let table = "| a | b |\n|---|---|\n| 1 | \"2\" |\n\n```rust\nfn main() {}\n```\n";
    let stopped = Ending::Complete(Finish::Stopped);
    let exchanges = [
        ("Show me a *table*,\nplease", table, Ending::Complete(Finish::Stop)),
        ("\u{4f60}\u{597d} \u{1f44b}", "\u{4f60}\u{597d}\u{ff01}", stopped),
        ("# not a heading\n\n> not a quotation", "", Ending::Failed(Failure::Timeout)),
    ];
    let mut chat = Chat::begin(id, uma.id.clone(), exchanges[0].0, at(0));
    for (number, (message, response, ending)) in (1..).zip(exchanges) {
        let mut asking = uma.asking(&chat, message);
        asking.question.id = ExchangeId::parse(&format!("message-{number}")).unwrap();
        asking.question.asked_at = at(number);
        if number == 1 {
            let url = "https://example.com/a_table.png".to_owned();
            asking.question.media = vec![MediaFile { id: "file-1".to_owned(), url: Some(url) }];
        }
        let asked = uma.tenant.ask(&asking).await.unwrap();
        let Asked::Begun(begun) = asked else { panic!("{asked:?}") };
        chat = *begun;
        let points = if response.is_empty() { 0 } else { 5 };
        let outcome = Outcome { ending, ended_at: at(number), ..outcome(response, points) };
        let ended = uma.tenant.end_exchange(&asking.question, outcome, None).await.unwrap();
        assert!(matches!(ended, Ended::Now(_)), "{ended:?}");
    }
}

/// Name, type and content of an exported file.
async fn export(cloud: &Cloud, path: &str) -> (String, String, String) {
    let response = cloud.get(path, UMA).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("cache-control"), "private, no-store");
    let (name, media_type) = (header("content-disposition"), header("content-type"));
    (name, media_type, response.text().await.unwrap())
}

#[tokio::test]
async fn an_export_is_the_golden_file() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    known_chat(&uma).await;
    let path = format!("{SESSIONS}/golden/export");

    let (name, media_type, markdown) = export(&cloud, &format!("{path}?format=markdown")).await;
    assert_eq!(name, "attachment; filename=\"chat-20240101-show-me-a-table-please.md\"");
    assert_eq!(media_type, "text/markdown; charset=utf-8");
    assert_eq!(markdown, include_str!("golden.md"));

    let (name, media_type, json) = export(&cloud, &path).await;
    assert_eq!(name, "attachment; filename=\"chat-20240101-show-me-a-table-please.json\"");
    assert_eq!(media_type, "application/json");
    let golden: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let exported: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(exported, golden);
    // The same chat is the same file, and the same messages as everywhere.
    assert_eq!(export(&cloud, &format!("{path}?format=json")).await.2, json);
    let shown = cloud.json(&format!("{SESSIONS}/golden"), UMA).await;
    assert_eq!(shown["messages"], exported["messages"]);
}

#[tokio::test]
async fn a_chat_that_is_larger_than_an_answer_is_exported_in_parts_with_answers_whole() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    let long = |number: usize| format!("{number} {}", "\u{e4} \"word\"\n".repeat(60_000));
    for number in 1..=9 {
        uma.exchange("chat", &number.to_string(), &long(number)).await;
    }
    let path = format!("{SESSIONS}/chat/export");
    let parts = super::pages(&cloud, &path, UMA, 9).await;
    assert!(parts.len() > 1, "it is smaller than an answer");
    let messages: Vec<&Value> = parts.iter().flat_map(|part| part["messages"].as_array().unwrap()).collect();
    assert_eq!(messages.len(), 9);
    for (number, message) in (1..).zip(messages) {
        assert_eq!(message["message"], number.to_string());
        assert!(message["response"] == long(number) && message.get("truncated").is_none(), "{number}");
    }
    let (last, first) = parts.split_last().unwrap();
    assert!(first.iter().all(|part| part["note"].as_str().unwrap().contains("goes on")));
    assert_eq!(last.get("note"), None);

    // In Markdown the file itself says how to go on.
    let (mut whole, mut names, mut next) = (String::new(), Vec::new(), format!("{path}?format=markdown"));
    for part in 0.. {
        assert!(part < 9, "the parts do not end");
        let (name, _, text) = export(&cloud, &next).await;
        names.push(name);
        let Some((text, rest)) = text.split_once("\n---\n\n*(This chat goes on. Ask for the rest with `cursor=") else {
            whole.push_str(&text);
            break;
        };
        whole.push_str(text);
        next = format!("{path}?format=markdown&cursor={}", rest.split('`').next().unwrap());
    }
    assert!(names[0].ends_with("-1.md\"") && names[1].contains("-1-from-"), "{names:?}");
    assert!((1..=9).all(|number| whole.contains(long(number).trim_end())));
}

#[tokio::test]
async fn an_answer_that_no_file_holds_is_shortened_and_says_so() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    // The longest there is, of characters that take four bytes each on their way.
    uma.exchange("chat", "quotation marks", &"\"".repeat(domain::chat::ANSWER_BYTES)).await;
    uma.exchange("chat", "and then", "hi").await;
    let parts = super::pages(&cloud, &format!("{SESSIONS}/chat/export"), UMA, 3).await;
    let messages: Vec<&Value> = parts.iter().flat_map(|part| part["messages"].as_array().unwrap()).collect();
    assert_eq!((messages.len(), &messages[0]["truncated"]), (2, &Value::Bool(true)));
    assert!(messages[0]["response"].as_str().unwrap().len() > 500_000);
    assert_eq!(texts(&parts.last().unwrap()["messages"], "message").last(), Some(&"and then"));
}
