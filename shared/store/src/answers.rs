//! Answers that may be given again to the same question of the same organization (C12, G47).

use crate::error::StoreError;
use crate::item::{from_item, to_item};
use crate::{Tenant, keys, now};
use serde::{Deserialize, Serialize};

/// How long an answer may be given again.
const KEPT_SECONDS: i64 = 3600;

/// An answer that may be given again.
#[derive(Clone, Serialize, Deserialize)]
pub struct CachedAnswer {
    /// Its text.
    pub response: String,
    /// Which model gave it.
    pub model: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    answer: CachedAnswer,
    ttl: i64,
}

impl Tenant {
    /// The answer kept for this question.
    pub async fn cached_answer(&self, digest: &str) -> Result<Option<CachedAnswer>, StoreError> {
        let key = keys::cached_answer(&self.organization_id, digest);
        let item = self.store.get(self.store.ephemeral(), &key).await?;
        let record: Option<Record> = item.map(from_item).transpose()?;
        Ok(record.filter(|record| record.ttl > now().seconds()).map(|record| record.answer))
    }

    /// Keeps an answer for an hour.
    pub async fn put_cached_answer(&self, digest: &str, answer: CachedAnswer) -> Result<(), StoreError> {
        let key = keys::cached_answer(&self.organization_id, digest);
        let record = Record { answer, ttl: now().plus_seconds(KEPT_SECONDS).seconds() };
        self.store.put(self.store.ephemeral(), to_item(&key, "cached_answer", &record)?).await
    }
}
