//! The function that answers questions asked over a socket, as the queue calls it. What people see of it is in
//! `websocket_chat`.

use crate::support::cloud::{AURORA, Cloud, UMA};
use domain::ids::{ChatId, UserId};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use store::Cause;

/// The sample of a queue's event, with another question in it.
fn event(question: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/chat/question.json");
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let body = event["Records"][0]["body"].as_str().unwrap();
    let mut record: Value = serde_json::from_str(body).unwrap();
    record["dynamodb"]["NewImage"]["question"]["S"] = question.into();
    event["Records"][0]["body"] = record.to_string().into();
    event
}

/// What the function gives back to the queue.
async fn given_back(cloud: &Cloud, event: &Value) -> Value {
    let url = format!("{}/2015-03-31/functions/chat/invocations", cloud.info.aws_endpoint_url);
    let response = cloud.http.post(url).json(event).send().await.unwrap();
    assert!(response.headers().get("x-amz-function-error").is_none());
    response.json::<Value>().await.unwrap()["batchItemFailures"].take()
}

#[tokio::test]
async fn a_question_that_comes_again_is_not_answered_again() {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(UMA).await;
    socket.send(json!({"message": "What is 19 + 23?"})).await;
    let response = socket.until("response").await;
    let chat = ChatId::parse(response["session_id"].as_str().unwrap()).unwrap();
    let tenant = cloud.tenant(AURORA).await;
    let exchange = tenant.exchange(&chat, 1).await.unwrap().unwrap();
    let again = event(&serde_json::to_string(&exchange.question).unwrap());
    for _ in 0..2 {
        assert_eq!(given_back(&cloud, &again).await, json!([]));
    }

    let person = UserId::parse(&cloud.user(UMA).id).unwrap();
    let ledger = tenant.whole_ledger(&person).await.unwrap();
    let paid = ledger.iter().filter(|entry| matches!(entry.cause, Cause::Answer { .. })).count();
    assert_eq!(paid, 1, "{ledger:?}");
    let after = tenant.exchange(&chat, 1).await.unwrap().unwrap();
    assert_eq!(after.outcome.unwrap().response, response["message"]);
    let requests = cloud.local(Method::GET, "llm/requests?limit=1000", Value::Null).await;
    let asked = requests.as_array().unwrap().iter().filter(|one| one.to_string().contains("19 + 23")).count();
    assert_eq!(asked, 1, "the model is asked once");
}

#[tokio::test]
async fn a_question_that_cannot_be_read_goes_back_and_becomes_a_dead_letter() {
    let cloud = Cloud::silent().await;
    let event = event("no question");
    let id = &event["Records"][0]["messageId"];
    assert_eq!(given_back(&cloud, &event).await, json!([{"itemIdentifier": id}]));
}
