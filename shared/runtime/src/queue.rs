//! Messages of a queue that a pipe fills with records of the table's stream.

use serde::Deserialize;
use std::collections::BTreeMap;

/// One message.
#[derive(Debug)]
pub struct Message {
    /// By which the queue knows it.
    pub id: String,
    /// How many times it was given, this time included.
    pub attempt: u32,
    /// The record's new image; `None` when the message is not one of the pipe's.
    image: Option<BTreeMap<String, Attribute>>,
}

impl Message {
    /// A text attribute of the record's item.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.image.as_ref()?.get(attribute)?.text.as_deref()
    }
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(rename = "Records", borrow, default)]
    records: Option<Vec<Received<'a>>>,
}

#[derive(Deserialize)]
struct Received<'a> {
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

/// The message's body.
#[derive(Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "NewImage")]
    new_image: BTreeMap<String, Attribute>,
}

/// An attribute; `None` when it is no text.
#[derive(Debug, Deserialize)]
struct Attribute {
    #[serde(rename = "S", default)]
    text: Option<String>,
}

/// The messages of an invocation's event; `None` when it has none, as that of a schedule.
pub fn messages(event: &str) -> serde_json::Result<Option<Vec<Message>>> {
    let input: Input<'_> = serde_json::from_str(event)?;
    Ok(input.records.map(|messages| messages.iter().map(message).collect()))
}

fn message(received: &Received<'_>) -> Message {
    let record = serde_json::from_str::<Record>(&received.body).ok();
    Message {
        id: received.message_id.to_owned(),
        attempt: received.attributes.receive_count.parse().unwrap_or(1),
        image: record.map(|record| record.dynamodb.new_image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_gives_the_texts_of_its_record() {
        let record = json!({"eventName": "INSERT", "dynamodb": {"NewImage": {
            "body": {"S": "{\"a\":1}"}, "v": {"N": "1"}, "set": {"SS": ["x"]},
        }}});
        let event = json!({"Records": [
            {"messageId": "m1", "body": record.to_string(), "attributes": {"ApproximateReceiveCount": "2"}},
            {"messageId": "m2", "body": "nonsense", "attributes": {"ApproximateReceiveCount": "1"}},
        ]});
        let messages = messages(&event.to_string()).unwrap().unwrap();
        assert_eq!((messages[0].id.as_str(), messages[0].attempt), ("m1", 2));
        assert_eq!((messages[0].text("body"), messages[0].text("v")), (Some("{\"a\":1}"), None));
        assert_eq!((messages[1].text("body"), messages[1].text("nothing")), (None, None));
    }

    #[test]
    fn an_event_without_messages_is_something_else() {
        assert!(messages(r#"{"source":"aws.events","detail":{}}"#).unwrap().is_none());
        assert!(messages(r#"{"Records":[{}]}"#).is_err() && messages("nonsense").is_err());
    }
}
