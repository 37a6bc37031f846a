//! `DELETE /chat/sessions/{session_id}` (E10).

use super::{SESSIONS, answer, texts};
use crate::support::chats::{Person, RESERVED, outcome};
use crate::support::cloud::{Cloud, UMA};
use domain::chat::{Ending, Finish, Outcome};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use store::{Asked, Saved};

#[tokio::test]
async fn a_deleted_chat_is_gone_for_its_person_and_its_data_stays() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    let kept = uma.exchange("chat", "What is 2+2?", "4").await;
    uma.exchange("other", "What is 3+3?", "6").await;
    let path = format!("{SESSIONS}/chat");

    let deletes = join_all((0..5).map(|_| answer(&cloud, Method::DELETE, &path, UMA))).await;
    let done = (200, json!({"message": "Session deleted successfully"}));
    assert_eq!(deletes.iter().filter(|answer| **answer == done).count(), 1, "{deletes:?}");
    assert_eq!(deletes.iter().filter(|answer| answer.0 == 404).count(), 4, "{deletes:?}");
    for (method, path) in [
        (Method::DELETE, path.clone()),
        (Method::GET, path.clone()),
        (Method::GET, format!("{path}/export")),
        (Method::GET, format!("{path}/export?format=markdown")),
    ] {
        let (status, body) = answer(&cloud, method, &path, UMA).await;
        assert_eq!((status, &body["detail"], &body["code"]), (404, &json!("Session not found"), &json!("not_found")));
    }
    let list = cloud.json(SESSIONS, UMA).await;
    assert_eq!((texts(&list["sessions"], "session_id"), &list["total"]), (vec!["other"], &json!(1)));
    let found = cloud.json("/chat/search?q=what", UMA).await;
    assert_eq!(texts(&found["results"], "session_id"), ["other"]);

    let id = &kept.question.chat_id;
    let chat = uma.tenant.any_chat(id).await.unwrap().unwrap();
    assert!(!chat.active && chat.title == "What is 2+2?");
    let exchange = uma.tenant.exchange(id, 1).await.unwrap().unwrap();
    assert_eq!((exchange.question.message.as_str(), exchange.outcome), ("What is 2+2?", kept.outcome));
    // Nobody brings it back by asking on.
    let asked = uma.tenant.ask(&uma.asking(&chat, "again")).await.unwrap();
    assert!(matches!(asked, Asked::Moved), "{asked:?}");
    assert_eq!(answer(&cloud, Method::GET, &path, UMA).await.0, 404);
}

#[tokio::test]
async fn answers_of_a_deleted_chat_are_stopped_and_still_paid() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    uma.exchange("chat", "hello", "hi").await;
    let open = [uma.ask("chat", "one").await, uma.ask("chat", "two").await];
    let elsewhere = uma.ask("other", "three").await;
    let available = async || uma.tenant.points(&uma.id).await.unwrap().unwrap().available;
    let before = available().await;
    assert_eq!(answer(&cloud, Method::DELETE, &format!("{SESSIONS}/chat"), UMA).await.0, 200);
    for question in &open {
        let saved = uma.tenant.save_run(&question.id, "the test", 60, None).await.unwrap();
        assert_eq!(saved, Saved::Stop);
        let ending = Ending::Complete(Finish::Stopped);
        uma.end(question, Outcome { ending, ..outcome("a part", 1) }).await;
    }
    assert_eq!(available().await, before + 2 * (RESERVED - 1));
    assert_eq!(uma.tenant.save_run(&elsewhere.id, "the test", 60, None).await.unwrap(), Saved::GoOn);
    assert_eq!(uma.tenant.any_chat(&open[0].chat_id).await.unwrap().unwrap().open, 0);
}
