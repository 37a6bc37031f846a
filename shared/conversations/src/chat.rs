//! People's questions to the model, and its answers (seeds C and E).
//!
//! [`Chats::ask`] keeps a question and sets its points aside; [`Run::answer`] makes the answer and ends the exchange, once,
//! whatever happens; [`View`] watches one, from any connection and process. An answer belongs to its exchange, not to the
//! connection that asked: it goes on when the client is gone, and only [`Chats::stop`] stops it.

mod answer;
mod ask;
mod billing;
mod draft;
mod fingerprint;
pub mod frames;
mod saver;
mod source;
mod turn;
mod view;

pub use answer::{Made, Run};
pub use ask::{Ask, AskError, Begun, By, Place, Replaces};
pub use fingerprint::fingerprint;
pub use turn::Job;
pub use view::{Update, View};

use domain::chat::{Chat, Ending, Exchange, Failure, Outcome, Question, RawEvents};
use domain::ids::{ChatId, UserId};
use domain::time::Timestamp;
use providers::llm::Llm;
use std::time::Duration;
use store::{Ended, Store, StoreError, Tenant, now};

/// How an answer is made.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time between two saves of what there is of an answer; a wish to stop is seen as often.
    pub save: Duration,
    /// How long a maker is believed to be alive after a save.
    pub lease_seconds: i64,
    /// Most characters of a chat's history that the model is given.
    pub history_chars: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { save: Duration::from_millis(400), lease_seconds: 15, history_chars: 48_000 }
    }
}

/// What asking and answering need.
#[derive(Clone)]
pub struct Chats {
    /// The tables.
    pub store: Store,
    /// The models.
    pub llm: Llm,
    /// The times.
    pub pace: Pace,
    /// Questions that one person may ask in a minute; an organization twenty times as many (C16, E23, G7).
    pub questions_per_minute: u32,
}

impl Chats {
    /// Wishes the answer of a chat that is under way to stop; gives its exchange, if there is one.
    pub async fn stop(&self, tenant: &Tenant, chat: &Chat) -> Result<Option<Exchange>, StoreError> {
        let Some(exchange) = running(tenant, chat).await? else { return Ok(None) };
        Ok(tenant.stop_run(&exchange.question.id).await?.then_some(exchange))
    }
}

/// `get_user_sessions` and the others of seed E are `Tenant::{chats, chat, exchanges, delete_chat}`; this is the chat's
/// latest exchange whose answer is not over.
pub async fn running(tenant: &Tenant, chat: &Chat) -> Result<Option<Exchange>, StoreError> {
    if chat.open == 0 {
        return Ok(None);
    }
    let latest = tenant.exchanges(&chat.id, None, usize::try_from(chat.open).unwrap_or(1).max(5)).await?;
    Ok(latest.into_iter().find(|exchange| exchange.outcome.is_none()))
}

/// A person's chat and its exchange of this number.
pub async fn exchange_of(
    tenant: &Tenant,
    user: &UserId,
    chat: &ChatId,
    number: u64,
) -> Result<Option<Exchange>, StoreError> {
    if tenant.chat(user, chat).await?.is_none() {
        return Ok(None);
    }
    tenant.exchange(chat, number).await
}

/// Ends an exchange whose maker is gone, with what was saved of its answer, for nothing. Gives it as it ended.
pub async fn abandon(tenant: &Tenant, question: &Question) -> Result<Exchange, StoreError> {
    let batches = tenant.batches(&question.id, 0).await?;
    let tokens = batches.last().map_or(0, store::Batch::last);
    let response = batches.into_iter().flat_map(|batch| batch.tokens).collect();
    let ended_at = now();
    let outcome = Outcome {
        response,
        ending: Ending::Failed(Failure::Abandoned),
        tokens_used: 0,
        usage_estimated: true,
        points_cost: 0,
        cached: false,
        model: None,
        raw_events: RawEvents::default(),
        ended_at,
        response_time_ms: u64::try_from(ended_at.millis() - question.asked_at.millis()).unwrap_or(0),
        tokens,
        cut: false,
    };
    Ok(match tenant.end_exchange(question, outcome, None).await? {
        Ended::Now(outcome) => Exchange { question: question.clone(), outcome: Some(*outcome) },
        Ended::Before(exchange) => *exchange,
    })
}

/// Ends the exchanges that somebody left behind: asked before `before`, and without a sign of life since their lease.
/// Gives how many. One that cannot be ended is no reason to leave the others.
pub async fn end_abandoned(store: &Store, before: Timestamp, limit: i32) -> Result<u32, StoreError> {
    let mut ended = 0;
    for exchange in store.running(before, limit).await? {
        match end_if_abandoned(store, &exchange.question).await {
            Ok(is_ended) => ended += u32::from(is_ended),
            Err(error) => {
                let exchange = exchange.question.id.as_str();
                let error = &error as &dyn std::error::Error;
                tracing::error!(exchange, error, "an answer whose maker is gone could not be ended");
            }
        }
    }
    Ok(ended)
}

async fn end_if_abandoned(store: &Store, question: &Question) -> Result<bool, StoreError> {
    let tenant = store.tenant(&question.organization_id);
    if tenant.run(&question.id).await?.is_some_and(|run| !run.is_abandoned(now())) {
        return Ok(false);
    }
    abandon(&tenant, question).await.map(|_| true)
}
