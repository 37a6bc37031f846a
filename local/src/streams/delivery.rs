//! Delivers one batch as an event source mapping does: partial failures, bisecting, retries, age, dead letters.
//!
//! Invariant: a record is reported as done only when the function took it or it was given up, and in stream order.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::dead_letters::{Condition, DeadLetters, Failure};
use super::record::{self, Record};
use crate::runtime_api::InvokeError;
use crate::template::StreamMapping;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Calls the function.
pub(crate) type Invoke = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Result<Bytes, InvokeError>> + Send + Sync>;

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) invocations: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) dead_letters: AtomicU64,
}

/// How the batches of one mapping are delivered.
pub(super) struct Delivery {
    pub(super) mapping: StreamMapping,
    pub(super) invoke: Invoke,
    pub(super) dead_letters: DeadLetters,
    pub(super) stream_arn: String,
    pub(super) shard: String,
    /// `MaximumRecordAgeInSeconds` in the time of this run.
    pub(super) max_age: Option<Duration>,
    /// Now, in seconds since 1970.
    pub(super) now: fn() -> f64,
    pub(super) counts: Arc<Counts>,
}

/// Records that are sent together.
struct Chunk {
    records: Vec<Record>,
    failures: u32,
    invocations: u32,
}

enum Outcome {
    Done,
    /// The function took the records before this index.
    PartlyDone(usize),
    Failed,
    /// The function could not be called at all.
    Throttled,
}

impl Delivery {
    /// Delivers the records in order; `done` gets the sequence number up to which all are done.
    pub(super) async fn deliver(&self, records: Vec<Record>, done: &mut (dyn FnMut(&str) + Send)) {
        let mut chunks = VecDeque::from([Chunk { records, failures: 0, invocations: 0 }]);
        while let Some(mut chunk) = chunks.pop_front() {
            self.give_up_old(&mut chunk, done);
            if chunk.records.is_empty() {
                continue;
            }
            chunk.invocations += 1;
            match self.attempt(&chunk.records).await {
                Outcome::Done => report(&chunk.records, done),
                Outcome::Throttled => {
                    // Throttling is not the batch's fault: no retry is used up.
                    tokio::time::sleep(FIRST_BACKOFF).await;
                    chunks.push_front(chunk);
                }
                Outcome::PartlyDone(taken) if taken > 0 => {
                    let rest = chunk.records.split_off(taken);
                    report(&chunk.records, done);
                    self.retry(&mut chunks, Chunk { records: rest, failures: 1, invocations: 1 }, done).await;
                }
                Outcome::Failed if self.mapping.bisect && chunk.records.len() > 1 => {
                    // Splitting uses up no retry. A failure that the function located needs no splitting.
                    tokio::time::sleep(backoff(chunk.failures.max(1))).await;
                    bisect(&mut chunks, chunk);
                }
                Outcome::PartlyDone(_) | Outcome::Failed => {
                    chunk.failures += 1;
                    self.retry(&mut chunks, chunk, done).await;
                }
            }
        }
    }

    async fn retry(&self, chunks: &mut VecDeque<Chunk>, chunk: Chunk, done: &mut (dyn FnMut(&str) + Send)) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        if self.mapping.max_attempts.is_some_and(|most| chunk.failures > most) {
            self.give_up(Condition::RetryAttemptsExhausted, &chunk.records, chunk.invocations);
            report(&chunk.records, done);
            return;
        }
        tokio::time::sleep(backoff(chunk.failures)).await;
        chunks.push_front(chunk);
    }

    fn give_up_old(&self, chunk: &mut Chunk, done: &mut (dyn FnMut(&str) + Send)) {
        let Some(max_age) = self.max_age else {
            return;
        };
        let oldest = (self.now)() - max_age.as_secs_f64();
        let old = chunk.records.iter().take_while(|record| record.created < oldest).count();
        if old > 0 {
            let rest = chunk.records.split_off(old);
            self.give_up(Condition::RecordAgeExceeded, &chunk.records, chunk.invocations);
            report(&chunk.records, done);
            chunk.records = rest;
        }
    }

    fn give_up(&self, condition: Condition, records: &[Record], invocations: u32) {
        self.counts.dead_letters.fetch_add(1, Ordering::Relaxed);
        let function = self.mapping.function.as_str();
        tracing::warn!(function, ?condition, records = records.len(), invocations, "stream records given up");
        let Some(queue) = &self.mapping.dead_letters else {
            return;
        };
        let (stream_arn, shard) = (self.stream_arn.as_str(), self.shard.as_str());
        let failure = Failure { function, stream_arn, shard, condition, invocations, records };
        if let Err(error) = self.dead_letters.send(queue, &failure) {
            tracing::error!(%error, queue, "cannot write a dead letter");
        }
    }

    async fn attempt(&self, records: &[Record]) -> Outcome {
        self.counts.invocations.fetch_add(1, Ordering::Relaxed);
        self.counts.records.fetch_add(records.len() as u64, Ordering::Relaxed);
        match (self.invoke)(record::payload(records)).await {
            Ok(answer) if self.mapping.report_partial => outcome(&answer, records),
            Ok(_) => Outcome::Done,
            Err(InvokeError::Busy) => Outcome::Throttled,
            Err(error) => {
                let function = self.mapping.function.as_str();
                tracing::warn!(function, %error, records = records.len(), "the function failed on stream records");
                Outcome::Failed
            }
        }
    }
}

fn report(records: &[Record], done: &mut (dyn FnMut(&str) + Send)) {
    if let Some(last) = records.last() {
        done(&last.sequence);
    }
}

fn bisect(chunks: &mut VecDeque<Chunk>, mut chunk: Chunk) {
    let second = chunk.records.split_off(chunk.records.len() / 2);
    let (failures, invocations) = (chunk.failures, chunk.invocations);
    chunks.push_front(Chunk { records: second, failures, invocations });
    chunks.push_front(chunk);
}

fn backoff(failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_BACKOFF.saturating_mul(factor).min(LONGEST_BACKOFF)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    batch_item_failures: Option<Vec<Item>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    item_identifier: Option<Value>,
}

fn outcome(answer: &[u8], records: &[Record]) -> Outcome {
    let position = |sequence: &str| records.iter().position(|record| record.sequence == sequence);
    match failed_items(answer, position) {
        None => Outcome::Failed,
        Some(failed) => failed.into_iter().min().map_or(Outcome::Done, Outcome::PartlyDone),
    }
}

/// The items of a batch that its function reports as failed, by their position.
///
/// `null`, `{}` and an empty list mean success. An answer that is none, or an identifier that is empty, unknown or no
/// string, means that nothing of the batch can be taken as done: `None`.
pub(crate) fn failed_items(answer: &[u8], position: impl Fn(&str) -> Option<usize>) -> Option<Vec<usize>> {
    let answer: Option<Answer> = serde_json::from_slice(answer).ok()?;
    let failures = answer.and_then(|answer| answer.batch_item_failures).unwrap_or_default();
    let failed = |item: Item| position(item.item_identifier?.as_str()?);
    failures.into_iter().map(failed).collect()
}
