//! Behind the fan-out: the table's stream as DynamoDB Streams shows it, items that no repository would write, and the
//! function itself by the Lambda Invoke API.

use super::cloud::Cloud;
use serde_json::{Value, json};

/// Any signature will do.
const SIGNATURE: &str =
    "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=b";

impl Cloud {
    /// A raw request to the tables or, with `DynamoDBStreams_20120810.`, to their streams.
    pub(crate) async fn dynamodb(&self, target: &str, body: Value) -> Value {
        let request = self.http.post(&self.info.dynamodb_url).header("x-amz-target", target);
        let request = request.header("authorization", SIGNATURE).header("x-amz-date", "20260101T000000Z");
        let request = request.header("content-type", "application/x-amz-json-1.0").body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{target}: {body}");
        body
    }

    /// Writes an item of plain strings.
    pub(crate) async fn put_item(&self, table: &str, item: &[(&str, &str)]) {
        let item: serde_json::Map<String, Value> =
            item.iter().map(|(name, value)| ((*name).to_owned(), json!({ "S": value }))).collect();
        self.dynamodb("DynamoDB_20120810.PutItem", json!({"TableName": table, "Item": item})).await;
    }

    /// Every record of the core table's stream so far, oldest first.
    pub(crate) async fn stream_records(&self) -> Vec<Value> {
        self.records_of_table("CoreTable").await
    }

    /// The same of either table.
    pub(crate) async fn records_of_table(&self, table: &str) -> Vec<Value> {
        let ask = async |operation: &str, body: Value| {
            self.dynamodb(&format!("DynamoDBStreams_20120810.{operation}"), body).await
        };
        let streams = ask("ListStreams", json!({ "TableName": table })).await;
        let arn = streams["Streams"][0]["StreamArn"].clone();
        let stream = ask("DescribeStream", json!({ "StreamArn": arn })).await;
        let shard = stream["StreamDescription"]["Shards"][0]["ShardId"].clone();
        let from = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let mut iterator = ask("GetShardIterator", from).await["ShardIterator"].take();
        let mut records = Vec::new();
        while iterator.is_string() {
            let mut answer = ask("GetRecords", json!({ "ShardIterator": iterator })).await;
            let more = answer["Records"].take();
            match more.as_array() {
                Some(more) if !more.is_empty() => records.extend(more.iter().cloned()),
                _ => break,
            }
            iterator = answer["NextShardIterator"].take();
        }
        records
    }

    /// The records of one conversation's events.
    pub(crate) async fn records_of(&self, conversation: &str) -> Vec<Value> {
        let of = |record: &Value| {
            let keys = &record["dynamodb"]["Keys"];
            let (pk, sk) = (keys["pk"]["S"].as_str().unwrap(), keys["sk"]["S"].as_str().unwrap());
            pk.starts_with("CONV#") && pk.ends_with(&format!("#{conversation}")) && sk.starts_with("M#")
        };
        self.stream_records().await.into_iter().filter(of).collect()
    }

    /// Invokes the fan-out with a batch.
    pub(crate) async fn fan_out(&self, records: &[Value]) -> Value {
        let url = format!("{}/2015-03-31/functions/fanout/invocations", self.info.aws_endpoint_url);
        let response = self.http.post(url).json(&json!({ "Records": records })).send().await.unwrap();
        assert!(!response.headers().contains_key("x-amz-function-error"));
        response.json().await.unwrap()
    }
}
