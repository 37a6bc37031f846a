//! One question, and its answer.

use crate::{State, teller};
use conversations::chat::Job;
use domain::chat::Question;
use runtime::metrics;
use runtime::queue::Message;
use std::time::Duration;
use store::StoreError;
use store::item::exchange_from_texts;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// The function's quarter of an hour, less the time to end an answer.
const TIME: Duration = Duration::from_secs(870);
/// The least time for an answer.
const LEAST: Duration = Duration::from_secs(10);
/// Updates that the telling of an answer may be behind its making.
const BEHIND: usize = 256;

/// What became of a job that nothing went wrong with.
enum Done {
    Answered,
    /// Others took all the time there was.
    OutOfTime,
}

/// Does a job; false gives it back to the queue.
pub(crate) async fn work(state: &State, message: &Message) -> bool {
    let read = |text| exchange_from_texts(text, None).ok();
    let Some(exchange) = message.text("question").and_then(read) else {
        // It will not read better next time: the dead letters are the place to look at it.
        tracing::error!("a question that cannot be read");
        return false;
    };
    let (question, attempt) = (exchange.question, message.attempt);
    let (organization, chat) = (question.organization_id.as_str(), question.chat_id.log_id());
    let exchange = question.id.as_str();
    match Box::pin(answer(state, &question, Instant::now() + TIME)).await {
        Ok(Done::Answered) => true,
        Ok(Done::OutOfTime) => {
            tracing::warn!(organization, chat, exchange, attempt, "a question had to wait too long");
            false
        }
        // What was begun and not ended is found by the sweep.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(organization, chat, exchange, attempt, error, "a question was not answered");
            false
        }
    }
}

async fn answer(state: &State, question: &Question, until: Instant) -> Result<Done, StoreError> {
    let Some(job) = state.chats.take(question).await? else { return Ok(Done::Answered) };
    let turn = until - LEAST;
    let earlier = async {
        while let Some(job) = job.earlier().await? {
            make(state, job, turn - LEAST).await?;
        }
        Ok::<_, StoreError>(())
    };
    tokio::select! {
        waited = timeout_at(turn, earlier) => match waited {
            Ok(waited) => waited?,
            Err(_) => return Ok(Done::OutOfTime),
        },
        never = job.hold() => match never {},
    }
    make(state, job, until).await?;
    Ok(Done::Answered)
}

async fn make(state: &State, job: Job, until: Instant) -> Result<(), StoreError> {
    let left = until.saturating_duration_since(Instant::now());
    let run = job.run().await?.within(left.min(state.answer_time));
    let question = run.question().clone();
    let (sender, updates) = mpsc::channel(BEHIND);
    // The end is kept when all words are told: what fan-out tells of it must not overtake them.
    let (made, ()) = tokio::join!(run.make(sender), teller::tell(state, &question, updates));
    let exchange = made.end().await?;
    metrics::answer("chat", &exchange);
    Ok(())
}
