//! Limits, locks and answers kept for a repeated request.

use crate::error::StoreError;
use crate::item::{Item, from_item, n, s, to_item};
use crate::table::held;
use crate::{Store, Tenant, keys, now};
use serde::{Deserialize, Serialize};

/// So many of something in a window of time.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Of what; part of the counter's key.
    pub what: &'static str,
    /// How many.
    pub max: u32,
    /// In how long.
    pub seconds: i64,
}

impl Limit {
    /// Seconds from `now`, in seconds too, until the window ends: at least one.
    pub fn rest(&self, now: i64) -> u32 {
        let window = self.seconds.max(1);
        u32::try_from(window - now.rem_euclid(window)).unwrap_or(1)
    }
}

impl Store {
    /// Counts one more; when the window is full, the seconds until the next one.
    pub async fn exceeded(&self, limit: &Limit, who: &str) -> Result<Option<u32>, StoreError> {
        if self.count(limit.what, who, limit.max, limit.seconds).await? {
            return Ok(None);
        }
        Ok(Some(limit.rest(now().seconds())))
    }
}

/// What is known of a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once {
    /// It is new, and the caller's to do.
    Begun,
    /// It is being done.
    Running,
    /// It was done, with this answer.
    Done(String),
    /// The key was used for another request.
    Different,
}

#[derive(Serialize, Deserialize)]
struct OnceRecord {
    /// What was asked, so that the key cannot stand for something else.
    request: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    ttl: i64,
}

impl Tenant {
    /// Begins a request under its idempotency key. A beginning that never ended frees the key after `patience_seconds`.
    pub async fn begin_once(
        &self,
        route: &str,
        key: &str,
        request: &str,
        patience_seconds: i64,
    ) -> Result<Once, StoreError> {
        let key = keys::once(&self.organization_id, route, key);
        let record = OnceRecord {
            request: request.to_owned(),
            answer: None,
            ttl: now().plus_seconds(patience_seconds).seconds(),
        };
        if self.take_free(to_item(&key, "once", &record)?).await? {
            return Ok(Once::Begun);
        }
        let Some(item) = self.store.get(self.store.ephemeral(), &key).await? else { return Ok(Once::Running) };
        let known: OnceRecord = from_item(item)?;
        Ok(match known.answer {
            _ if known.request != request => Once::Different,
            Some(answer) => Once::Done(answer),
            None => Once::Running,
        })
    }

    /// Keeps the answer of a request for a day.
    pub async fn end_once(&self, route: &str, key: &str, request: &str, answer: String) -> Result<(), StoreError> {
        let record =
            OnceRecord { request: request.to_owned(), answer: Some(answer), ttl: now().plus_seconds(86_400).seconds() };
        let item = to_item(&keys::once(&self.organization_id, route, key), "once", &record)?;
        self.store.put(self.store.ephemeral(), item).await
    }

    /// Forgets a request that came to nothing, so that it may be tried again.
    pub async fn forget_once(&self, route: &str, key: &str) -> Result<(), StoreError> {
        self.store.take(&keys::once(&self.organization_id, route, key)).await.map(|_| ())
    }

    /// Takes a lock for at most so many seconds. False when somebody else has it.
    pub async fn lock(&self, what: &str, who: &str, seconds: i64) -> Result<bool, StoreError> {
        let mut item = keys::lock(&self.organization_id, what, who).attributes();
        item.insert("etype".to_owned(), s("lock"));
        item.insert("ttl".to_owned(), n(now().plus_seconds(seconds).seconds()));
        self.take_free(item).await
    }

    /// Gives a lock back.
    pub async fn unlock(&self, what: &str, who: &str) -> Result<(), StoreError> {
        self.store.take(&keys::lock(&self.organization_id, what, who)).await.map(|_| ())
    }

    async fn take_free(&self, item: Item) -> Result<bool, StoreError> {
        let result = self
            .store
            .client
            .put_item()
            .table_name(self.store.ephemeral())
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", n(now().seconds()))
            .send()
            .await;
        held(result)
    }
}
