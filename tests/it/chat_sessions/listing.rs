//! `GET /chat/sessions`.

use super::{SESSIONS, answer, texts};
use crate::support::chats::Person;
use crate::support::cloud::{ADA, CLEO, Cloud, DAN, UMA};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn everybody_lists_their_own_chats_the_latest_used_first() {
    let cloud = Cloud::silent().await;
    let empty = cloud.json(SESSIONS, UMA).await;
    assert_eq!(empty, json!({"sessions": [], "total": 0, "next_cursor": null}));
    let uma = Person::of(&cloud, UMA).await;
    uma.exchange("one", "  What\nis 2+2? ", "4").await;
    uma.exchange("two", &"long ".repeat(20), "ok").await;
    uma.exchange("one", "and 3+3?", "6").await;
    Person::of(&cloud, DAN).await.exchange("dans", "hello", "hi").await;

    let list = cloud.json(SESSIONS, UMA).await;
    assert_eq!((texts(&list["sessions"], "session_id"), &list["total"]), (vec!["one", "two"], &json!(2)));
    let one = list["sessions"][0].as_object().unwrap();
    let mut fields: Vec<&str> = one.keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = ["_id", "created_at", "is_active", "messages", "session_id", "title", "updated_at", "user_id"];
    assert_eq!(fields, expected);
    assert_eq!((&one["_id"], &one["title"], &one["messages"]), (&json!("one"), &json!("What is 2+2?"), &json!(2)));
    assert_eq!((&one["user_id"], &one["is_active"]), (&json!(cloud.user(UMA).id), &json!(true)));
    for field in ["created_at", "updated_at"] {
        let time = one[field].as_str().unwrap();
        assert!(time.len() == 26 && !time.ends_with('Z'), "{time}");
    }
    assert!(one["created_at"].as_str() < one["updated_at"].as_str());
    assert_eq!(list["sessions"][1]["title"], "long long long long long long long long long long");

    // An admin of the same organization has their own, and so has everybody of another.
    for email in [ADA, CLEO] {
        assert_eq!(cloud.json(SESSIONS, email).await["total"], 0, "{email}");
    }
    assert_eq!(texts(&cloud.json(SESSIONS, DAN).await["sessions"], "session_id"), ["dans"]);
}

#[tokio::test]
async fn what_cannot_be_a_limit_or_a_cursor_is_a_bad_request() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    for id in ["one", "two", "three"] {
        uma.exchange(id, "hello", "hi").await;
        uma.exchange(id, "and again", "hi").await;
    }
    let cursor_of = async |path: &str| cloud.json(path, UMA).await["next_cursor"].as_str().unwrap().to_owned();
    let (list, messages) = (cursor_of("/chat/sessions?limit=1").await, cursor_of("/chat/sessions/one?limit=1").await);
    let found = cursor_of("/chat/search?q=hello&limit=1").await;
    let mut bad: Vec<(String, &str)> = Vec::new();
    for path in ["/chat/sessions?", "/chat/sessions/one?", "/chat/search?q=hello&"] {
        for query in ["limit=0", "limit=101", "limit=x", "cursor=", "cursor=***", "cursor=%00", "cursor=bm9uc2Vuc2U"] {
            bad.push((format!("{path}{query}"), UMA));
        }
    }
    // A cursor of another list, of another chat, of another person.
    bad.extend([&list, &found].map(|cursor| (format!("/chat/sessions/one?cursor={cursor}"), UMA)));
    bad.extend([&messages, &list].map(|cursor| (format!("/chat/search?q=hello&cursor={cursor}"), UMA)));
    bad.extend([&messages, &found].map(|cursor| (format!("/chat/sessions?cursor={cursor}"), UMA)));
    bad.push((format!("/chat/sessions/two?cursor={messages}"), UMA));
    bad.push((format!("/chat/sessions/one/export?cursor={messages}"), UMA));
    bad.extend([ADA, CLEO].map(|email| (format!("/chat/sessions?cursor={list}"), email)));
    bad.extend([ADA, CLEO].map(|email| (format!("/chat/search?q=hello&cursor={found}"), email)));
    bad.extend(["/chat/search", "/chat/search?q=", "/chat/search?q=%20"].map(|path| (path.to_owned(), UMA)));
    bad.push((format!("/chat/search?q={}", "x".repeat(201)), UMA));
    bad.push(("/chat/sessions/one/export?format=pdf".to_owned(), UMA));
    for (path, email) in &bad {
        let (status, body) = answer(&cloud, Method::GET, path, email).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_request")), "{path} as {email}");
    }
    for good in [format!("/chat/sessions?limit=100&cursor={list}"), format!("/chat/sessions/one?cursor={messages}")] {
        cloud.json(&good, UMA).await;
    }
}
