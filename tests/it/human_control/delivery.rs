//! What becomes of an agent's message: on its way, at the provider, and when the provider is down.

use super::{STRANGER, until_count};
use crate::support::cloud::{ADA, AURORA, Cloud};
use crate::support::control::assert_refused;
use crate::support::eventually;
use serde_json::{Value, json};

/// The delivery state of a message, once it is this.
async fn until_delivery(cloud: &Cloud, id: &str, seq: &Value, expected: &str) {
    eventually(expected, || async {
        let snapshot = cloud.snapshot(id, ADA).await;
        let message = snapshot["messages"].as_array().unwrap().iter().find(|message| message["seq"] == *seq).cloned();
        (message.unwrap()["delivery_status"] == expected).then_some(())
    })
    .await;
}

async fn joined(cloud: &Cloud) -> String {
    cloud.join(STRANGER, ADA).await["conversation_id"].as_str().unwrap().to_owned()
}

/// A message that was taken with this fate.
async fn written(cloud: &Cloud, text: &str, delivery: &str) -> Value {
    let (status, mut body) = cloud.write(STRANGER, ADA, text).await;
    assert_eq!((status, &body["delivery"]), (200, &json!(delivery)), "{body}");
    body["seq"].take()
}

#[tokio::test]
async fn a_message_is_followed_to_its_end() {
    let cloud = Cloud::start().await;
    let id = joined(&cloud).await;
    let mut stream = cloud.stream(&id, ADA, None).await;
    stream.until("initial").await;
    let seq = written(&cloud, "hello", "sent").await;
    let mut states = Vec::new();
    while states.last() != Some(&json!("delivered")) {
        let block = stream.until("sms_status_update").await;
        assert_eq!((&block.data["messageSeq"], &block.data["organizationId"]), (&seq, &json!(AURORA)));
        states.push(block.data["messageStatus"].clone());
    }
    assert!(states.contains(&json!("sent")), "{states:?}");
    until_delivery(&cloud, &id, &seq, "delivered").await;

    cloud.fault("twilio", json!({"kind": "undelivered", "times": 1})).await;
    let seq = written(&cloud, "to a phone that is off", "sent").await;
    until_delivery(&cloud, &id, &seq, "undelivered").await;
}

#[tokio::test]
async fn a_message_that_the_provider_refuses_has_failed_and_nobody_says_it_was_sent() {
    let cloud = Cloud::start().await;
    let id = joined(&cloud).await;
    cloud.fault("twilio", json!({"kind": "opted_out", "times": 1})).await;
    let seq = written(&cloud, "hello", "failed").await;
    until_delivery(&cloud, &id, &seq, "failed").await;
    // Twilio knew of an opt-out that we had missed.
    assert_refused(&cloud.write(STRANGER, ADA, "hello?").await, 409, "opted_out");
    assert!(cloud.texts_to(STRANGER).await.is_empty());
}

#[tokio::test]
async fn messages_that_could_not_be_sent_go_out_once_and_in_order() {
    let cloud = Cloud::start().await;
    let id = joined(&cloud).await;
    cloud.fault("twilio", json!({"kind": "rate_limit"})).await;
    let first = written(&cloud, "one", "pending").await;
    written(&cloud, "two", "pending").await;
    assert!(cloud.texts_to(STRANGER).await.is_empty());
    cloud.no_faults("twilio").await;
    written(&cloud, "three", "sent").await;
    assert_eq!(cloud.bodies_to(STRANGER).await, ["one", "two", "three"]);
    until_delivery(&cloud, &id, &first, "delivered").await;
}

/// Lets the patience with whoever was sending this message run out: it is recorded and claimed a minute earlier.
async fn a_minute_passes(cloud: &Cloud, text: &str) {
    let claimed = |item: &Value| item["text"]["S"] == text && item["claimed_at"].is_object();
    let item = eventually("a claim", || async { outbox(cloud).await.into_iter().find(claimed) }).await;
    let earlier = |millis: &Value| millis["N"].as_str().unwrap().parse::<i64>().unwrap() - 60_000;
    let sort = item["gsi1sk"]["S"].as_str().unwrap();
    let (_, place) = sort.split_once('#').unwrap();
    let update = json!({
        "TableName": "CoreTable", "Key": {"pk": item["pk"], "sk": item["sk"]},
        "UpdateExpression": "SET gsi1sk = :sort, claimed_at = :claimed, first_claim = :claimed",
        "ExpressionAttributeValues": {
            ":sort": {"S": format!("{:013}#{place}", earlier(&item["recorded_at"]))},
            ":claimed": {"N": earlier(&item["claimed_at"]).to_string()},
        },
    });
    cloud.dynamodb("DynamoDB_20120810.UpdateItem", update).await;
}

/// What is not sent yet, whole.
async fn outbox(cloud: &Cloud) -> Vec<Value> {
    let query = json!({
        "TableName": "CoreTable", "IndexName": "gsi1", "KeyConditionExpression": "gsi1pk = :outbox",
        "ExpressionAttributeValues": {":outbox": {"S": "OUTBOX"}},
    });
    let mut waiting = Vec::new();
    for place in cloud.dynamodb("DynamoDB_20120810.Query", query).await["Items"].as_array().unwrap() {
        let key = json!({"pk": place["pk"], "sk": place["sk"]});
        let get = json!({"TableName": "CoreTable", "Key": key, "ConsistentRead": true});
        waiting.push(cloud.dynamodb("DynamoDB_20120810.GetItem", get).await["Item"].take());
    }
    waiting
}

/// Whether Twilio has a message that it did not answer for is not known. The sweep asks before it sends again.
#[tokio::test]
async fn messages_of_an_unknown_fate_are_looked_for_and_sent_exactly_once() {
    let cloud = Cloud::with(&["--time-scale", "30"]).await;
    let id = joined(&cloud).await;
    cloud.fault("twilio", json!({"kind": "fail", "times": 1, "contains": "lost"})).await;
    cloud.fault("twilio", json!({"kind": "drop_response", "times": 1, "contains": "taken"})).await;
    let lost = written(&cloud, "lost on the way", "pending").await;
    // Nothing overtakes it.
    let taken = written(&cloud, "taken without a word", "pending").await;
    assert!(cloud.texts_to(STRANGER).await.is_empty());
    a_minute_passes(&cloud, "lost on the way").await;
    a_minute_passes(&cloud, "taken without a word").await;
    for seq in [&lost, &taken] {
        until_delivery(&cloud, &id, seq, "delivered").await;
    }
    eventually("an empty outbox", || async { outbox(&cloud).await.is_empty().then_some(()) }).await;
    written(&cloud, "the end", "sent").await;
    let expected = ["lost on the way", "taken without a word", "the end"];
    assert_eq!(cloud.bodies_to(STRANGER).await, expected);
    until_count(&cloud, AURORA, &id, "human_message_sent", 3).await;
}
