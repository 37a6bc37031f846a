//! Records as items and back. Every item has `etype` and `v`, the version of its shape.

use crate::error::StoreError;
use crate::keys::Key;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::chat::Exchange;
use domain::event::Event;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::HashMap;

pub(crate) type Item = HashMap<String, AttributeValue>;

const VERSION: &str = "1";

/// A record under its key.
pub(crate) fn to_item<T: Serialize>(key: &Key, etype: &str, record: &T) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(record)?;
    item.extend(key.attributes());
    item.insert("etype".to_owned(), s(etype));
    item.insert("v".to_owned(), AttributeValue::N(VERSION.to_owned()));
    Ok(item)
}

/// The record of an item.
pub(crate) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}

/// An event's item. The event itself is one JSON text in `body`, written and read by one codec here, in the stream
/// ([`event_from_body`]) and in tests; beside it stand only the attributes that keys and filters need.
pub(crate) fn event_item(key: &Key, event: &Event) -> Result<Item, StoreError> {
    let mut item = key.attributes();
    item.insert("etype".to_owned(), s("event"));
    item.insert("v".to_owned(), AttributeValue::N(VERSION.to_owned()));
    item.insert("kind".to_owned(), s(event.body.kind()));
    item.insert("body".to_owned(), AttributeValue::S(serde_json::to_string(event)?));
    Ok(item)
}

/// The event in an item's `body`.
pub fn event_from_body(body: &str) -> Result<Event, StoreError> {
    Ok(serde_json::from_str(body)?)
}

/// The event of an item.
pub(crate) fn event_from_item(item: &Item) -> Result<Event, StoreError> {
    let body = item.get("body").and_then(|value| value.as_s().ok());
    event_from_body(body.ok_or_else(|| StoreError::corrupt("an event without a body"))?)
}

/// The exchange in an item's `question` and `outcome`.
pub fn exchange_from_texts(question: &str, outcome: Option<&str>) -> Result<Exchange, StoreError> {
    Ok(Exchange { question: serde_json::from_str(question)?, outcome: outcome.map(serde_json::from_str).transpose()? })
}

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}
