//! Questions that wait for somebody to answer them: one answer of a chat after the other.
//!
//! The queue gives every question to somebody at once, and here they wait for each other. A queue that kept a chat's
//! questions in order would keep all of them behind an answer whose maker died, until it gives that one again: hours.

use super::{Chats, Run, abandon, draft};
use domain::chat::{HISTORY, Question};
use domain::organization::Organization;
use std::convert::Infallible;
use std::time::Duration;
use store::{Saved, StoreError, Tenant, now};

/// Time between two looks at an answer that is waited for.
const LOOK: Duration = Duration::from_millis(200);
/// Exchanges that may have ended between those that have not: the sweep ends what it finds, in any order.
const BETWEEN: u64 = 25;

/// A question that is ours to answer, when those of its chat that were asked before are over.
pub struct Job {
    chats: Chats,
    tenant: Tenant,
    question: Question,
    owner: String,
}

impl Chats {
    /// Takes a question from the queue. `None` when its answer is over, or somebody's, or was begun and left: then it is
    /// ended here.
    pub async fn take(&self, question: &Question) -> Result<Option<Job>, StoreError> {
        let tenant = self.store.tenant(&question.organization_id);
        let owner = identity::random::new_id();
        if tenant.claim_run(&question.id, &owner, self.pace.lease_seconds).await? {
            return Ok(Some(Job { chats: self.clone(), tenant, question: question.clone(), owner }));
        }
        if tenant.run(&question.id).await?.is_some_and(|run| run.is_abandoned(now())) {
            abandon(&tenant, question).await?;
        }
        Ok(None)
    }
}

impl Job {
    /// Says that somebody is there, until it is dropped: when the turn has come.
    pub async fn hold(&self) -> Infallible {
        let seconds = u64::try_from(self.chats.pace.lease_seconds).unwrap_or(0);
        loop {
            tokio::time::sleep(Duration::from_secs(seconds) / 4).await;
            let lease = self.chats.pace.lease_seconds;
            match self.tenant.save_run(&self.question.id, &self.owner, lease, None).await {
                // Where it is to stop, or is somebody else's, that is seen when its turn has come.
                Ok(Saved::GoOn | Saved::Stop | Saved::Lost) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a lease was not extended");
                }
            }
        }
    }

    /// Waits for the chat's earlier answers. One that nobody makes is to be made first, by the caller: whoever has a
    /// question must not wait for one that nobody has. `None` when the turn has come.
    pub async fn earlier(&self) -> Result<Option<Job>, StoreError> {
        // The usual case costs one small read: no other question of the chat is open.
        let chat = self.tenant.any_chat(&self.question.chat_id).await?;
        let Some(open) = chat.map(|chat| chat.open).filter(|open| *open > 1) else { return Ok(None) };
        let reach = usize::try_from(open + BETWEEN).unwrap_or(usize::MAX);
        let before = self.tenant.exchanges(&self.question.chat_id, Some(self.question.number), reach).await?;
        for exchange in before.into_iter().filter(|exchange| exchange.outcome.is_none()) {
            if let Some(job) = self.wait_or_take(&exchange.question).await? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    async fn wait_or_take(&self, earlier: &Question) -> Result<Option<Self>, StoreError> {
        loop {
            let Some(run) = self.tenant.run(&earlier.id).await? else {
                return abandon(&self.tenant, earlier).await.map(|_| None);
            };
            if run.over {
                return Ok(None);
            }
            let is_abandoned = run.is_abandoned(now());
            // Only what came over a socket is for the queue to answer.
            if earlier.origin.is_none() && is_abandoned {
                return abandon(&self.tenant, earlier).await.map(|_| None);
            }
            if earlier.origin.is_some()
                && (run.owner.is_none() || is_abandoned)
                && let Some(job) = self.chats.take(earlier).await?
            {
                return Ok(Some(job));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The answer to be made, with all that was said before.
    pub async fn run(self) -> Result<Run, StoreError> {
        let Self { chats, tenant, question, owner } = self;
        let (organization, history) = tokio::try_join!(
            tenant.organization(),
            tenant.exchanges(&question.chat_id, Some(question.number), HISTORY)
        )?;
        let (name, ai) = organization.map(|Organization { name, ai, .. }| (name, ai)).unwrap_or_default();
        let (request, digest) = draft::request(&chats, &name, &ai, &question, &history, Vec::new());
        Ok(Run { chats, tenant, question, request, owner, digest })
    }
}
