//! WebSocket connections: who is behind each, and which topics it reads.

use crate::error::StoreError;
use crate::item::{from_item, n, s, to_item};
use crate::keys;
use crate::subscriptions::Topic;
use crate::table::held;
use crate::{Store, now};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use domain::ids::ConnectionId;
use domain::time::Timestamp;
use domain::user::Principal;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// API Gateway ends a connection after two hours; the record may stay a little longer.
const CONNECTION_SECONDS: i64 = 2 * 3600 + 600;

/// The word left for the greeting is of no use for longer.
const GREETING_SECONDS: i64 = 300;

/// How far a connection's first frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Greeting {
    /// Nobody has seen to it.
    #[default]
    Due,
    /// Somebody is about to post it.
    Claimed,
    /// It was posted: other frames may follow.
    Sent,
}

/// A WebSocket connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// Which.
    pub id: ConnectionId,
    /// Who is behind it.
    pub principal: Principal,
    /// Since when.
    pub connected_at: Timestamp,
    /// How far its first frame, `connected`, is.
    #[serde(default)]
    pub greeting: Greeting,
    /// Keys of the topics it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Second at which the record ends.
    pub ttl: i64,
}

impl Connection {
    /// A connection that was just made.
    pub fn new(id: ConnectionId, principal: Principal, connected_at: Timestamp) -> Self {
        let ttl = connected_at.plus_seconds(CONNECTION_SECONDS).seconds();
        Self { id, principal, connected_at, greeting: Greeting::Due, topics: Vec::new(), ttl }
    }
}

impl Store {
    /// Keeps a new connection.
    pub async fn put_connection(&self, connection: &Connection) -> Result<(), StoreError> {
        let key = keys::connection(connection.id.as_str());
        self.put(self.ephemeral(), to_item(&key, "connection", connection)?).await
    }

    /// Leaves word that a connection awaits its first frame. `$connect` itself cannot send it: the connection stands only
    /// once that invocation has returned (L5). The record's way through the stream brings the fan-out to do it.
    pub async fn ask_for_greeting(&self, id: &ConnectionId) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Hello<'a> {
            connection_id: &'a ConnectionId,
            ttl: i64,
        }
        let hello = Hello { connection_id: id, ttl: now().plus_seconds(GREETING_SECONDS).seconds() };
        self.put(self.core(), to_item(&keys::hello(id.as_str()), "hello", &hello)?).await
    }

    /// A connection by id.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        let item = self.get(self.ephemeral(), &keys::connection(id.as_str())).await?;
        let connection: Option<Connection> = item.map(from_item).transpose()?;
        Ok(connection.filter(|connection| connection.ttl > now().seconds()))
    }

    /// Claims the posting of a connection's first frame. True for the first caller only.
    pub async fn claim_greeting(&self, id: &ConnectionId) -> Result<bool, StoreError> {
        let claim = self.set_greeting(id, "claimed");
        let claim = claim.condition_expression("greeting = :due").expression_attribute_values(":due", s("due"));
        held(claim.send().await)
    }

    /// Notes that the first frame was posted.
    pub async fn greeting_sent(&self, id: &ConnectionId) -> Result<(), StoreError> {
        let sent = self.set_greeting(id, "sent").condition_expression("attribute_exists(pk)");
        held(sent.send().await).map(|_| ())
    }

    fn set_greeting(&self, id: &ConnectionId, greeting: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(self.ephemeral())
            .set_key(Some(keys::connection(id.as_str()).attributes()))
            .update_expression("SET greeting = :greeting")
            .expression_attribute_values(":greeting", s(greeting))
    }

    /// Forgets a connection and its subscriptions.
    pub async fn remove_connection(&self, id: &ConnectionId) -> Result<(), StoreError> {
        let Some(item) = self.take(&keys::connection(id.as_str())).await? else { return Ok(()) };
        let connection: Connection = from_item(item)?;
        let org = &connection.principal.organization_id;
        let own = Topic::User(connection.principal.user_id.clone()).name();
        let topics = connection.topics.iter().map(String::as_str).chain([own.as_str()]);
        let keys: Vec<_> = topics.map(|topic| keys::subscription(org, topic, id.as_str())).collect();
        for chunk in keys.chunks(25) {
            self.delete_all(chunk).await?;
        }
        Ok(())
    }

    async fn delete_all(&self, keys: &[keys::Key]) -> Result<(), StoreError> {
        let mut writes = Vec::with_capacity(keys.len());
        for key in keys {
            let delete = DeleteRequest::builder()
                .set_key(Some(key.attributes()))
                .build()
                .map_err(|error| StoreError::Corrupt(Box::new(error)))?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        let mut left = HashMap::from([(self.ephemeral().to_owned(), writes)]);
        for attempt in 0..5_u32 {
            let output = self.client.batch_write_item().set_request_items(Some(left)).send().await?;
            left = output.unprocessed_items.unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
        }
        Err(StoreError::Conflict)
    }

    /// Adds a topic to a connection's record, at most `max` of them. False when the connection is gone or full.
    pub(crate) async fn add_topic(&self, id: &ConnectionId, topic: &str, max: u32) -> Result<bool, StoreError> {
        let result = self
            .change_topics(id, "ADD topics :topics", topic)
            .condition_expression(
                "attribute_exists(pk) AND \
                 (attribute_not_exists(topics) OR size(topics) < :max OR contains(topics, :topic))",
            )
            .expression_attribute_values(":topic", s(topic))
            .expression_attribute_values(":max", n(max))
            .send()
            .await;
        held(result)
    }

    /// Takes a topic off a connection's record.
    pub(crate) async fn remove_topic(&self, id: &ConnectionId, topic: &str) -> Result<(), StoreError> {
        let result = self
            .change_topics(id, "DELETE topics :topics", topic)
            .condition_expression("attribute_exists(pk)")
            .send()
            .await;
        held(result).map(|_| ())
    }

    fn change_topics(&self, id: &ConnectionId, expression: &str, topic: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(self.ephemeral())
            .set_key(Some(keys::connection(id.as_str()).attributes()))
            .update_expression(expression)
            .expression_attribute_values(":topics", AttributeValue::Ss(vec![topic.to_owned()]))
    }
}
