//! Records of the embedded stream in the form of Lambda's stream events.

use bytes::Bytes;
use dynoxide::actions::get_records;
use serde_json::Value;

/// The largest event Lambda takes, less what stands around the records.
const MAX_PAYLOAD: usize = 6 * 1024 * 1024 - 1024;

/// One record, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Fixed width, so that text order is stream order.
    pub(super) sequence: String,
    /// The partition key as JSON.
    pub(super) partition: String,
    /// Seconds since 1970.
    pub(super) created: f64,
    /// The whole record as JSON.
    pub(super) json: String,
}

/// What is true of all records of a stream.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) arn: String,
    pub(super) hash_key: String,
}

impl Stream {
    /// The record as the event source mapping sends it: dynoxide has its own region and leaves out the stream's ARN.
    pub(super) fn event(&self, record: &get_records::Record) -> serde_json::Result<Value> {
        let mut event = serde_json::to_value(record)?;
        if let Value::Object(fields) = &mut event {
            fields.insert("awsRegion".to_owned(), "us-east-1".into());
            fields.insert("eventSourceARN".to_owned(), self.arn.as_str().into());
        }
        Ok(event)
    }

    pub(super) fn record(&self, record: &get_records::Record, event: &Value) -> Record {
        let key = event.pointer("/dynamodb/Keys").and_then(|keys| keys.get(&self.hash_key));
        Record {
            sequence: record.dynamodb.sequence_number.clone(),
            partition: key.map(Value::to_string).unwrap_or_default(),
            created: record.dynamodb.approximate_creation_date_time,
            json: event.to_string(),
        }
    }
}

/// `{"Records": [...]}`.
pub(super) fn payload(records: &[Record]) -> Bytes {
    let size = records.iter().map(|record| record.json.len() + 1).sum::<usize>();
    let mut payload = String::with_capacity(size + 16);
    payload.push_str(r#"{"Records":["#);
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            payload.push(',');
        }
        payload.push_str(&record.json);
    }
    payload.push_str("]}");
    Bytes::from(payload)
}

/// Cuts records into batches that Lambda would make: not more than `most` records, and not more than fits an event.
pub(super) fn batches(records: Vec<Record>, most: usize) -> Vec<Vec<Record>> {
    let mut batches: Vec<Vec<Record>> = Vec::new();
    let mut size = 0;
    for record in records {
        let added = record.json.len() + 1;
        match batches.last_mut() {
            Some(batch) if batch.len() < most && size + added <= MAX_PAYLOAD => {
                size += added;
                batch.push(record);
            }
            _ => {
                size = added;
                batches.push(vec![record]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: usize, size: usize) -> Record {
        let json = Value::from("x".repeat(size)).to_string();
        Record { sequence: sequence.to_string(), partition: String::new(), created: 0.0, json }
    }

    #[test]
    fn batches_keep_order_and_limits() {
        let sizes = |records: Vec<Record>, most| batches(records, most).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..7).map(|number| record(number, 1)).collect(), 3), [3, 3, 1]);
        let large = || (0..3).map(|number| record(number, 3 * 1024 * 1024)).collect();
        assert_eq!(sizes(large(), 100), [1, 1, 1]);
        let first = batches(large(), 100).remove(0);
        assert!(payload(&first).len() < 6 * 1024 * 1024);
    }

    #[test]
    fn records_look_like_those_of_the_event_source_mapping() {
        let stream = Stream { arn: crate::template::stream_arn("CoreTable"), hash_key: "pk".to_owned() };
        let record = get_records::Record {
            event_id: "1".to_owned(),
            event_name: "INSERT".to_owned(),
            event_version: "1.1".to_owned(),
            event_source: "aws:dynamodb".to_owned(),
            aws_region: "dynoxide".to_owned(),
            ..Default::default()
        };
        let event = stream.event(&record).unwrap();
        assert_eq!(event["awsRegion"], "us-east-1");
        assert_eq!(event["eventSource"], "aws:dynamodb");
        let arn = event["eventSourceARN"].as_str().unwrap();
        assert!(arn.starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/CoreTable/stream/"), "{arn}");
        assert!(event["dynamodb"]["ApproximateCreationDateTime"].is_f64());
        assert!(event["dynamodb"]["SizeBytes"].is_i64() || event["dynamodb"]["SizeBytes"].is_u64());
    }
}
