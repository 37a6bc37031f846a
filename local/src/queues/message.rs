//! A message, and the event in which Lambda hands it to a function.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::system;

/// Who sends for a pipe, in the form of a role's session.
const SENDER: &str = "AROALOCALPIPE0000000:pipe";

/// One message of a FIFO queue.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) deduplication: String,
    pub(super) body: String,
    /// Grows over all messages of all queues.
    pub(super) sequence: u64,
    pub(super) sent_ms: u64,
    /// How often it was received.
    pub(super) receives: u32,
    pub(super) first_received_ms: Option<u64>,
    /// The queue that gave it up, if this is a dead letter.
    pub(super) source: Option<String>,
}

/// Without body and group, which hold texts and phone numbers.
impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Message");
        debug.field("id", &self.id).field("sequence", &self.sequence).field("receives", &self.receives);
        debug.finish_non_exhaustive()
    }
}

impl Message {
    /// As `/local/queues` shows a dead letter.
    pub(super) fn json(&self, now: u64) -> Value {
        let body = serde_json::from_str(&self.body).unwrap_or_else(|_| Value::from(self.body.as_str()));
        serde_json::json!({
            "id": self.id,
            "group": self.group,
            "receive_count": self.receives,
            "age_seconds": now.saturating_sub(self.sent_ms) / 1000,
            "source": self.source,
            "body": body,
        })
    }
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "Records")]
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: String,
    body: &'a str,
    attributes: Attributes<'a>,
    message_attributes: Map<String, Value>,
    md5_of_body: String,
    event_source: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

/// All of them texts, as SQS has them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes<'a> {
    approximate_receive_count: String,
    sent_timestamp: String,
    sequence_number: String,
    message_group_id: &'a str,
    sender_id: &'a str,
    message_deduplication_id: &'a str,
    approximate_first_receive_timestamp: String,
}

/// The event of a batch from the queue with this ARN.
pub(super) fn event(batch: &[Message], arn: &str) -> serde_json::Result<Bytes> {
    let record = |message| Record::of(message, arn);
    serde_json::to_vec(&Event { records: batch.iter().map(record).collect() }).map(Bytes::from)
}

impl<'a> Record<'a> {
    fn of(message: &'a Message, arn: &'a str) -> Self {
        Self {
            message_id: &message.id,
            receipt_handle: format!("{}{}", system::uuid().simple(), system::uuid().simple()),
            body: &message.body,
            attributes: Attributes {
                approximate_receive_count: message.receives.to_string(),
                sent_timestamp: message.sent_ms.to_string(),
                sequence_number: format!("{:020}", message.sequence),
                message_group_id: &message.group,
                sender_id: SENDER,
                message_deduplication_id: &message.deduplication,
                approximate_first_receive_timestamp: message.first_received_ms.unwrap_or_default().to_string(),
            },
            message_attributes: Map::new(),
            md5_of_body: format!("{:x}", md5::compute(&message.body)),
            event_source: "aws:sqs",
            event_source_arn: arn,
            aws_region: "us-east-1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            id: "m-1".to_owned(),
            group: "CONV#1".to_owned(),
            deduplication: "e-1".to_owned(),
            body: r#"{"eventID":"e-1"}"#.to_owned(),
            sequence: 7,
            sent_ms: 1_795_183_200_000,
            receives: 2,
            first_received_ms: Some(1_795_183_201_000),
            source: None,
        }
    }

    #[test]
    fn events_have_the_shape_of_lambda() {
        let event = event(&[message()], "arn:aws:sqs:us-east-1:000000000000:Q").unwrap();
        let mut event: Value = serde_json::from_slice(&event).unwrap();
        let handle = event["Records"][0]["receiptHandle"].take();
        assert_eq!(handle.as_str().unwrap().len(), 64);
        let expected = serde_json::json!({"Records": [{
            "messageId": "m-1",
            "receiptHandle": null,
            "body": "{\"eventID\":\"e-1\"}",
            "attributes": {
                "ApproximateReceiveCount": "2",
                "SentTimestamp": "1795183200000",
                "SequenceNumber": "00000000000000000007",
                "MessageGroupId": "CONV#1",
                "SenderId": SENDER,
                "MessageDeduplicationId": "e-1",
                "ApproximateFirstReceiveTimestamp": "1795183201000",
            },
            "messageAttributes": {},
            "md5OfBody": format!("{:x}", md5::compute(r#"{"eventID":"e-1"}"#)),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:Q",
            "awsRegion": "us-east-1",
        }]});
        assert_eq!(event, expected);
    }

    #[test]
    fn debug_shows_no_content() {
        let shown = format!("{:?}", message());
        assert!(!shown.contains("CONV") && !shown.contains("eventID") && shown.contains("m-1"), "{shown}");
    }
}
