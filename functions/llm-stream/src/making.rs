//! The making of an answer, beside the response that shows it.

use conversations::chat::{Run, Update};
use runtime::metrics;
use store::StoreError;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;

/// Updates that a response may be behind before it reads on from what is saved.
const BEHIND: usize = 256;

/// An answer being made.
pub(crate) struct Making {
    task: JoinHandle<()>,
}

impl Making {
    /// Begins to make an answer; gives its updates.
    #[expect(
        clippy::disallowed_methods,
        reason = "an answer outlives the body that shows it, and the body ends only when this task has ended: nothing is \
                  left to freeze (llm.md 4)"
    )]
    pub(crate) fn begin(run: Run) -> (Self, Receiver<Update>) {
        let (sender, updates) = mpsc::channel(BEHIND);
        let task = tokio::spawn(async move {
            match run.answer(sender).await {
                Ok(exchange) => metrics::answer("llm-stream", &exchange),
                Err(error) => failed(&error),
            }
        });
        (Self { task }, updates)
    }

    /// Waits until everything about the answer is done.
    pub(crate) async fn finish(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the making of an answer failed");
        }
    }
}

fn failed(error: &StoreError) {
    // Whoever looks for the answer next, or the sweep, finds it abandoned and ends it.
    tracing::error!(error = error as &dyn std::error::Error, "an answer could not be ended");
}
