//! `GET /chat/sessions/{session_id}`.

use super::SESSIONS;
use crate::support::chats::{Person, outcome};
use crate::support::cloud::{Cloud, UMA};
use domain::chat::{Ending, Failure, Finish, Outcome};
use serde_json::{Value, json};
use store::{Asked, Maker};

async fn messages(cloud: &Cloud, chat: &str) -> Vec<Value> {
    let session = cloud.json(&format!("{SESSIONS}/{chat}"), UMA).await;
    session["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_session_shows_its_messages_oldest_first_as_they_ended() {
    let cloud = Cloud::silent_with(&["--hold", "ChatQueue"]).await;
    let uma = Person::of(&cloud, UMA).await;
    let whole = uma.exchange("chat", "What is 2+2?", "4").await;
    for (message, response, ending) in [
        ("stopped", "a pa", Ending::Complete(Finish::Stopped)),
        ("failed", "", Ending::Failed(Failure::Unavailable)),
        ("broken", "a part", Ending::Failed(Failure::Interrupted)),
    ] {
        let question = uma.ask("chat", message).await;
        uma.end(&question, Outcome { ending, ..outcome(response, 0) }).await;
    }
    uma.ask("chat", "running").await;
    let chat = uma.chat_or_new("chat", "").await;
    let mut queued = uma.asking(&chat, "queued");
    queued.maker = Some(Maker::Queue);
    assert!(matches!(uma.tenant.ask(&queued).await.unwrap(), Asked::Begun(_)));

    let session = cloud.json(&format!("{SESSIONS}/chat"), UMA).await;
    assert_eq!((&session["session_id"], &session["title"]), (&json!("chat"), &json!("What is 2+2?")));
    assert_eq!((&session["is_active"], &session["next_cursor"]), (&json!(true), &json!(null)));
    let messages = session["messages"].as_array().unwrap();
    let states: Vec<_> = messages.iter().map(|one| (&one["message"], &one["status"], &one["response"])).collect();
    let expected = [
        json!(["What is 2+2?", "done", "4"]),
        json!(["stopped", "stopped", "a pa"]),
        json!(["failed", "failed", null]),
        json!(["broken", "interrupted", "a part"]),
        json!(["running", "running", null]),
        json!(["queued", "queued", null]),
    ];
    assert_eq!(states, expected.iter().map(|one| (&one[0], &one[1], &one[2])).collect::<Vec<_>>());
    let first = &messages[0];
    assert_eq!((&first["_id"], &first["message_id"]), (&json!(whole.question.id.as_str()), &first["_id"]));
    assert_eq!((&first["user_id"], &first["session_id"]), (&json!(cloud.user(UMA).id), &json!("chat")));
    assert_eq!((&first["message_type"], &first["finish"]), (&json!("user_query"), &json!("stop")));
    assert_eq!(
        (&first["tokens_used"], &first["points_cost"], &first["cached"]),
        (&json!(150), &json!(5), &json!(false))
    );
    assert_eq!((&first["response_time_ms"], &first["model"]), (&json!(250), &json!("demo-1")));
    assert_eq!(first["context"]["user_profile"], json!({"age": 30}));
    assert_eq!(first["context"]["raw_events"]["model_version"], "demo-1");
    assert_eq!((&messages[2]["error"], &messages[3]["error"]), (&json!("llm_unavailable"), &json!("llm_interrupted")));
    assert_eq!((&messages[4]["response_time_ms"], &messages[4]["tokens_used"]), (&json!(null), &json!(0)));
}

#[tokio::test]
async fn of_a_very_long_answer_a_list_shows_the_beginning() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    let long = "word ".repeat(300_000);
    uma.exchange("chat", "write a book", &long).await;
    let message = &messages(&cloud, "chat").await[0];
    assert_eq!(message["truncated"], true);
    let shown = message["response"].as_str().unwrap();
    assert!(shown.len() > 50_000 && shown.len() < long.len() && long.starts_with(shown));
    uma.exchange("chat", "a short one", "word").await;
    assert_eq!(messages(&cloud, "chat").await[1].get("truncated"), None);
}
