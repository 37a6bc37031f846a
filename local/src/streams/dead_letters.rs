//! What was given up: one file of JSON lines per queue, in the form Lambda sends to an on-failure destination. As on
//! AWS it names the records but does not hold them.

use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::record::Record;
use crate::files;
use crate::http::system;

/// Why a batch was given up, in Lambda's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

/// The batch that was given up.
pub(super) struct Failure<'a> {
    pub(super) function: &'a str,
    pub(super) stream_arn: &'a str,
    pub(super) shard: &'a str,
    pub(super) condition: Condition,
    pub(super) invocations: u32,
    pub(super) records: &'a [Record],
}

/// The dead-letter queues.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    folder: PathBuf,
}

impl DeadLetters {
    /// Keeps the queues in the data folder.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made.
    pub fn open(data_dir: &Path) -> std::io::Result<Self> {
        let folder = data_dir.join("dead-letters");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    pub(super) fn send(&self, queue: &str, failure: &Failure<'_>) -> std::io::Result<()> {
        let path = self.folder.join(format!("{queue}.jsonl"));
        files::append_line(&path, &failure.message().to_string())
    }

    /// All messages of all queues, newest first.
    fn list(&self) -> std::io::Result<Vec<Value>> {
        let mut messages = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let queue = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            for line in std::fs::read_to_string(&path)?.lines() {
                let message: Value = serde_json::from_str(line).unwrap_or_default();
                messages.push(json!({"queue": queue, "message": message}));
            }
        }
        let time = |entry: &Value| entry.pointer("/message/timestamp").map(Value::to_string);
        messages.sort_by_key(|entry| std::cmp::Reverse(time(entry)));
        Ok(messages)
    }
}

/// `GET /local/dead-letters`.
pub(crate) async fn list(State(dead_letters): State<DeadLetters>) -> Json<Vec<Value>> {
    let listed = tokio::task::spawn_blocking(move || dead_letters.list()).await;
    Json(listed.ok().and_then(Result::ok).unwrap_or_default())
}

impl Failure<'_> {
    fn message(&self) -> Value {
        let arrival = |record: Option<&Record>| record.map(|record| time(record.created));
        let sequence = |record: Option<&Record>| record.map(|record| record.sequence.clone());
        let (first, last) = (self.records.first(), self.records.last());
        let mut message = json!({
            "requestContext": {
                "requestId": system::uuid().to_string(),
                "functionArn": format!("arn:aws:lambda:us-east-1:000000000000:function:{}", self.function),
                "condition": format!("{:?}", self.condition),
                "approximateInvokeCount": self.invocations,
            },
            "version": "1.0",
            "timestamp": format!("{:.3}", Timestamp::now()),
            "DDBStreamBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": sequence(first),
                "endSequenceNumber": sequence(last),
                "approximateArrivalOfFirstRecord": arrival(first),
                "approximateArrivalOfLastRecord": arrival(last),
                "batchSize": self.records.len(),
                "streamArn": self.stream_arn,
            },
        });
        if let (Condition::RetryAttemptsExhausted, Value::Object(fields)) = (self.condition, &mut message) {
            let response = json!({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"});
            fields.insert("responseContext".to_owned(), response);
        }
        message
    }
}

fn time(seconds: f64) -> String {
    let time =
        jiff::SignedDuration::try_from_secs_f64(seconds).ok().and_then(|since| Timestamp::from_duration(since).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_lambda() {
        let folder = tempfile::tempdir().unwrap();
        let queues = DeadLetters::open(folder.path()).unwrap();
        let record = |sequence: &str| Record {
            sequence: sequence.to_owned(),
            partition: String::new(),
            created: 1_795_183_201.0,
            json: String::new(),
        };
        let records = [record("1"), record("2")];
        let failure = Failure {
            function: "fanout",
            stream_arn: "arn",
            shard: "shard",
            condition: Condition::RetryAttemptsExhausted,
            invocations: 6,
            records: &records,
        };
        queues.send("Queue", &failure).unwrap();
        let listed = queues.list().unwrap();
        assert_eq!(listed[0]["queue"], "Queue");
        let message = &listed[0]["message"];
        assert_eq!(message["requestContext"]["condition"], "RetryAttemptsExhausted");
        assert_eq!(message["requestContext"]["approximateInvokeCount"], 6);
        assert_eq!(message["responseContext"]["functionError"], "Unhandled");
        let info = &message["DDBStreamBatchInfo"];
        assert_eq!((&info["startSequenceNumber"], &info["endSequenceNumber"]), (&json!("1"), &json!("2")));
        assert_eq!(info["batchSize"], 2);
        assert_eq!(info["approximateArrivalOfFirstRecord"], "2026-11-20T14:00:01Z");
    }
}
