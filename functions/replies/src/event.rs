//! The two events this function is invoked with, as far as it reads them.

use domain::event::Event;
use lambda_runtime::Error;
use serde::Deserialize;
use store::item::event_from_body;

/// Why the function runs.
pub(crate) enum Trigger {
    /// The queue has jobs.
    Jobs(Vec<Job>),
    /// A minute is over.
    Schedule,
}

/// One message of the queue.
pub(crate) struct Job {
    /// By which the queue knows it.
    pub(crate) message_id: String,
    /// How many times it was given, this time included.
    pub(crate) attempt: u32,
    /// The event it is about; `None` when the message is not one of the pipe's.
    pub(crate) event: Option<Event>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(rename = "Records", borrow, default)]
    records: Option<Vec<Message<'a>>>,
    #[serde(default)]
    source: Option<String>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "messageId")]
    message_id: &'a str,
    body: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(rename = "ApproximateReceiveCount")]
    receive_count: String,
}

/// The message's body: a record of the table's stream.
#[derive(Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "NewImage")]
    new_image: Image,
}

#[derive(Deserialize)]
struct Image {
    body: Text,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

/// Reads an invocation's event.
pub(crate) fn read(event: &str) -> Result<Trigger, Error> {
    let input: Input<'_> = serde_json::from_str(event)?;
    match (input.records, input.source.as_deref()) {
        (Some(messages), _) => Ok(Trigger::Jobs(messages.iter().map(job).collect())),
        (None, Some("aws.events")) => Ok(Trigger::Schedule),
        (None, _) => Err("neither a queue's messages nor a schedule's event".into()),
    }
}

fn job(message: &Message<'_>) -> Job {
    let record = serde_json::from_str::<Record>(&message.body).ok();
    Job {
        message_id: message.message_id.to_owned(),
        attempt: message.attributes.receive_count.parse().unwrap_or(1),
        event: record.and_then(|record| event_from_body(&record.dynamodb.new_image.body.text).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_no_record_is_a_job_without_an_event() {
        let event =
            r#"{"Records":[{"messageId":"m1","body":"nonsense","attributes":{"ApproximateReceiveCount":"2"}}]}"#;
        let Trigger::Jobs(jobs) = read(event).unwrap() else { panic!("no jobs") };
        assert_eq!((jobs[0].message_id.as_str(), jobs[0].attempt, jobs[0].event.is_none()), ("m1", 2, true));
        assert!(matches!(read(r#"{"source":"aws.events","detail":{}}"#), Ok(Trigger::Schedule)));
        assert!(read("{}").is_err() && read("[]").is_err());
    }
}
