//! Delivery of the text messages we sent: which event each is, and how far it got.
//!
//! Callbacks arrive in any order, doubled, and even before our own record of the message: a record is made by whoever
//! comes first, and a state is taken only when its rank is higher than the one before (protocols.md 1.6).

use crate::error::StoreError;
use crate::item::{from_item, n, s};
use crate::keys;
use crate::{Append, Appended, Tenant};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::event::EventBody;
use domain::ids::ConversationId;
use domain::sms::MessageStatus;
use domain::time::Timestamp;
use serde::Deserialize;

/// Which event a message is, once we have recorded it.
#[derive(Deserialize)]
struct Reference {
    conversation_id: Option<ConversationId>,
    seq: Option<u64>,
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

impl Tenant {
    /// Takes a status callback in.
    pub async fn sms_status(
        &self,
        provider_id: &str,
        status: MessageStatus,
        error_code: Option<u32>,
        at: Timestamp,
    ) -> Result<StatusChange, StoreError> {
        let Some(reference) = self.raise_status(provider_id, status, at).await? else {
            return Ok(StatusChange::Stale);
        };
        let Reference { conversation_id: Some(conversation_id), seq: Some(message_seq) } = reference else {
            return Ok(StatusChange::Unknown);
        };
        let body = EventBody::SmsStatus { provider_id: provider_id.to_owned(), message_seq, status, error_code };
        // The same state again passes the rank check, so that a crash between the two writes is healed by the
        // provider's retry; the marker makes the append happen once.
        let append = Append::new(vec![body], at).once("twilio-status", format!("{provider_id}:{}", status.as_str()));
        match self.append(&conversation_id, append).await? {
            Some(Appended::New { .. }) => Ok(StatusChange::Appended),
            Some(Appended::Duplicate { .. } | Appended::Refused(_)) => Ok(StatusChange::Stale),
            None => Ok(StatusChange::Unknown),
        }
    }

    async fn raise_status(
        &self,
        provider_id: &str,
        status: MessageStatus,
        at: Timestamp,
    ) -> Result<Option<Reference>, StoreError> {
        let history = AttributeValue::L(vec![s(format!("{} {}", at.iso(), status.as_str()))]);
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::outgoing(&self.organization_id, provider_id).attributes()))
            .update_expression(
                "SET #status = :status, #rank = :rank, etype = :etype, \
                 history = list_append(if_not_exists(history, :none), :entry)",
            )
            .condition_expression("attribute_not_exists(#rank) OR #rank < :rank OR #status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#rank", "rank")
            .expression_attribute_values(":status", s(status.as_str()))
            .expression_attribute_values(":rank", n(status.rank()))
            .expression_attribute_values(":etype", s("outgoing"))
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
