//! People's points: balances, what changed them, and what was used (C11, G6).
//!
//! A balance is `available + held`, and always the sum of the person's ledger: setting points aside moves them from one
//! to the other; only a grant and the end of an answer change the sum, each with its ledger entry in one transaction.

use crate::error::StoreError;
use crate::item::{Item, from_item, n, s, to_item};
use crate::keys;
use crate::table::{pause, put_new, update_action};
use crate::{Tenant, now};
use aws_sdk_dynamodb::types::Update;
use domain::ids::{ChatId, ExchangeId, UserId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Attempts of a transaction that meets others at the same records.
pub(crate) const ATTEMPTS: u32 = 100;
/// How long the name of a grant stands for it: somewhat longer than the answer to its request is kept.
const GRANT_SECONDS: i64 = 25 * 3600;

/// A person's points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// To be spent.
    pub available: u64,
    /// Set aside for answers under way.
    pub held: u64,
    /// Spent so far.
    #[serde(default)]
    pub spent: u64,
    /// Exchanges under way.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub running: BTreeSet<String>,
}

impl Balance {
    /// Available and held.
    pub fn total(&self) -> u64 {
        self.available + self.held
    }
}

/// Something that changed a balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// When.
    pub at: Timestamp,
    /// By how much; negative for what was spent.
    pub points: i64,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Why a balance changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// Points were given.
    Grant {
        /// By whom; nobody for those of the beginning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// An answer was paid.
    Answer {
        /// Of which exchange.
        exchange_id: ExchangeId,
        /// In which chat.
        chat_id: ChatId,
        /// Its tokens.
        tokens: u64,
    },
}

/// What a person used on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DayOfUse {
    /// The day in UTC, `20261121`.
    pub day: String,
    /// Who; empty in sums.
    pub user_id: String,
    /// Exchanges that ended.
    pub exchanges: u64,
    /// Of these: failed.
    pub failed: u64,
    /// Of these: from the cache.
    pub cached: u64,
    /// Tokens.
    pub tokens: u64,
    /// Points.
    pub points: u64,
    /// Sum of the response times, in milliseconds.
    pub response_ms: u64,
    /// Sum of the times to the first token, in milliseconds.
    pub first_token_ms: u64,
}

impl Tenant {
    /// A person's points, as of now; `None` before their first question.
    pub async fn points(&self, user: &UserId) -> Result<Option<Balance>, StoreError> {
        let key = keys::balance(&self.organization_id, user);
        self.store.get(self.store.core(), &key).await?.map(from_item).transpose()
    }

    /// A person's points, as of now. Those who have none yet get the organization's starting points.
    pub async fn balance(&self, user: &UserId, starting_points: u64) -> Result<Balance, StoreError> {
        let key = keys::balance(&self.organization_id, user);
        for attempt in 0..ATTEMPTS {
            if let Some(balance) = self.points(user).await? {
                return Ok(balance);
            }
            let balance = Balance { available: starting_points, ..Balance::default() };
            let cause = Cause::Grant { by: None, reason: String::new() };
            let entry = entry(i64::try_from(starting_points).unwrap_or(i64::MAX), cause);
            let actions = vec![
                put_new(self.store.core(), to_item(&key, "balance", &balance)?)?,
                self.ledger_item(user, "start", &entry)?,
            ];
            match self.store.all_or_nothing(actions).await {
                Ok(true) => return Ok(balance),
                // Somebody else was first, or is just now.
                Ok(false) | Err(StoreError::Conflict) => pause(attempt).await,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Gives points to a person who has a balance. `id` names the grant: within a day, a second one of that name changes
    /// nothing.
    pub async fn grant(
        &self,
        user: &UserId,
        points: u64,
        by: &UserId,
        reason: &str,
        id: &str,
    ) -> Result<Balance, StoreError> {
        let cause = Cause::Grant { by: Some(by.clone()), reason: reason.to_owned() };
        let entry = entry(i64::try_from(points).unwrap_or(i64::MAX), cause);
        let key = keys::balance(&self.organization_id, user);
        for attempt in 0..ATTEMPTS {
            let update = Update::builder()
                .table_name(self.store.core())
                .set_key(Some(key.attributes()))
                .update_expression("ADD available :points")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":points", n(points));
            let actions = vec![
                update_action(update)?,
                self.ledger_item(user, id, &entry)?,
                put_new(self.store.ephemeral(), self.grant_marker(user, id))?,
            ];
            match self.store.all_or_nothing(actions).await {
                Err(StoreError::Conflict) => pause(attempt).await,
                Err(error) => return Err(error),
                Ok(_) => {
                    let balance = self.points(user).await?;
                    return balance.ok_or_else(|| StoreError::corrupt("a grant without a balance"));
                }
            }
        }
        Err(StoreError::Conflict)
    }

    fn grant_marker(&self, user: &UserId, id: &str) -> Item {
        let key = keys::marker(&self.organization_id, "grant", &format!("{user}#{id}"));
        let mut item = key.attributes();
        item.insert("etype".to_owned(), s("marker"));
        item.insert("ttl".to_owned(), n(now().plus_seconds(GRANT_SECONDS).seconds()));
        item
    }

    /// The latest changes of a person's balance, the newest first.
    pub async fn ledger(&self, user: &UserId, limit: i32) -> Result<Vec<LedgerEntry>, StoreError> {
        let pk = keys::balance(&self.organization_id, user).pk;
        let output = self
            .store
            .client
            .query()
            .table_name(self.store.core())
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(pk))
            .expression_attribute_values(":prefix", s(keys::LEDGER_PREFIX))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(limit)
            .send()
            .await?;
        output.items.unwrap_or_default().into_iter().map(from_item).collect()
    }

    /// Everything that ever changed a person's balance.
    pub async fn whole_ledger(&self, user: &UserId) -> Result<Vec<LedgerEntry>, StoreError> {
        self.store.all(&keys::balance(&self.organization_id, user).pk, keys::LEDGER_PREFIX).await
    }

    /// What the organization's people used from one day (`20261101`) to another, both included.
    pub async fn use_by_day(&self, from: &str, to: &str) -> Result<Vec<DayOfUse>, StoreError> {
        let first = format!("{}{from}", keys::DAY_PREFIX);
        let last = format!("{}{to}~", keys::DAY_PREFIX);
        let (mut days, mut start) = (Vec::new(), None);
        loop {
            let output = self
                .store
                .client
                .query()
                .table_name(self.store.core())
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", s(keys::usage_of_month(&self.organization_id, "").pk))
                .expression_attribute_values(":first", s(&first))
                .expression_attribute_values(":last", s(&last))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in output.items.unwrap_or_default() {
                days.push(from_item(item)?);
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(days);
            }
        }
    }

    /// What one person used on these days, in any order; those without use are missing.
    pub async fn use_of(&self, user: &UserId, days: &[String]) -> Result<Vec<DayOfUse>, StoreError> {
        let key = |day: &String| keys::usage_of_day(&self.organization_id, day, user).attributes();
        let items = self.store.get_all(days.iter().map(key).collect()).await?;
        items.into_iter().map(from_item).collect()
    }

    /// Points of the month that are spent or set aside, as far as the organization has a limit.
    pub async fn points_of_month(&self, month: &str) -> Result<u64, StoreError> {
        #[derive(Deserialize)]
        struct Month {
            points: u64,
        }
        let key = keys::usage_of_month(&self.organization_id, month);
        let item = self.store.get(self.store.core(), &key).await?;
        let month: Option<Month> = item.map(from_item).transpose()?;
        Ok(month.map_or(0, |month| month.points))
    }

    pub(crate) fn ledger_item(
        &self,
        user: &UserId,
        id: &str,
        entry: &LedgerEntry,
    ) -> Result<aws_sdk_dynamodb::types::TransactWriteItem, StoreError> {
        let key = keys::ledger_entry(&self.organization_id, user, entry.at.millis(), id);
        put_new(self.store.core(), to_item(&key, "ledger_entry", entry)?)
    }
}

fn entry(points: i64, cause: Cause) -> LedgerEntry {
    LedgerEntry { at: now(), points, cause }
}
