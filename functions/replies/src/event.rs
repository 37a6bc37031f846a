//! The two events this function is invoked with, as far as it reads them.

use domain::event::Event;
use lambda_runtime::Error;
use runtime::queue;
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
struct Schedule<'a> {
    source: &'a str,
}

/// Reads an invocation's event.
pub(crate) fn read(event: &str) -> Result<Trigger, Error> {
    if let Some(messages) = queue::messages(event)? {
        return Ok(Trigger::Jobs(messages.into_iter().map(job).collect()));
    }
    match serde_json::from_str(event) {
        Ok(Schedule { source: "aws.events" }) => Ok(Trigger::Schedule),
        _ => Err("neither a queue's messages nor a schedule's event".into()),
    }
}

fn job(message: queue::Message) -> Job {
    let event = message.text("body").and_then(|body| event_from_body(body).ok());
    Job { message_id: message.id, attempt: message.attempt, event }
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
