//! Answers under way: who makes one, what there is of it, and the wish to stop it.
//!
//! The maker saves the answer's tokens in batches, several a second, and with each save learns whether it is to stop and
//! extends its lease. A reader follows the batches; when the lease is over and the answer is not, its maker is gone.

use crate::error::StoreError;
use crate::item::{Item, from_item, n, s, to_item};
use crate::keys;
use crate::table::{action, held, put_new, update_action};
use crate::{Tenant, now};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem, Update};
use domain::chat::Question;
use domain::ids::ExchangeId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How long what there is of an answer is kept for readers that come back.
const KEPT_SECONDS: i64 = 24 * 3600;
/// An answer that waits in the queue for so long is not made any more.
const QUEUED_SECONDS: i64 = 15 * 60;

/// An answer under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Who makes it; nobody while it waits in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when the maker is believed to be alive.
    pub lease_until: Timestamp,
    /// Number of its latest saved token.
    #[serde(default)]
    pub tokens: u64,
    /// Whether it is to stop.
    #[serde(default)]
    pub stop: bool,
    /// Whether it is over.
    #[serde(default)]
    pub over: bool,
    ttl: i64,
}

/// Neighbouring tokens of an answer.
#[derive(Clone, Serialize, Deserialize)]
pub struct Batch {
    /// Number of the first.
    pub first: u64,
    /// When they came.
    pub at: Timestamp,
    /// Their texts.
    pub tokens: Vec<String>,
}

impl Batch {
    /// Number of the last token.
    pub fn last(&self) -> u64 {
        self.first + u64::try_from(self.tokens.len()).unwrap_or(0).saturating_sub(1)
    }

    /// What of it begins at a token. A save that seemed to fail comes again with more: batches may overlap.
    fn from(mut self, token: u64) -> Option<Self> {
        let known = usize::try_from(token.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let tokens = self.tokens.split_off(known.min(self.tokens.len()));
        (!tokens.is_empty()).then_some(Self { first: token, tokens, ..self })
    }
}

/// What a maker learns when it saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Go on.
    GoOn,
    /// Somebody wishes the answer to stop.
    Stop,
    /// The answer is somebody else's by now, or over.
    Lost,
}

/// Who makes an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Whoever writes this, under this name, for so long without a sign of life.
    Here(String, i64),
    /// Whoever gets it from the chat queue.
    Queue,
}

impl Run {
    /// Whether its maker is gone.
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        !self.over && self.lease_until < now
    }
}

impl Tenant {
    /// An answer under way, or over for less than a day.
    pub async fn run(&self, id: &ExchangeId) -> Result<Option<Run>, StoreError> {
        let key = keys::run(&self.organization_id, id);
        self.store.get(self.store.ephemeral(), &key).await?.map(from_item).transpose()
    }

    /// Takes an answer from the queue. False when somebody makes it, or it was begun: a part of it may have been seen.
    pub async fn claim_run(&self, id: &ExchangeId, owner: &str, lease_seconds: i64) -> Result<bool, StoreError> {
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.ephemeral())
            .set_key(Some(keys::run(&self.organization_id, id).attributes()))
            .update_expression("SET #owner = :owner, lease_until = :lease")
            .condition_expression(
                "attribute_exists(pk) AND #over = :no AND #tokens = :none \
                 AND (attribute_not_exists(#owner) OR lease_until < :now)",
            )
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#over", "over")
            .expression_attribute_names("#tokens", "tokens")
            .expression_attribute_values(":owner", s(owner))
            .expression_attribute_values(":lease", n(now().plus_seconds(lease_seconds).millis()))
            .expression_attribute_values(":now", n(now().millis()))
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .expression_attribute_values(":none", n(0))
            .send()
            .await;
        held(result)
    }

    /// Keeps a batch, extends the lease, and tells whether to go on.
    pub async fn save_run(
        &self,
        id: &ExchangeId,
        owner: &str,
        lease_seconds: i64,
        batch: Option<&Batch>,
    ) -> Result<Saved, StoreError> {
        let mut update = self
            .store
            .client
            .update_item()
            .table_name(self.store.ephemeral())
            .set_key(Some(keys::run(&self.organization_id, id).attributes()))
            .condition_expression("#owner = :owner AND #over = :no")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#over", "over")
            .expression_attribute_values(":owner", s(owner))
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .expression_attribute_values(":lease", n(now().plus_seconds(lease_seconds).millis()))
            .return_values(ReturnValue::AllNew);
        update = match batch {
            Some(batch) => update
                .update_expression("SET lease_until = :lease, #tokens = :tokens")
                .expression_attribute_names("#tokens", "tokens")
                .expression_attribute_values(":tokens", n(batch.last())),
            None => update.update_expression("SET lease_until = :lease"),
        };
        let run: Run = match update.send().await {
            Ok(output) => from_item(output.attributes.unwrap_or_default())?,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Ok(Saved::Lost),
                _ => return Err(error.into()),
            },
        };
        // Only now: what somebody writes whose answer is another one's must never be among that one's tokens.
        if let Some(batch) = batch {
            self.store.put(self.store.ephemeral(), self.batch_item(id, batch)?).await?;
        }
        Ok(if run.stop { Saved::Stop } else { Saved::GoOn })
    }

    /// The saved tokens after a token, each once and in order, up to the first that is not saved.
    pub async fn batches(&self, id: &ExchangeId, after: u64) -> Result<Vec<Batch>, StoreError> {
        let first = keys::run_batch(&self.organization_id, id, after + 1);
        let (mut batches, mut start) = (Vec::<Batch>::new(), None);
        let mut next = after + 1;
        loop {
            let output = self
                .store
                .client
                .query()
                .table_name(self.store.ephemeral())
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", s(&first.pk))
                .expression_attribute_values(":first", s(&first.sk))
                .expression_attribute_values(":last", s(format!("{}~", keys::BATCH_PREFIX)))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in output.items.unwrap_or_default() {
                let batch: Batch = from_item(item)?;
                if batch.first > next {
                    return Ok(batches);
                }
                if let Some(batch) = batch.from(next) {
                    next = batch.last() + 1;
                    batches.push(batch);
                }
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(batches);
            }
        }
    }

    /// Wishes an answer to stop. False when it is over.
    pub async fn stop_run(&self, id: &ExchangeId) -> Result<bool, StoreError> {
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.ephemeral())
            .set_key(Some(keys::run(&self.organization_id, id).attributes()))
            .update_expression("SET #stop = :yes")
            .condition_expression("#over = :no")
            .expression_attribute_names("#stop", "stop")
            .expression_attribute_names("#over", "over")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .send()
            .await;
        held(result)
    }

    fn batch_item(&self, id: &ExchangeId, batch: &Batch) -> Result<Item, StoreError> {
        let mut item = to_item(&keys::run_batch(&self.organization_id, id, batch.last()), "batch", batch)?;
        item.insert("ttl".to_owned(), n(now().plus_seconds(KEPT_SECONDS).seconds()));
        Ok(item)
    }

    /// A new answer, as part of the transaction that keeps its question. For the queue's sake the question is kept beside it
    /// once more, marked: the pipe takes it from the stream of this table, because that of the other has its two readers.
    pub(crate) fn begin_run(&self, question: &Question, maker: &Maker) -> Result<Vec<TransactWriteItem>, StoreError> {
        let (owner, lease) = match maker {
            Maker::Here(owner, seconds) => (Some(owner.clone()), *seconds),
            Maker::Queue => (None, QUEUED_SECONDS),
        };
        let run = Run {
            owner,
            lease_until: now().plus_seconds(lease),
            tokens: 0,
            stop: false,
            over: false,
            ttl: now().plus_seconds(KEPT_SECONDS).seconds(),
        };
        let table = self.store.ephemeral();
        let mut actions = vec![put_new(table, to_item(&keys::run(&self.organization_id, &question.id), "run", &run)?)?];
        if *maker == Maker::Queue {
            actions.push(put_new(table, self.job_item(question)?)?);
        }
        Ok(actions)
    }

    /// An item of its own: the run is written several times a second, and DynamoDB charges for the whole item.
    fn job_item(&self, question: &Question) -> Result<Item, StoreError> {
        let mut item = keys::run_job(&self.organization_id, &question.id).attributes();
        item.insert("etype".to_owned(), s("job"));
        item.insert("v".to_owned(), n(1));
        item.insert(keys::ASKED.to_owned(), s(question.id.log_id()));
        item.insert("question".to_owned(), s(serde_json::to_string(question)?));
        item.insert("ttl".to_owned(), n(now().plus_seconds(QUEUED_SECONDS).seconds()));
        Ok(item)
    }

    /// The end of an answer with what of it is not saved yet, as part of the transaction that keeps its outcome.
    pub(crate) fn end_run(
        &self,
        id: &ExchangeId,
        tokens: u64,
        rest: Option<&Batch>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let update = Update::builder()
            .table_name(self.store.ephemeral())
            .set_key(Some(keys::run(&self.organization_id, id).attributes()))
            .update_expression(
                "SET #over = :yes, #tokens = :tokens, lease_until = if_not_exists(lease_until, :now), \
                 #stop = if_not_exists(#stop, :no), #ttl = :ttl",
            )
            .expression_attribute_names("#over", "over")
            .expression_attribute_names("#tokens", "tokens")
            .expression_attribute_names("#stop", "stop")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .expression_attribute_values(":tokens", n(tokens))
            .expression_attribute_values(":now", n(now().millis()))
            .expression_attribute_values(":ttl", n(now().plus_seconds(KEPT_SECONDS).seconds()));
        let mut actions = vec![update_action(update)?];
        if let Some(rest) = rest {
            // It may be there already: a save that seemed to fail.
            let put = Put::builder().table_name(self.store.ephemeral()).set_item(Some(self.batch_item(id, rest)?));
            actions.push(action(put)?);
        }
        Ok(actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_batch_only_what_is_not_known_counts() {
        let batch =
            || Batch { first: 4, at: Timestamp::from_millis(0), tokens: ["d", "e", "f"].map(String::from).into() };
        let rest = |token| batch().from(token).map(|batch| (batch.first, batch.last(), batch.tokens.concat()));
        assert_eq!(rest(4), Some((4, 6, "def".to_owned())));
        assert_eq!(rest(6), Some((6, 6, "f".to_owned())));
        assert_eq!((rest(7), rest(u64::MAX)), (None, None));
    }
}
