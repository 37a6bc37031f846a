//! Keeping an answer while it comes: batches of tokens, several a second, beside the reading of the next ones.

use domain::ids::ExchangeId;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use store::{Batch, Saved, StoreError, Tenant, now};
use tokio::time::Instant;

/// Bytes of tokens that are saved before their time.
const EAGER_BYTES: usize = 2048;
/// Time between two saves, whatever comes: each is two requests to the table.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of tokens in one batch: an item holds 400 KB.
const BATCH_BYTES: usize = 100 * 1024;

type Saving = Pin<Box<dyn Future<Output = (Result<Saved, StoreError>, Option<Batch>)> + Send>>;

/// The tokens that are not saved yet, and the save under way.
pub(super) struct Saver {
    tenant: Tenant,
    exchange: ExchangeId,
    owner: String,
    lease_seconds: i64,
    every: Duration,
    /// Tokens not handed to a save, and the number of the first.
    waiting: Vec<String>,
    first: u64,
    bytes: usize,
    saving: Option<Saving>,
    next: Instant,
    /// When the next save may begin at the earliest.
    earliest: Instant,
}

impl Saver {
    pub(super) fn new(
        tenant: Tenant,
        exchange: ExchangeId,
        owner: String,
        lease_seconds: i64,
        every: Duration,
    ) -> Self {
        let (waiting, earliest) = (Vec::new(), Instant::now());
        let next = earliest + every;
        Self {
            tenant,
            exchange,
            owner,
            lease_seconds,
            every,
            waiting,
            first: 1,
            bytes: 0,
            saving: None,
            next,
            earliest,
        }
    }

    /// Takes the next token.
    pub(super) fn push(&mut self, token: String) {
        // The first one is saved at once, so that whoever comes next sees an answer under way.
        if self.first == 1 && self.waiting.is_empty() {
            self.next = Instant::now();
        }
        self.bytes += token.len();
        self.waiting.push(token);
        if self.bytes >= EAGER_BYTES {
            self.next = self.next.min(self.earliest);
        }
    }

    /// Waits for the next save to be over; what it says. May be given up and called again.
    pub(super) async fn step(&mut self) -> Option<Saved> {
        if self.saving.is_none() {
            tokio::time::sleep_until(self.next).await;
        }
        self.finish().await
    }

    async fn finish(&mut self) -> Option<Saved> {
        let batch = if self.saving.is_none() { self.take() } else { None };
        let begin = || {
            let (tenant, exchange, owner) = (self.tenant.clone(), self.exchange.clone(), self.owner.clone());
            let lease = self.lease_seconds;
            Box::pin(async move {
                let saved = tenant.save_run(&exchange, &owner, lease, batch.as_ref()).await;
                (saved, batch)
            }) as Saving
        };
        let saving = match &mut self.saving {
            Some(saving) => saving,
            none => none.insert(begin()),
        };
        let (result, batch) = saving.await;
        self.saving = None;
        let now = Instant::now();
        self.earliest = now + PAUSE.min(self.every);
        self.next = now + self.every;
        match result {
            Ok(saved) => {
                if self.bytes >= EAGER_BYTES {
                    self.next = self.earliest;
                }
                Some(saved)
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a part of an answer was not saved yet");
                self.put_back(batch);
                None
            }
        }
    }

    /// What is to be saved with the outcome, everything before it being saved. A save that fails here leaves a gap for
    /// readers who come back; the outcome has the whole text.
    pub(super) async fn rest(mut self) -> Option<Batch> {
        if self.saving.is_some() {
            self.finish().await;
        }
        let mut failures = 0;
        while self.bytes > BATCH_BYTES && failures < 3 {
            let saved = self.finish().await;
            if saved == Some(Saved::Lost) {
                return None;
            }
            failures += u32::from(saved.is_none());
        }
        self.take()
    }

    fn take(&mut self) -> Option<Batch> {
        let mut bytes = 0;
        let fits = |token: &&String| {
            bytes += token.len();
            bytes <= BATCH_BYTES
        };
        let count = self.waiting.iter().take_while(fits).count().max(1).min(self.waiting.len());
        if count == 0 {
            return None;
        }
        let rest = self.waiting.split_off(count);
        let tokens = std::mem::replace(&mut self.waiting, rest);
        self.bytes -= tokens.iter().map(String::len).sum::<usize>();
        let batch = Batch { first: self.first, at: now(), tokens };
        self.first = batch.last() + 1;
        Some(batch)
    }

    fn put_back(&mut self, batch: Option<Batch>) {
        let Some(mut batch) = batch else { return };
        self.first = batch.first;
        self.bytes += batch.tokens.iter().map(String::len).sum::<usize>();
        batch.tokens.append(&mut self.waiting);
        self.waiting = batch.tokens;
    }
}
