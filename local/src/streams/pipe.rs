//! A pipe: the loop of a stream mapping, with a queue where that has a function.
//!
//! What is sent twice, by a retry, a restart or chaos, is swallowed by the queue.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::delivery::Invoke;
use crate::queues::{Queues, SendError};
use crate::runtime_api::InvokeError;
use crate::template::{Pipe, StreamMapping};

/// The pipe as a mapping that never gives up: a queue that takes nothing has a full disk.
pub(super) fn mapping(pipe: &Pipe) -> StreamMapping {
    StreamMapping {
        function: pipe.name.clone(),
        table: pipe.table.clone(),
        batch_size: pipe.batch_size,
        parallelization: 1,
        report_partial: false,
        bisect: true,
        max_attempts: None,
        max_age: None,
        filters: pipe.filters.clone(),
        dead_letters: None,
    }
}

/// Sends each record of a batch to the pipe's queue.
pub(super) fn sink(pipe: &Pipe, queues: &Queues) -> Invoke {
    let (pipe, queues) = (Arc::new(pipe.clone()), queues.clone());
    Arc::new(move |payload: Bytes| Box::pin(std::future::ready(send_all(&pipe, &queues, &payload))))
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<&'a RawValue>,
}

fn send_all(pipe: &Pipe, queues: &Queues, payload: &[u8]) -> Result<Bytes, InvokeError> {
    let batch: Batch<'_> = serde_json::from_slice(payload).map_err(|_| InvokeError::Crashed)?;
    for record in batch.records {
        match send(pipe, queues, record.get()) {
            Ok(()) => {}
            Err(error @ SendError::Io(_)) => {
                tracing::error!(pipe = pipe.name, error = crate::output::chain(&error), "the pipe cannot send");
                return Err(InvokeError::Crashed);
            }
            // On AWS too it is dropped in the end, after retries that change nothing.
            Err(error) => tracing::error!(pipe = pipe.name, %error, "the pipe drops a record that no queue takes"),
        }
    }
    Ok(Bytes::from_static(b"null"))
}

fn send(pipe: &Pipe, queues: &Queues, record: &str) -> Result<(), SendError> {
    let event: Value = serde_json::from_str(record).unwrap_or_default();
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    queues.send(&pipe.queue, text(&pipe.group), text(&pipe.deduplication), record).map(drop)
}
