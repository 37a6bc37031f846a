//! Chats over the WebSocket (E01-E06, E14, E15, E20): the plain course of a message, and everything a client may say.

mod devices;
mod failing;
mod killed;
mod refused;
mod tokens;

use crate::support::chat_socket::{kinds, text};
use crate::support::cloud::{ADA, AURORA, Cloud, UMA};
use domain::ids::{ChatId, UserId};
use domain::user::ProfileValue;
use serde_json::{Value, json};

#[tokio::test]
async fn a_message_brings_typing_and_a_response_that_seed_es_client_can_read() {
    let cloud = Cloud::quick(&[]).await;
    let mut socket = cloud.socket(UMA).await;
    let question = "What is 17 + 25?";
    cloud.fault("llm", json!({"kind": "delay", "delay_ms": 300, "contains": "17 + 25"})).await;
    socket.ask(question, json!({"message_type": "fitness_plan"})).await;
    let typing = socket.next().await.unwrap();
    let response = socket.next().await.unwrap();

    let session = text(&response, "session_id");
    assert_eq!(typing, json!({"type": "typing", "session_id": session}));
    assert_eq!((&response["type"], &response["message_type"]), (&json!("response"), &json!("fitness_plan")));
    assert!(text(&response, "message").contains("42"), "{response}");
    assert_eq!(text(&response, "user_id"), cloud.user(UMA).id);
    let timestamp = text(&response, "timestamp");
    assert!(timestamp.len() == 26 && timestamp.as_bytes()[10] == b'T', "without a zone: {timestamp}");
    for name in ["raw_events", "response_time_ms", "message_id", "tokens_used", "points_cost", "finish", "cached"] {
        assert_eq!(response["data"][name], response[name], "{name}");
    }
    assert_eq!((&response["finish"], &response["cached"]), (&json!("stop"), &json!(false)));
    assert!(response["response_time_ms"].as_u64().unwrap() >= 300, "{response}");
    let raw = &response["raw_events"];
    assert!(raw["model_version"].is_string() && raw["provider"].is_string(), "{raw}");
    assert_eq!(raw["usage_metadata"]["total_tokens"], response["tokens_used"]);
    assert_eq!(response["points_cost"].as_u64().unwrap(), response["tokens_used"].as_u64().unwrap().div_ceil(30));

    let tenant = cloud.tenant(AURORA).await;
    let uma = UserId::parse(&cloud.user(UMA).id).unwrap();
    let chat = tenant.chat(&uma, &ChatId::parse(session).unwrap()).await.unwrap().unwrap();
    assert_eq!((chat.title.as_str(), chat.last, chat.open), (question, 1, 0));
    let kept = cloud.outcome(UMA, session, 1).await;
    assert_eq!(kept.response, text(&response, "message"));
    assert!(socket.drain().await.is_empty(), "one response");
}

#[tokio::test]
async fn a_session_goes_on_where_it_is_named_and_begins_where_it_is_not() {
    let cloud = Cloud::quick(&[]).await;
    let mut socket = cloud.socket(UMA).await;
    let opening = "My dog is called Rex, and he is a very good dog indeed.";
    let first = socket.response(opening, None).await;
    let session = text(&first, "session_id");
    let second = socket.response("What is 1 + 2?", Some(session)).await;
    assert_eq!(text(&second, "session_id"), session);
    assert_ne!(second["message_id"], first["message_id"]);
    let prompt = cloud.prompts_with("What is 1 + 2?").await.remove(0)["messages"].to_string();
    assert!(prompt.contains("Rex") && prompt.contains(text(&first, "message")), "{prompt}");

    for nothing in [json!({}), json!({"session_id": null}), json!({"session_id": ""})] {
        let other = socket.answered("What is 2 + 2?", nothing).await;
        assert_ne!(text(&other, "session_id"), session);
    }
    let tenant = cloud.tenant(AURORA).await;
    let uma = UserId::parse(&cloud.user(UMA).id).unwrap();
    let chats = tenant.chats(&uma, 10, None).await.unwrap().chats;
    assert_eq!(chats.len(), 4);
    let chat = chats.iter().find(|chat| chat.id.as_str() == session).unwrap();
    assert_eq!((chat.last, chat.title.as_str()), (2, &opening[..50]));
    assert!(chat.updated_at > chat.created_at);
}

#[tokio::test]
async fn every_kind_of_message_is_taken() {
    let cloud = Cloud::quick(&[]).await;
    let mut socket = cloud.socket(UMA).await;
    for kind in ["health_assessment", "", "\u{1f3cb}", "nutrition advice"] {
        let response = socket.answered("What is 3 + 4?", json!({"message_type": kind, "color": "red"})).await;
        assert_eq!(response["message_type"], kind);
    }
    let plain = socket.answered("What is 3 + 4?", json!({"message_type": null})).await;
    assert_eq!(plain["message_type"], "chat");
    let long = socket.answered("What is 3 + 4?", json!({"message_type": "k".repeat(5000)})).await;
    assert_eq!(text(&long, "message_type").len(), 100);
}

#[tokio::test]
async fn the_model_is_told_the_persons_profile_and_the_chat_keeps_it() {
    let cloud = Cloud::quick(&[]).await;
    let tenant = cloud.tenant(AURORA).await;
    let uma = UserId::parse(&cloud.user(UMA).id).unwrap();
    let mut item = tenant.user(&uma).await.unwrap().unwrap();
    item.profile.insert("fitness_level".to_owned(), ProfileValue::Text("intermediate".to_owned()));
    let profile = json!({"fitness_level": {"S": "intermediate"}});
    let key = json!({"pk": {"S": format!("ORG#{AURORA}")}, "sk": {"S": format!("USER#{uma}")}});
    let update = json!({
        "TableName": "CoreTable", "Key": key, "UpdateExpression": "SET profile = :profile",
        "ExpressionAttributeValues": {":profile": {"M": profile}},
    });
    cloud.dynamodb("DynamoDB_20120810.UpdateItem", update).await;

    let mut socket = cloud.socket(UMA).await;
    let response = socket.response("What is 5 + 6?", None).await;
    let prompt = cloud.prompts_with("What is 5 + 6?").await.remove(0)["messages"].to_string();
    assert!(prompt.contains("fitness_level") && prompt.contains("intermediate"), "{prompt}");
    let exchange = cloud.exchange(UMA, text(&response, "session_id"), 1).await.unwrap();
    assert_eq!(exchange.question.profile, item.profile);
}

#[tokio::test]
async fn a_question_that_was_answered_before_is_answered_at_once_on_all_devices() {
    let cloud = Cloud::quick(&[]).await;
    let (mut ada, mut uma) = (cloud.socket(ADA).await, cloud.socket(UMA).await);
    let first = ada.response("What is 6 + 7?", None).await;
    cloud.fault("llm", json!({"kind": "fail"})).await;
    let mut other = cloud.socket(UMA).await;
    // The answer is kept just after it was told.
    let again = loop {
        let again = uma.answered("What is 6 + 7?", json!({})).await;
        if again["type"] == "response" {
            break again;
        }
        other.until("error").await;
    };
    assert_eq!((&again["message"], &again["cached"]), (&first["message"], &json!(true)));
    assert_eq!((&again["tokens_used"], &again["points_cost"]), (&json!(0), &json!(0)));
    let (before, response) = other.until_the_end().await;
    assert_eq!(response, again);
    assert_eq!(kinds(&before), ["message"], "nobody was waiting");
}

#[tokio::test]
async fn a_repeated_message_is_the_same_message() {
    let cloud = Cloud::quick(&[]).await;
    let mut socket = cloud.socket(UMA).await;
    let frame = json!({"client_message_id": "m-1"});
    let first = socket.answered("What is 8 + 9?", frame.clone()).await;
    socket.ask("What is 8 + 9?", frame.clone()).await;
    let typing = socket.next().await.unwrap();
    assert_eq!(typing["session_id"], first["session_id"], "the chat that it began");
    assert_eq!(socket.next().await.unwrap(), first);

    let mut later = cloud.socket(UMA).await;
    cloud.slowly("What is 9 + 9?", 200).await;
    later.ask("What is 9 + 9?", json!({"client_message_id": "m-2"})).await;
    later.until("typing").await;
    socket.until("message").await;
    // While it is under way, its one end is awaited.
    socket.ask("What is 9 + 9?", json!({"client_message_id": "m-2"})).await;
    let (_, ended) = later.until_the_end().await;
    assert_eq!(socket.until_the_end().await.1, ended);
    assert!(socket.drain().await.is_empty() && later.drain().await.is_empty());
    assert_eq!(cloud.prompts_with("What is 9 + 9?").await.len(), 1);

    let conflict = socket.answered("What is 9 + 10?", json!({"client_message_id": "m-2"})).await;
    assert_eq!((&conflict["type"], &conflict["code"]), (&json!("error"), &json!("conflict")));
}

/// A frame that is refused without a `typing`.
pub(super) async fn refused(socket: &mut crate::support::socket::Socket, frame: Value) -> Value {
    socket.send(frame.clone()).await;
    let answer = socket.next().await.unwrap();
    assert_eq!(answer["type"], "error", "{frame}: {answer}");
    answer
}
