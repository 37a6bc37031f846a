//! The loop of one mapping: read the stream, filter, cut into batches, deliver one after the other.

use std::time::Duration;

use dynoxide::Database;
use dynoxide::actions::get_records::{GetRecordsRequest, GetRecordsResponse};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use tokio::sync::watch;

use super::chaos::Chaos;
use super::delivery::Delivery;
use super::filter::Pattern;
use super::position::Position;
use super::record::{Record, Stream, batches, payload};

/// Writes through the proxy wake the loop; this is for what it does not see.
const POLL_EVERY: Duration = Duration::from_millis(100);
const AFTER_ERROR: Duration = Duration::from_secs(1);

pub(super) struct Poller {
    pub(super) db: Database,
    pub(super) changes: watch::Receiver<u64>,
    pub(super) stream: Stream,
    pub(super) filters: Vec<Pattern>,
    pub(super) delivery: Delivery,
    pub(super) position: Position,
    pub(super) chaos: Option<Chaos>,
}

impl Poller {
    /// Never returns; it ends with its task.
    pub(super) async fn run(mut self) {
        let mut iterator = None;
        loop {
            self.changes.mark_unchanged();
            match self.turn(iterator.take()).await {
                Ok((next, found)) => {
                    iterator = next;
                    if found == 0 {
                        // Both a change and the end of the time mean: look again.
                        let _ = tokio::time::timeout(POLL_EVERY, self.changes.changed()).await;
                    }
                }
                Err(error) => {
                    let function = self.delivery.mapping.function.as_str();
                    tracing::error!(function, %error, "cannot read the stream");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
    }

    /// Reads once and delivers all that was read. Returns where to go on, and how many records there were.
    async fn turn(&mut self, iterator: Option<String>) -> dynoxide::Result<(Option<String>, usize)> {
        let iterator = match iterator {
            Some(iterator) => iterator,
            None => self.iterator()?,
        };
        let response = self.read(iterator).await?;
        let last = response.records.last().map(|record| record.dynamodb.sequence_number.clone());
        for batch in batches(self.wanted(&response), self.delivery.mapping.batch_size) {
            self.deliver(batch).await;
        }
        if let Some(last) = last {
            // Past the records that no filter wanted.
            self.position.write(&last);
        }
        Ok((response.next_shard_iterator, response.records.len()))
    }

    fn iterator(&self) -> dynoxide::Result<String> {
        let sequence_number = self.position.read();
        let kind = if sequence_number.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
        let request = GetShardIteratorRequest {
            stream_arn: self.stream.arn.clone(),
            shard_id: self.delivery.shard.clone(),
            shard_iterator_type: kind.to_owned(),
            sequence_number,
        };
        Ok(self.db.get_shard_iterator(request)?.shard_iterator.unwrap_or_default())
    }

    /// Off the async threads: the database works synchronously and may be busy.
    async fn read(&self, shard_iterator: String) -> dynoxide::Result<GetRecordsResponse> {
        let db = self.db.clone();
        let read = move || db.get_records(GetRecordsRequest { shard_iterator, limit: None });
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or_else(|error| Err(dynoxide::DynoxideError::InternalServerError(error.to_string())))
    }

    fn wanted(&self, response: &GetRecordsResponse) -> Vec<Record> {
        let mut wanted = Vec::new();
        for record in &response.records {
            match self.stream.event(record) {
                Ok(event) if self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(&event)) => {
                    wanted.push(self.stream.record(record, &event));
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "a stream record cannot be written as JSON"),
            }
        }
        wanted
    }

    async fn deliver(&mut self, batch: Vec<Record>) {
        let Some(chaos) = &mut self.chaos else {
            let position = &self.position;
            self.delivery.deliver(batch, &mut |sequence: &str| position.write(sequence)).await;
            return;
        };
        let disturbance = chaos.disturbance();
        let groups = if disturbance.reordered { chaos.reorder(batch) } else { vec![batch] };
        if let Some(delay) = disturbance.late {
            tokio::time::sleep(delay).await;
        }
        for group in groups {
            let again = disturbance.twice.then(|| payload(&group));
            // The position moves only after the whole turn: groups are not in stream order.
            self.delivery.deliver(group, &mut |_: &str| {}).await;
            if let Some(payload) = again {
                // A duplicate: whatever becomes of it, the records were delivered.
                let _ = (self.delivery.invoke)(payload).await;
            }
        }
    }
}
