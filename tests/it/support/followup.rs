//! What follows from events, off the request path.

use super::cloud::Cloud;
use super::eventually;
use serde_json::Value;

impl Cloud {
    /// Waits until everything that asked for a follow-up has had it; how many that is.
    pub(crate) async fn followed_up(&self) -> u64 {
        let asks = |record: &&Value| {
            record["eventName"] == "INSERT" && record["dynamodb"]["NewImage"]["follow_up"].is_object()
        };
        let due = self.stream_records().await.iter().filter(asks).count() as u64;
        self.follow_ups(due).await;
        due
    }

    /// Waits until so many follow-ups are done since the start. Costs the table nothing.
    pub(crate) async fn follow_ups(&self, due: u64) {
        eventually("the follow-ups", || async {
            let metrics = self.metrics().await;
            let queues = metrics["queues"].as_object().unwrap().values();
            let handled: u64 = queues.filter_map(|queue| queue["handled"].as_u64()).sum();
            (handled >= due).then_some(())
        })
        .await;
    }
}
