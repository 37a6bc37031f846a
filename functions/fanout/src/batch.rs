//! A batch of stream records, read once into what the fan-out needs: borrowed texts, no generic JSON (perf.md 4).

use crate::news::{self, Item, News};
use domain::event::Event;
use domain::ids::ConnectionId;
use lambda_runtime::Error;
use serde::Deserialize;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use store::item::event_from_body;
use store::keys::{EVENT_PREFIX, EXCHANGE_PREFIX, HELLO};

/// What a batch asks for.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// New events, by conversation.
    pub(crate) groups: Vec<Group>,
    /// What was asked and answered, by chat.
    pub(crate) chats: Vec<News>,
    /// New connections.
    pub(crate) greetings: Vec<Greeting>,
    /// When the oldest record was written.
    pub(crate) oldest_millis: Option<i64>,
}

/// New events of one conversation: in order, each once.
#[derive(Debug)]
pub(crate) struct Group {
    /// The events; never empty.
    pub(crate) events: Vec<Event>,
    /// The lowest stream position among them, from which the stream repeats if this group fails.
    pub(crate) sequence_number: String,
    /// When the latest of them was written, to the second.
    pub(crate) written_millis: Option<i64>,
}

/// A connection that awaits its first frame.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) connection_id: ConnectionId,
    pub(crate) sequence_number: String,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, rename = "eventName")]
    event_name: Cow<'a, str>,
    #[serde(borrow)]
    dynamodb: Change<'a>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(rename = "ApproximateCreationDateTime")]
    created: Option<f64>,
    #[serde(borrow, rename = "Keys")]
    keys: Keys<'a>,
    #[serde(borrow, rename = "NewImage")]
    new_image: Option<Image<'a>>,
    #[serde(borrow, rename = "OldImage")]
    old_image: Option<Image<'a>>,
    #[serde(borrow, rename = "SequenceNumber")]
    sequence_number: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow)]
    sk: Text<'a>,
}

#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    connection_id: Option<Text<'a>>,
    #[serde(borrow)]
    question: Option<Text<'a>>,
    #[serde(borrow)]
    outcome: Option<Text<'a>>,
}

/// An attribute; `None` when it is no text, so that a foreign record spoils only itself.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow, rename = "S")]
    text: Option<Cow<'a, str>>,
}

/// Reads a batch. Records that are not new events, exchanges or connections, nor the end of an exchange, are passed over:
/// the filter of the event source keeps them away, but a filter is no guarantee.
pub(crate) fn read(json: &str) -> Result<Work, Error> {
    let batch: Batch<'_> = serde_json::from_str(json)?;
    let mut work = Work::default();
    let mut conversations: BTreeMap<(String, String), Told> = BTreeMap::new();
    let mut exchanges = Vec::new();
    for record in &batch.records {
        let (change, sequence_number) = (&record.dynamodb, record.dynamodb.sequence_number.as_ref());
        let Some(image) = &change.new_image else { continue };
        let sk = change.keys.sk.text.as_deref().unwrap_or_default();
        let is_exchange = sk.starts_with(EXCHANGE_PREFIX);
        match record.event_name.as_ref() {
            "INSERT" => {}
            "MODIFY" if is_exchange => {}
            _ => continue,
        }
        let written = millis(change.created);
        work.oldest_millis = [work.oldest_millis, written].into_iter().flatten().min();
        if let (true, Some(question)) = (is_exchange, text(image.question.as_ref())) {
            exchanges.push(Item {
                is_new: record.event_name == "INSERT",
                question,
                outcome: text(image.outcome.as_ref()),
                old_outcome: change.old_image.as_ref().and_then(|old| text(old.outcome.as_ref())),
                sequence_number,
            });
        } else if let (true, Some(body)) = (sk.starts_with(EVENT_PREFIX), text(image.body.as_ref())) {
            let Some(event) = event(body) else { continue };
            let key = (event.organization_id.to_string(), event.conversation_id.to_string());
            let events = conversations.entry(key).or_default();
            events.entry(event.seq).or_insert_with(|| (event, sequence_number.to_owned(), written));
        } else if let (HELLO, Some(id)) = (sk, text(image.connection_id.as_ref())) {
            let Ok(connection_id) = ConnectionId::parse(id) else { continue };
            work.greetings.push(Greeting { connection_id, sequence_number: sequence_number.to_owned() });
        }
    }
    work.groups = conversations.into_values().filter_map(group).collect();
    work.chats = news::of_batch(exchanges);
    Ok(work)
}

fn text<'a>(attribute: Option<&'a Text<'_>>) -> Option<&'a str> {
    attribute.and_then(|attribute| attribute.text.as_deref())
}

/// An event that this version cannot read would fail for ever; readers of the log will say so too.
fn event(body: &str) -> Option<Event> {
    event_from_body(body).inspect_err(|error| tracing::error!(%error, "an unreadable event is passed over")).ok()
}

/// Events by number, each with its position in the stream and when it was written.
type Told = BTreeMap<u64, (Event, String, Option<i64>)>;

fn group(events: Told) -> Option<Group> {
    let written_millis = events.values().filter_map(|(_, _, written)| *written).max();
    let (events, numbers): (Vec<Event>, Vec<String>) =
        events.into_values().map(|(event, number, _)| (event, number)).unzip();
    let sequence_number = numbers.into_iter().min_by(|a, b| in_stream_order(a, b))?;
    Some(Group { events, sequence_number, written_millis })
}

/// Positions are decimal numbers of up to 40 digits: the shorter is the lower.
pub(crate) fn in_stream_order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of this century")]
fn millis(seconds: Option<f64>) -> Option<i64> {
    seconds.map(|seconds| (seconds * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::conversation::{Conversation, Medium, NewConversation, Urgency};
    use domain::event::{EventBody, Speaker};
    use domain::ids::{ContactId, ConversationId, OrganizationId};
    use domain::phone::PhoneNumber;
    use domain::time::Timestamp;
    use serde_json::{Value, json};

    fn records(conversation: &str, count: u64) -> Vec<Value> {
        let at = Timestamp::from_millis(1_759_472_884_000);
        let new = NewConversation {
            contact_id: ContactId::parse("worker_1").unwrap(),
            phone: PhoneNumber::from_provider("+14155550100").unwrap(),
            medium: Medium::Sms,
            urgency: Urgency::Medium,
            started_at: at,
        };
        let id = ConversationId::parse(conversation).unwrap();
        let mut conversation = Conversation::begin(id, None, OrganizationId::parse("org").unwrap(), new);
        (1..=count)
            .map(|seq| {
                let body =
                    EventBody::Message { role: Speaker::Customer, text: "\"é\"".into(), sources: String::new() };
                let event = conversation.apply(body, at, seq);
                json!({"eventName": "INSERT", "dynamodb": {
                    "ApproximateCreationDateTime": 1.5,
                    "Keys": {"pk": {"S": "x"}, "sk": {"S": format!("M#{seq:012}")}},
                    "NewImage": {"body": {"S": serde_json::to_string(&event).unwrap()}, "etype": {"S": "event"}},
                    "SequenceNumber": (95 + seq).to_string(),
                }})
            })
            .collect()
    }

    fn seqs(work: &Work) -> Vec<Vec<u64>> {
        work.groups.iter().map(|group| group.events.iter().map(|event| event.seq).collect()).collect()
    }

    #[test]
    fn a_shuffled_and_doubled_batch_reads_like_the_plain_one() {
        let mut all = records("conv_a", 9);
        all.extend(records("conv_b", 2));
        let mut messy = all.clone();
        messy.extend(all);
        messy.reverse();
        let work = read(&json!({ "Records": messy }).to_string()).unwrap();
        assert_eq!(seqs(&work), [(1..=9).collect::<Vec<_>>(), vec![1, 2]]);
        assert_eq!(work.groups[0].sequence_number, "96", "the lowest number, not the lowest text");
        assert_eq!(work.oldest_millis, Some(1500));
    }

    #[test]
    fn what_is_not_new_is_passed_over() {
        let mut changed = records("conv_a", 1).remove(0);
        changed["eventName"] = json!("MODIFY");
        let broken = json!({"eventName": "INSERT", "dynamodb": {"Keys": {"sk": {"S": "M#1"}},
            "NewImage": {"body": {"S": "{}"}}, "SequenceNumber": "1"}});
        let foreign = json!({"eventName": "INSERT", "dynamodb": {"Keys": {"sk": {"S": "M#1"}},
            "NewImage": {"body": {"N": "1"}}, "SequenceNumber": "1"}});
        let removed =
            json!({"eventName": "REMOVE", "dynamodb": {"Keys": {"sk": {"S": "HELLO"}}, "SequenceNumber": "1"}});
        let hello = json!({"eventName": "INSERT", "dynamodb": {"Keys": {"sk": {"S": "HELLO"}},
            "NewImage": {"connection_id": {"S": "c1="}}, "SequenceNumber": "7"}});
        let work = read(&json!({"Records": [changed, broken, foreign, removed, hello]}).to_string()).unwrap();
        assert!(work.groups.is_empty());
        assert_eq!(work.greetings[0].connection_id.as_str(), "c1=");
    }
}
