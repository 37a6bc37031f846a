//! What is refused: to its sender only, with a code, and the connection stays.

use super::refused;
use crate::support::chat_socket::{text, words};
use crate::support::cloud::{ADA, AURORA, CLEO, Cloud, UMA};
use crate::support::socket::Socket;
use domain::ids::{ChatId, UserId};
use serde_json::{Value, json};

#[tokio::test]
async fn nothing_to_answer_and_too_much_of_it_are_refused_at_once() {
    let cloud = Cloud::quick(&[]).await;
    let (mut socket, mut other) = (cloud.socket(UMA).await, cloud.socket(UMA).await);
    for nothing in [json!({"message": ""}), json!({"message": " \n\t"}), json!({"message": null}), json!({})] {
        let answer = refused(&mut socket, nothing).await;
        assert_eq!((text(&answer, "message"), text(&answer, "code")), ("Empty message", "invalid_request"));
        assert!(answer["hint"].is_string() && answer.get("session_id").is_none());
    }
    let answer = refused(&mut socket, json!({"message": "x".repeat(32_001)})).await;
    assert_eq!(text(&answer, "code"), "payload_too_large");
    for key in ["", "two words", "\u{e9}"] {
        let answer = refused(&mut socket, json!({"message": "What is 1 + 1?", "client_message_id": key})).await;
        assert_eq!(text(&answer, "code"), "invalid_request", "{key}");
    }
    for frame in [json!({"message": 7}), json!(["hi"]), json!({"action": "stop"}), json!({"action": "resume"})] {
        assert_eq!(text(&refused(&mut socket, frame).await, "code"), "invalid_request");
    }
    // All characters that a frame of 32 KB holds.
    let most = "y".repeat(32_000);
    let response = socket.response(&most, None).await;
    let (frames, end) = other.until_the_end().await;
    assert_eq!(frames[0]["message"], most, "and the other device saw nothing of what was refused");
    assert_eq!(end, response);
}

#[tokio::test]
async fn sessions_of_nobody_of_others_and_deleted_ones_are_not_found() {
    let cloud = Cloud::quick(&[]).await;
    let mut uma = cloud.socket(UMA).await;
    let (own, deleted) = (uma.response("What is 1 + 1?", None).await, uma.response("What is 2 + 2?", None).await);
    let (own, deleted) = (text(&own, "session_id"), text(&deleted, "session_id"));
    let (tenant, id) = (cloud.tenant(AURORA).await, UserId::parse(&cloud.user(UMA).id).unwrap());
    assert!(tenant.delete_chat(&id, &ChatId::parse(deleted).unwrap()).await.unwrap());

    // An admin of hers, and one of another organization.
    let (mut ada, mut cleo) = (cloud.socket(ADA).await, cloud.socket(CLEO).await);
    let unknown = "8f14e45f-ceea-467f-a0e6-1234567890ab";
    for socket in [&mut ada, &mut cleo] {
        for session in [own, unknown, deleted] {
            not_found(socket, session, Some(session)).await;
        }
    }
    not_found(&mut uma, deleted, Some(deleted)).await;
    not_found(&mut uma, "no id at all", None).await;
    not_found(&mut uma, &"x".repeat(500), None).await;
    assert!(text(&uma.response("What is 3 + 3?", Some(own)).await, "message").contains('6'));
    assert!(ada.drain().await.is_empty() && cleo.drain().await.is_empty());
    let chat = tenant.any_chat(&ChatId::parse(deleted).unwrap()).await.unwrap().unwrap();
    assert_eq!((chat.active, chat.last), (false, 1), "nothing was added to what is deleted");
}

async fn not_found(socket: &mut Socket, session: &str, named: Option<&str>) {
    for action in ["stop", "resume"] {
        let answer = refused(socket, json!({"action": action, "session_id": session})).await;
        assert_session_not_found(&answer, named);
    }
    let answer = refused(socket, json!({"message": "What is 4 + 4?", "session_id": session})).await;
    assert_session_not_found(&answer, named);
}

fn assert_session_not_found(answer: &Value, named: Option<&str>) {
    assert_eq!((text(answer, "type"), text(answer, "code")), ("error", "not_found"), "{answer}");
    assert_eq!((text(answer, "message"), answer["session_id"].as_str()), ("Session not found", named));
}

#[tokio::test]
async fn without_a_model_there_is_no_typing_but_a_code() {
    let cloud = Cloud::with(&["--env", "LLM_BASE_URL=", "--env", "LLM_MODEL="]).await;
    let mut socket = cloud.socket(UMA).await;
    let answer = refused(&mut socket, json!({"message": "What is 1 + 1?"})).await;
    assert_eq!(text(&answer, "code"), "llm_not_configured");
    assert!(socket.drain().await.is_empty());
}

#[tokio::test]
async fn who_has_as_many_answers_under_way_as_they_may_waits_for_one() {
    let cloud = Cloud::quick(&[]).await;
    cloud.set_ai(AURORA, |ai| ai.answers_at_once = 2).await;
    cloud.fault("llm", json!({"kind": "stall", "contains": "What is"})).await;
    let mut socket = cloud.socket(UMA).await;
    let mut sessions = Vec::new();
    for number in 0..2 {
        socket.ask(&format!("What is {number} + 1?"), json!({})).await;
        sessions.push(text(&socket.until("typing").await, "session_id").to_owned());
    }
    let answer = socket.answered("What is 2 + 1?", json!({})).await;
    assert_eq!((text(&answer, "type"), text(&answer, "code")), ("error", "rate_limited"));
    socket.stop(&sessions[0]).await;
    assert_eq!(socket.until_the_end().await.1["session_id"], sessions[0]);
    cloud.no_faults("llm").await;
    assert!(text(&socket.response("What is 3 + 1?", None).await, "message").contains('4'));
}

#[tokio::test]
async fn points_that_run_out_end_an_answer_that_is_told_and_paid_so_far() {
    let cloud = Cloud::quick(&[]).await;
    cloud.set_ai(AURORA, |ai| ai.starting_points = 20).await;
    let long: String = (0..500).map(|number| format!("word{number} ")).collect();
    cloud.model_says("a story", &long).await;
    cloud.slowly("a story", 5).await;
    let mut socket = cloud.socket(UMA).await;
    socket.ask("Tell me a story", json!({"stream": true})).await;
    let (seen, end) = socket.until_the_end().await;
    assert_eq!((text(&end, "type"), text(&end, "code")), ("error", "points_exhausted"));
    let partial = text(&end, "partial");
    assert!(long.starts_with(partial) && !partial.is_empty());
    assert_eq!(words(&seen), partial);
    let (available, held, spent) = cloud.purse(UMA).await;
    assert_eq!((available + spent, held), (20, 0));
    assert!(spent > 10, "{spent}");
}

#[tokio::test]
async fn who_has_no_points_or_asks_too_often_is_told_so() {
    let cloud = Cloud::quick(&["--env", "QUESTIONS_PER_MINUTE=3"]).await;
    let mut ada = cloud.socket(ADA).await;
    let poor = json!({
        "pk": {"S": format!("POINTS#{AURORA}#{}", cloud.user(ADA).id)}, "sk": {"S": "BALANCE"},
        "available": {"N": "0"}, "held": {"N": "0"}, "spent": {"N": "0"},
    });
    cloud.dynamodb("DynamoDB_20120810.PutItem", json!({"TableName": "CoreTable", "Item": poor})).await;
    let answer = ada.answered("What is 1 + 1?", json!({})).await;
    assert_eq!((text(&answer, "type"), text(&answer, "code")), ("error", "points_exhausted"));
    assert_eq!(cloud.purse(ADA).await, (0, 0, 0));

    let mut uma = cloud.socket(UMA).await;
    let mut codes = Vec::new();
    // Two minutes may touch.
    for _ in 0..7 {
        let answer = uma.answered("What is 2 + 3?", json!({})).await;
        codes.push(answer["code"].as_str().map(str::to_owned));
    }
    assert_eq!(codes[0], None);
    assert!(codes.contains(&Some("rate_limited".to_owned())), "{codes:?}");
    assert!(cloud.prompts_with("What is 1 + 1?").await.is_empty());
}
