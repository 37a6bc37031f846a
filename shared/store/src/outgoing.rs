//! Text messages of ours: recorded with their event, sent once, and how far each got.
//!
//! An event that says "sent" is appended together with a record of what is still to send. Whoever sends claims the record
//! first; it goes away when the provider has the message. A claim that grew old means that its sender died, maybe after
//! the provider took the message: then the provider is asked before anything is sent again.
//!
//! Callbacks arrive in any order, doubled, and even before our own record of the message: a record is made by whoever
//! comes first, and a state is taken only when its rank is higher than the one before (protocols.md 1.6).

use crate::error::StoreError;
use crate::item::{Item, from_item, n, s, to_item};
use crate::keys::{self, Key};
use crate::table::{held, put_new};
use crate::{Append, Appended, Store, Tenant};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use domain::event::{Actor, Event, EventBody};
use domain::ids::{ConversationId, OrganizationId};
use domain::phone::PhoneNumber;
use domain::sms::MessageStatus;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A text message that is not sent yet, as far as we know.
#[derive(Clone, Serialize, Deserialize)]
pub struct Outgoing {
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// In which conversation.
    pub conversation_id: ConversationId,
    /// Which event it is.
    pub seq: u64,
    /// From which number of ours.
    pub from: PhoneNumber,
    /// To whom.
    pub to: PhoneNumber,
    /// What.
    pub text: String,
    /// Of an answer of the AI: the epoch it belongs to. It is not sent in a later one (G4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When it was claimed, if anybody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// How many times it was claimed.
    #[serde(default)]
    pub attempts: u32,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({}, attempts {})", self.seq, self.attempts)
    }
}

/// Whether a caller may send a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody has tried.
    First,
    /// Somebody tried and did not say what came of it, the first time then.
    Again(Timestamp),
    /// Somebody else is at it.
    Held,
    /// It is sent, or given up.
    Settled,
}

/// Which event a message is, once we have recorded it.
#[derive(Deserialize)]
struct Reference {
    conversation_id: Option<ConversationId>,
    seq: Option<u64>,
    status: Option<MessageStatus>,
    error_code: Option<u32>,
}

/// What became of a status callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusChange {
    /// The message got further; viewers are told.
    Appended,
    /// It was at least this far already.
    Stale,
    /// No message of ours has this id yet; the state is kept for when one has.
    Unknown,
}

/// The record of an event's text message: what is still to send, or which event the provider's message is.
pub(crate) fn record(table: &str, event: &Event, epoch: u32) -> Result<Option<TransactWriteItem>, StoreError> {
    let Some(sent) = event.body.sent_text() else { return Ok(None) };
    let org = &event.organization_id;
    if let Some(provider_id) = sent.provider_id {
        return refer(table, &keys::outgoing(org, provider_id), &event.conversation_id, event.seq).map(Some);
    }
    let outgoing = Outgoing {
        organization_id: org.clone(),
        conversation_id: event.conversation_id.clone(),
        seq: event.seq,
        from: sent.from.clone(),
        to: event.phone.clone(),
        text: sent.text.to_owned(),
        epoch: (event.body.actor() == Actor::Assistant).then_some(epoch),
        recorded_at: event.at,
        claimed_at: None,
        attempts: 0,
    };
    let mut item = to_item(&keys::unsent(org, &event.conversation_id, event.seq), "unsent", &outgoing)?;
    item.insert("gsi1pk".to_owned(), s(keys::OUTBOX));
    let sort = keys::index_sort(event.at.millis(), &format!("{}#{}", event.conversation_id, event.seq));
    item.insert("gsi1sk".to_owned(), s(sort));
    put_new(table, item).map(Some)
}

fn refer(table: &str, key: &Key, id: &ConversationId, seq: u64) -> Result<TransactWriteItem, StoreError> {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(key.attributes()))
        .update_expression(REFER)
        .expression_attribute_values(":conversation", s(id.as_str()))
        .expression_attribute_values(":seq", n(seq))
        .expression_attribute_values(":etype", s("outgoing"))
        .build()
        .map_err(|error| StoreError::Corrupt(Box::new(error)))?;
    Ok(TransactWriteItem::builder().update(update).build())
}

const REFER: &str = "SET conversation_id = :conversation, seq = :seq, etype = :etype";

impl Tenant {
    /// The conversation's messages that are not sent yet, oldest first.
    pub async fn unsent(&self, id: &ConversationId) -> Result<Vec<Outgoing>, StoreError> {
        let (pk, prefix) = keys::unsent_of(&self.organization_id, id);
        self.store.all(&pk, prefix).await
    }

    /// Claims a message for sending. A claim older than `patience_seconds` is given to the next caller.
    pub async fn claim(&self, message: &Outgoing, now: Timestamp, patience_seconds: i64) -> Result<Claim, StoreError> {
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(self.unsent_key(message).attributes()))
            .update_expression(
                "SET claimed_at = :now, first_claim = if_not_exists(first_claim, :now) ADD attempts :one",
            )
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(claimed_at) OR claimed_at <= :before)",
            )
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":before", n(now.plus_seconds(-patience_seconds).millis()))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(output) => Ok(output.attributes.as_ref().and_then(first_claim).map_or(Claim::First, Claim::Again)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(if failed.item().is_some() { Claim::Held } else { Claim::Settled })
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Gives a claim back: the provider surely does not have the message.
    pub async fn release(&self, message: &Outgoing, claimed_at: Timestamp) -> Result<(), StoreError> {
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(self.unsent_key(message).attributes()))
            .update_expression("REMOVE claimed_at")
            .condition_expression("claimed_at = :mine")
            .expression_attribute_values(":mine", n(claimed_at.millis()))
            .send()
            .await;
        held(result).map(|_| ())
    }

    /// Which event the provider's message is, if we know it.
    pub async fn event_of_sms(&self, provider_id: &str) -> Result<Option<(ConversationId, u64)>, StoreError> {
        let key = keys::outgoing(&self.organization_id, provider_id);
        let Some(item) = self.store.get(self.store.core(), &key).await? else { return Ok(None) };
        let reference: Reference = from_item(item)?;
        Ok(reference.conversation_id.zip(reference.seq))
    }

    /// Notes that the provider has a message, under its id there. A state that a callback brought before is shown now.
    pub async fn sent(&self, message: &Outgoing, provider_id: &str, at: Timestamp) -> Result<(), StoreError> {
        let output = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::outgoing(&self.organization_id, provider_id).attributes()))
            .update_expression(REFER)
            .expression_attribute_values(":conversation", s(message.conversation_id.as_str()))
            .expression_attribute_values(":seq", n(message.seq))
            .expression_attribute_values(":etype", s("outgoing"))
            .return_values(ReturnValue::AllNew)
            .send()
            .await?;
        let reference: Reference = from_item(output.attributes.unwrap_or_default())?;
        if let Some(status) = reference.status {
            let news = News { provider_id, status, error_code: reference.error_code, at };
            self.tell(&message.conversation_id, message.seq, &news).await?;
        }
        self.settle(message).await
    }

    /// Notes that a message will never arrive: the provider refuses it, or we withdraw it.
    pub async fn refused(
        &self,
        message: &Outgoing,
        status: MessageStatus,
        error_code: Option<u32>,
        also: Option<EventBody>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut bodies = vec![EventBody::SmsStatus { provider_id: None, message_seq: message.seq, status, error_code }];
        bodies.extend(also);
        let marker = format!("{}:{}", message.conversation_id, message.seq);
        self.append(&message.conversation_id, Append::new(bodies, at).once("refused", marker)).await?;
        self.settle(message).await
    }

    async fn settle(&self, message: &Outgoing) -> Result<(), StoreError> {
        self.store
            .client
            .delete_item()
            .table_name(self.store.core())
            .set_key(Some(self.unsent_key(message).attributes()))
            .send()
            .await?;
        Ok(())
    }

    fn unsent_key(&self, message: &Outgoing) -> Key {
        keys::unsent(&self.organization_id, &message.conversation_id, message.seq)
    }

    /// Takes a status callback in.
    pub async fn sms_status(
        &self,
        provider_id: &str,
        status: MessageStatus,
        error_code: Option<u32>,
        at: Timestamp,
    ) -> Result<StatusChange, StoreError> {
        let news = News { provider_id, status, error_code, at };
        let Some(reference) = self.raise_status(&news).await? else { return Ok(StatusChange::Stale) };
        let Some((id, message_seq)) = reference.conversation_id.zip(reference.seq) else {
            return Ok(StatusChange::Unknown);
        };
        self.tell(&id, message_seq, &news).await
    }

    /// The same state again passes the rank check, so that a crash between the two writes is healed by the provider's
    /// retry; the marker makes the append happen once.
    async fn tell(&self, id: &ConversationId, message_seq: u64, news: &News<'_>) -> Result<StatusChange, StoreError> {
        let News { provider_id, status, error_code, at } = *news;
        let provider_id = Some(provider_id.to_owned());
        let marker = format!("{}:{}", news.provider_id, status.as_str());
        let body = EventBody::SmsStatus { provider_id, message_seq, status, error_code };
        match self.append(id, Append::new(vec![body], at).once("twilio-status", marker)).await? {
            Some(Appended::New { .. }) => Ok(StatusChange::Appended),
            Some(Appended::Duplicate { .. } | Appended::Refused(_)) => Ok(StatusChange::Stale),
            None => Ok(StatusChange::Unknown),
        }
    }

    async fn raise_status(&self, news: &News<'_>) -> Result<Option<Reference>, StoreError> {
        let history = AttributeValue::L(vec![s(format!("{} {}", news.at.iso(), news.status.as_str()))]);
        let error_code = news.error_code.map_or(AttributeValue::Null(true), n);
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::outgoing(&self.organization_id, news.provider_id).attributes()))
            .update_expression(
                "SET #status = :status, #rank = :rank, etype = :etype, error_code = :error, \
                 history = list_append(if_not_exists(history, :none), :entry)",
            )
            .condition_expression("attribute_not_exists(#rank) OR #rank < :rank OR #status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#rank", "rank")
            .expression_attribute_values(":status", s(news.status.as_str()))
            .expression_attribute_values(":rank", n(news.status.rank()))
            .expression_attribute_values(":etype", s("outgoing"))
            .expression_attribute_values(":error", error_code)
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":entry", history)
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match result {
            Ok(output) => from_item(output.attributes.unwrap_or_default()).map(Some),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }
}

impl Store {
    /// Messages recorded before `before` and not sent yet, of all organizations, oldest first.
    pub async fn outbox(&self, before: Timestamp, limit: i32) -> Result<Vec<Outgoing>, StoreError> {
        self.due(keys::OUTBOX, before, limit).await?.into_iter().map(from_item).collect()
    }
}

#[derive(Clone, Copy)]
struct News<'a> {
    provider_id: &'a str,
    status: MessageStatus,
    error_code: Option<u32>,
    at: Timestamp,
}

fn first_claim(old: &Item) -> Option<Timestamp> {
    // A claim that was given back leaves `first_claim` but no `claimed_at`.
    old.get("claimed_at")?;
    old.get("first_claim").and_then(|value| value.as_n().ok()?.parse().ok()).map(Timestamp::from_millis)
}
