//! The answer of a function that works on batches: which records it is to be given again.

use serde::Serialize;

/// Which records of a stream or messages of a queue to give again (`ReportBatchItemFailures`).
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

impl BatchResponse {
    /// Asks for this one again: a record's sequence number, or a message's id.
    pub fn again(&mut self, item_identifier: String) {
        self.batch_item_failures.push(ItemFailure { item_identifier });
    }

    /// How many are asked for again.
    pub fn failures(&self) -> usize {
        self.batch_item_failures.len()
    }
}
