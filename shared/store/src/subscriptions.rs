//! Which connections are told of what, and how a new reader catches up with no gap and no disorder.
//!
//! A subscription starts as [`SubscriptionState::CatchingUp`]. While it is, its `websocket` invocation posts the log
//! from the reader's cursor on, and the fan-out posts nothing: it leaves the number it would have posted in `pending`.
//! The catch-up ends by turning the subscription live at the number it reached, on the condition that nothing beyond
//! that number is pending; otherwise it reads on. An event beyond the number reached is therefore either pending before
//! the turn, which prevents it, or met live after it: each event is posted by exactly one side, in order.

use crate::error::StoreError;
use crate::item::{Item, from_item, n, s, to_item};
use crate::keys;
use crate::log::Thread;
use crate::table::held;
use crate::{Tenant, now};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use domain::ids::{ConnectionId, ContactId, ConversationId, UserId};
use domain::time::Timestamp;
use domain::user::Principal;
use serde::{Deserialize, Serialize};

/// Most topics one connection reads.
const MAX_TOPICS: u32 = 50;

/// Something a connection can read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A conversation's events.
    Conversation(ConversationId),
    /// A contact's events, over all their conversations.
    Contact(ContactId),
    /// One short frame per event of the whole organization.
    Inbox,
    /// A person's own connections: their chats are told there, and the end of their access finds them.
    User(UserId),
}

impl Topic {
    /// The topic's name in keys.
    pub fn name(&self) -> String {
        match self {
            Self::Conversation(id) => format!("conv:{id}"),
            Self::Contact(id) => format!("contact:{id}"),
            Self::Inbox => "inbox".to_owned(),
            Self::User(id) => format!("user:{id}"),
        }
    }

    /// The thread that is read, if the topic has one numbering.
    pub fn thread(&self) -> Option<Thread> {
        match self {
            Self::Conversation(id) => Some(Thread::Conversation(id.clone())),
            Self::Contact(id) => Some(Thread::Contact(id.clone())),
            Self::Inbox | Self::User(_) => None,
        }
    }
}

/// Who posts to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// The invocation that subscribed it.
    CatchingUp,
    /// The fan-out.
    Live,
}

/// One connection reading one topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subscription {
    /// Which connection.
    pub connection_id: ConnectionId,
    /// Who is behind it, for the access check at each delivery.
    pub principal: Principal,
    /// Since when the connection stands.
    pub connected_at: Timestamp,
    /// Who posts.
    pub state: SubscriptionState,
    /// Events up to this number have been posted.
    pub reached: u64,
    /// The latest number the fan-out left to the catch-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
    /// Whether answers are told as they come, word by word; only of a person's own connections.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tokens: bool,
    /// When it was subscribed.
    pub since: Timestamp,
    /// Second at which the record ends.
    pub ttl: i64,
}

impl Tenant {
    /// Subscribes a connection. `None` when the connection is gone or reads too many topics.
    pub async fn subscribe(
        &self,
        connection: &crate::Connection,
        topic: &Topic,
        reached: u64,
    ) -> Result<Option<Subscription>, StoreError> {
        let name = topic.name();
        let own = matches!(topic, Topic::User(_));
        if !own && !self.store.add_topic(&connection.id, &name, MAX_TOPICS).await? {
            return Ok(None);
        }
        let subscription = Subscription {
            connection_id: connection.id.clone(),
            principal: connection.principal.clone(),
            connected_at: connection.connected_at,
            state: if topic.thread().is_some() { SubscriptionState::CatchingUp } else { SubscriptionState::Live },
            reached,
            pending: None,
            tokens: false,
            since: now(),
            ttl: connection.ttl,
        };
        let key = keys::subscription(&self.organization_id, &name, connection.id.as_str());
        self.store.put(self.store.ephemeral(), to_item(&key, "subscription", &subscription)?).await?;
        // A connection that was forgotten between the two writes has not taken this record with it.
        if !own && self.store.connection(&connection.id).await?.is_none() {
            self.store.take(&key).await?;
            return Ok(None);
        }
        Ok(Some(subscription))
    }

    /// Ends a subscription.
    pub async fn unsubscribe(&self, topic: &Topic, connection: &ConnectionId) -> Result<(), StoreError> {
        let key = keys::subscription(&self.organization_id, &topic.name(), connection.as_str());
        self.store.take(&key).await?;
        self.store.remove_topic(connection, &topic.name()).await
    }

    /// Turns a subscription live at `reached`. False when the log has to be read on first; an error-free true also
    /// when the subscription has ended meanwhile.
    pub async fn go_live(&self, topic: &Topic, connection: &ConnectionId, reached: u64) -> Result<bool, StoreError> {
        let result = self
            .update(topic, connection)
            .update_expression("SET #state = :live, reached = :reached REMOVE pending")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(pending) OR pending <= :reached)")
            .expression_attribute_values(":live", s("live"))
            .expression_attribute_values(":reached", n(reached))
            .send()
            .await;
        match condition_failed(result)? {
            Outcome::Done => Ok(true),
            Outcome::Failed(old) => Ok(old.is_none()),
        }
    }

    /// Leaves an event to the catch-up of a subscription that was seen catching up. Gives the subscription back when
    /// it is live by now, so that the caller posts; `None` when the event is left or the subscription has ended.
    pub async fn leave_pending(
        &self,
        topic: &Topic,
        connection: &ConnectionId,
        seq: u64,
    ) -> Result<Option<Subscription>, StoreError> {
        let result = self
            .update(topic, connection)
            .update_expression("SET pending = :seq")
            .condition_expression("#state = :catching_up AND (attribute_not_exists(pending) OR pending < :seq)")
            .expression_attribute_values(":catching_up", s("catching_up"))
            .expression_attribute_values(":seq", n(seq))
            .send()
            .await;
        match condition_failed(result)? {
            Outcome::Done | Outcome::Failed(None) => Ok(None),
            Outcome::Failed(Some(old)) => {
                let subscription: Subscription = from_item(old)?;
                Ok((subscription.state == SubscriptionState::Live).then_some(subscription))
            }
        }
    }

    /// From now on a person's connection is told their answers word by word. A connection that is gone stays so.
    pub async fn wish_tokens(&self, person: &UserId, connection: &ConnectionId) -> Result<(), StoreError> {
        let topic = Topic::User(person.clone());
        let wish = self
            .subscription(&topic, connection)
            .update_expression("SET #tokens = :yes")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#tokens", "tokens")
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        held(wish.send().await).map(|_| ())
    }

    fn subscription(&self, topic: &Topic, connection: &ConnectionId) -> UpdateItemFluentBuilder {
        let key = keys::subscription(&self.organization_id, &topic.name(), connection.as_str());
        self.store.client.update_item().table_name(self.store.ephemeral()).set_key(Some(key.attributes()))
    }

    fn update(&self, topic: &Topic, connection: &ConnectionId) -> UpdateItemFluentBuilder {
        self.subscription(topic, connection)
            .expression_attribute_names("#state", "state")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Everybody who reads a topic, as of now.
    pub async fn subscribers(&self, topic: &Topic) -> Result<Vec<Subscription>, StoreError> {
        let mut subscribers = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let output = self
                .store
                .client
                .query()
                .table_name(self.store.ephemeral())
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", s(keys::topic_pk(&self.organization_id, &topic.name())))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in output.items.unwrap_or_default() {
                subscribers.push(from_item::<Subscription>(item)?);
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                let now = now().seconds();
                subscribers.retain(|subscription| subscription.ttl > now);
                return Ok(subscribers);
            }
        }
    }
}

enum Outcome {
    Done,
    Failed(Option<Item>),
}

fn condition_failed<T, R>(
    result: Result<T, aws_sdk_dynamodb::error::SdkError<UpdateItemError, R>>,
) -> Result<Outcome, StoreError>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Outcome::Failed(failed.item().cloned()))
            }
            _ => Err(error.into()),
        },
    }
}
