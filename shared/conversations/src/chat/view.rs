//! Watching an answer: live from its maker while that keeps up, else from what is saved. Both give the same updates.

use super::abandon;
use domain::chat::{Exchange, Outcome, Question};
use domain::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;
use store::{StoreError, Tenant, now};
use tokio::sync::mpsc::Receiver;

/// Time between two looks at what is saved.
const LOOK: Duration = Duration::from_millis(150);
/// Failed looks in a row before a view gives up.
const MAX_FAILURES: u32 = 10;

/// Something that a viewer is told.
#[derive(Clone, Debug)]
pub enum Update {
    /// More of the answer.
    Token {
        /// Its number, from 1.
        number: u64,
        /// What.
        text: String,
        /// When it came.
        at: Timestamp,
    },
    /// The answer is over; nothing follows.
    Ended(Box<Exchange>),
}

/// One viewer of one answer.
pub struct View {
    tenant: Tenant,
    question: Question,
    /// Number of the last token given.
    cursor: u64,
    live: Option<Receiver<Update>>,
    ready: VecDeque<Update>,
    done: bool,
}

impl View {
    /// A view from a token on (0 for all), as the maker makes it.
    pub fn live(tenant: Tenant, question: Question, updates: Receiver<Update>) -> Self {
        Self { tenant, question, cursor: 0, live: Some(updates), ready: VecDeque::new(), done: false }
    }

    /// A view from after a token on, of what is saved.
    pub fn saved(tenant: Tenant, question: Question, after: u64) -> Self {
        Self { tenant, question, cursor: after, live: None, ready: VecDeque::new(), done: false }
    }

    /// Which exchange.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The next update; `None` after the end. May be given up and called again.
    pub async fn next(&mut self) -> Result<Option<Update>, StoreError> {
        let mut failures = 0;
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(Some(self.take(update)));
            }
            if self.done {
                return Ok(None);
            }
            if let Some(live) = &mut self.live {
                match live.recv().await {
                    Some(update) => return Ok(Some(self.take(update))),
                    // The maker is gone, or we were too slow: what we miss is saved.
                    None => self.live = None,
                }
            }
            match self.look().await {
                Ok(()) => failures = 0,
                Err(error) if failures >= MAX_FAILURES => return Err(error),
                Err(_) => failures += 1,
            }
            if self.ready.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    fn take(&mut self, update: Update) -> Update {
        match &update {
            Update::Token { number, .. } => self.cursor = *number,
            Update::Ended(_) => self.done = true,
        }
        update
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let run = self.tenant.run(&self.question.id).await?;
        let over = run.as_ref().is_none_or(|run| run.over);
        if let Some(run) = run.as_ref().filter(|run| run.tokens > self.cursor) {
            self.read_batches(run.tokens).await?;
        }
        if over {
            let exchange = self.tenant.exchange(&self.question.chat_id, self.question.number).await?;
            match exchange {
                Some(Exchange { question, outcome: Some(outcome) }) => self.end(question, outcome),
                // The run was forgotten before its end: its maker is long gone.
                Some(_) => self.end_abandoned().await?,
                None => return Err(StoreError::corrupt("an answer to no question")),
            }
        } else if run.is_some_and(|run| run.is_abandoned(now())) {
            self.end_abandoned().await?;
        }
        Ok(())
    }

    /// Reads what is saved up to a token: a maker that has lost its answer may have left more.
    async fn read_batches(&mut self, last: u64) -> Result<(), StoreError> {
        for batch in self.tenant.batches(&self.question.id, self.cursor).await? {
            let tokens = (batch.first..=last).zip(batch.tokens);
            self.ready.extend(tokens.map(|(number, text)| Update::Token { number, text, at: batch.at }));
        }
        Ok(())
    }

    /// The end, after what is not there as saved tokens: answers of the cache, and those of more than a day ago.
    fn end(&mut self, question: Question, outcome: Outcome) {
        let at = outcome.ended_at;
        let nothing_yet = self.ready.is_empty() && self.cursor == 0;
        let token = |(number, text): (u64, &str)| Update::Token { number, text: text.to_owned(), at };
        if outcome.cached {
            let words = (1..).zip(words(&outcome.response)).filter(|(number, _)| *number > self.cursor);
            self.ready.extend(words.map(token));
        } else if nothing_yet && !outcome.response.is_empty() {
            self.ready.push_back(token((outcome.tokens, &outcome.response)));
        }
        self.ready.push_back(Update::Ended(Box::new(Exchange { question, outcome: Some(outcome) })));
    }

    async fn end_abandoned(&mut self) -> Result<(), StoreError> {
        let exchange = abandon(&self.tenant, &self.question).await?;
        // Its maker may have been lost between keeping its last tokens and saying so.
        if let Some(outcome) = exchange.outcome.as_ref().filter(|outcome| outcome.tokens > self.cursor) {
            self.ready.clear();
            self.read_batches(outcome.tokens).await?;
        }
        self.ready.push_back(Update::Ended(Box::new(exchange)));
        Ok(())
    }
}

/// The tokens in which an answer of the cache is told: its words, each with the space after it.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

#[cfg(test)]
mod tests {
    use super::words;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_put_together_are_the_text(text in any::<String>()) {
            prop_assert_eq!(words(&text).collect::<String>(), text);
        }
    }
}
