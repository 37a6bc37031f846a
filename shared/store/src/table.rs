//! The few ways in which all repositories touch the tables.

use crate::Store;
use crate::error::StoreError;
use crate::item::{Item, from_item, s};
use crate::keys::{self, Key};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{CancellationReason, KeysAndAttributes, Put, ReturnValue, TransactWriteItem};
use domain::time::Timestamp;
use serde::de::DeserializeOwned;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Keys that one BatchGetItem takes.
const BATCH: usize = 100;

impl Store {
    /// Reads one item, as of now.
    pub(crate) async fn get(&self, table: &str, key: &Key) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(table)
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .send()
            .await?;
        Ok(output.item)
    }

    /// Reads the items of many keys of `core`, as of now; those that exist come in any order.
    pub(crate) async fn get_all(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(BATCH) {
            let mut left = chunk.to_vec();
            while !left.is_empty() {
                let request = self.client.batch_get_item().request_items(self.core(), consistent(left)?);
                let output = request.send().await?;
                found.extend(output.responses.unwrap_or_default().into_values().flatten());
                left = output.unprocessed_keys.unwrap_or_default().into_values().flat_map(|keys| keys.keys).collect();
            }
        }
        Ok(found)
    }

    /// Every record of a partition under a prefix, in the order of their keys.
    pub(crate) async fn all<T: DeserializeOwned>(&self, pk: &str, prefix: &str) -> Result<Vec<T>, StoreError> {
        let mut records = Vec::new();
        let mut start = None;
        loop {
            let output = self
                .client
                .query()
                .table_name(self.core())
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", s(pk))
                .expression_attribute_values(":prefix", s(prefix))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in output.items.unwrap_or_default() {
                records.push(from_item(item)?);
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(records);
            }
        }
    }

    /// The items of an index partition whose time has come, the oldest, in any order.
    pub(crate) async fn due(&self, partition: &str, now: Timestamp, limit: i32) -> Result<Vec<Item>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(self.core())
            .index_name(keys::INDEX)
            .key_condition_expression("gsi1pk = :partition AND gsi1sk < :now")
            .expression_attribute_values(":partition", s(partition))
            .expression_attribute_values(":now", s(keys::index_sort(now.millis(), "~")))
            .limit(limit)
            .send()
            .await?;
        let key = |item: Item| item.into_iter().filter(|(name, _)| matches!(name.as_str(), "pk" | "sk")).collect();
        self.get_all(output.items.unwrap_or_default().into_iter().map(key).collect()).await
    }

    /// Writes one item over whatever is there.
    pub(crate) async fn put(&self, table: &str, item: Item) -> Result<(), StoreError> {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Deletes an item of `ephemeral`; of many callers at once only one gets it.
    pub(crate) async fn take(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .delete_item()
            .table_name(self.ephemeral())
            .set_key(Some(key.attributes()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await?;
        Ok(output.attributes)
    }

    /// Writes a transaction. False when a condition of it does not hold.
    pub(crate) async fn all_or_nothing(&self, actions: Vec<TransactWriteItem>) -> Result<bool, StoreError> {
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(actions)).send().await else {
            return Ok(true);
        };
        match cancellation(&error) {
            Some(reasons) if reasons.iter().any(|reason| reason.code() == Some("ConditionalCheckFailed")) => Ok(false),
            Some(_) => Err(StoreError::Conflict),
            None => Err(error.into()),
        }
    }
}

/// A strongly consistent read of keys.
pub(crate) fn consistent(keys: Vec<Item>) -> Result<KeysAndAttributes, StoreError> {
    KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .consistent_read(true)
        .build()
        .map_err(|error| StoreError::Corrupt(Box::new(error)))
}

/// False when a write's condition did not hold.
pub(crate) fn held<T, E, R>(result: Result<T, SdkError<E, R>>) -> Result<bool, StoreError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            Some("ConditionalCheckFailedException") => Ok(false),
            _ => Err(error.into()),
        },
    }
}

/// A put as part of a transaction.
pub(crate) fn action(put: PutBuilder) -> Result<TransactWriteItem, StoreError> {
    let put: Put = put.build().map_err(|error| StoreError::Corrupt(Box::new(error)))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// A change of an item as part of a transaction.
pub(crate) fn update_action(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(|error| StoreError::Corrupt(Box::new(error)))?;
    Ok(TransactWriteItem::builder().update(update).build())
}

/// A put that must not replace anything.
pub(crate) fn put_new(table: &str, item: Item) -> Result<TransactWriteItem, StoreError> {
    action(Put::builder().table_name(table).set_item(Some(item)).condition_expression("attribute_not_exists(pk)"))
}

/// Why a transaction was cancelled, action by action; `None` when it failed otherwise.
pub(crate) fn cancellation<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => Some(canceled.cancellation_reasons()),
        _ => None,
    }
}

/// Whether an action of a transaction failed because others were at the same items.
pub(crate) fn is_busy(reason: &CancellationReason) -> bool {
    matches!(reason.code(), Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"))
}

/// Waits a little longer after each attempt. The spread is the chance by which the standard library seeds its hash maps.
pub(crate) async fn pause(attempt: u32) {
    let ceiling = 2_u64.pow(attempt.min(6));
    let spread = RandomState::new().build_hasher().finish() % (ceiling + 1);
    tokio::time::sleep(Duration::from_millis(spread)).await;
}
