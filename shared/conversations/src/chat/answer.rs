//! Making an answer.

use super::billing::bill;
use super::saver::Saver;
use super::source::{Source, failure};
use super::view::Update;
use super::{Chats, Pace};
use domain::chat::{ANSWER_BYTES, Ending, Exchange, Failure, Finish, Outcome, Question, RawEvents};
use domain::time::Timestamp;
use providers::llm::{self, ChatRequest, Delta, LlmError, TokenEstimate, Usage};
use std::time::Duration;
use store::{CachedAnswer, Ended, Saved, StoreError, Tenant, now};
use tokio::sync::mpsc::{Sender, error::TrySendError};

/// Bytes of one token event: tokens that come at once travel together, within what a network carries in one piece.
const TOKEN_BYTES: usize = 1000;
/// The same where points may run out on the way: what they can still pay is told.
const DEAR_TOKEN_BYTES: usize = 40;
/// How long a viewer may hold up an answer. One that takes longer reads on from what is saved.
const VIEWER_PATIENCE: Duration = Duration::from_millis(100);
/// The longest answer that is kept to be given again.
const CACHED_BYTES: usize = 100 * 1024;

/// An answer to be made, by whoever has this.
pub struct Run {
    pub(super) chats: Chats,
    pub(super) tenant: Tenant,
    pub(super) question: Question,
    pub(super) request: ChatRequest,
    pub(super) owner: String,
    /// Under which the answer may be given again.
    pub(super) digest: Option<String>,
}

/// How the making came to its end.
enum End {
    Ending(Ending),
    /// Somebody else has ended the exchange, or makes its answer.
    Lost,
}

/// What there is of an answer.
struct Making {
    question: Question,
    /// What asking takes, as far as we can tell.
    asked: u64,
    text: String,
    tokens: u64,
    delivered: TokenEstimate,
    usage: Option<Usage>,
    finish: Option<Finish>,
    first_token: Option<Timestamp>,
    viewer: Option<Sender<Update>>,
    saver: Saver,
}

/// An answer whose last piece is there, or will not come. Its exchange is not ended yet.
pub struct Made {
    making: Making,
    end: End,
    raw_events: RawEvents,
    to_keep: ToKeep,
}

/// Where an answer is kept to be given again, if it may be.
struct ToKeep {
    tenant: Tenant,
    digest: Option<String>,
}

impl Run {
    /// Which exchange.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The same, with another limit for the time of the answer.
    #[must_use]
    pub fn within(mut self, total: Duration) -> Self {
        self.chats.llm = self.chats.llm.within(total);
        self
    }

    /// Makes the answer and ends the exchange. Every token goes to `viewer`, as long as it keeps up, and the end. Gives the
    /// exchange as it ended, without an outcome where somebody else has taken it over; an error leaves the end to whoever
    /// finds the exchange abandoned.
    pub async fn answer(self, viewer: Sender<Update>) -> Result<Exchange, StoreError> {
        let mut made = self.tell(viewer).await;
        let viewer = made.making.viewer.take();
        let (exchange, to_keep) = made.close().await?;
        if let Some(viewer) = viewer.filter(|_| exchange.outcome.is_some()) {
            // A viewer that has left misses nothing it could come back for.
            let _ = viewer.send(Update::Ended(Box::new(exchange.clone()))).await;
        }
        to_keep.keep(&exchange).await;
        Ok(exchange)
    }

    /// Makes the answer only, for callers that have something to do before everybody learns of its end. Every token goes
    /// to `viewer`, as long as it keeps up; the end does not.
    pub async fn make(self, viewer: Sender<Update>) -> Made {
        let mut made = self.tell(viewer).await;
        made.making.viewer = None;
        made
    }

    async fn tell(self, viewer: Sender<Update>) -> Made {
        let Self { chats, tenant, question, request, owner, digest } = self;
        let Pace { save, lease_seconds, .. } = chats.pace;
        let saver = Saver::new(tenant.clone(), question.id.clone(), owner, lease_seconds, save);
        let asked = request.estimated_tokens();
        let mut source = Source::new(chats.llm, request);
        let mut making = Making {
            question,
            asked,
            text: String::new(),
            tokens: 0,
            delivered: TokenEstimate::default(),
            usage: None,
            finish: None,
            first_token: None,
            viewer: Some(viewer),
            saver,
        };
        let end = making.make(&mut source).await;
        let raw_events = source.raw_events();
        // Hangs up before anything else.
        drop(source);
        Made { making, end, raw_events, to_keep: ToKeep { tenant, digest } }
    }
}

impl Made {
    /// Ends the exchange. Gives it as it ended; an error leaves the end to whoever finds it abandoned.
    pub async fn end(self) -> Result<Exchange, StoreError> {
        let (exchange, to_keep) = self.close().await?;
        to_keep.keep(&exchange).await;
        Ok(exchange)
    }

    async fn close(self) -> Result<(Exchange, ToKeep), StoreError> {
        let Self { making, end, raw_events, to_keep } = self;
        let exchange = match end {
            End::Ending(ending) => making.end(&to_keep.tenant, ending, raw_events).await?,
            End::Lost => lost(&to_keep.tenant, making.question).await?,
        };
        if let Some(outcome) = &exchange.outcome {
            log(&exchange.question, outcome);
        }
        Ok((exchange, to_keep))
    }
}

impl ToKeep {
    /// Keeps a whole answer to be given again. Where that fails, the model is asked again.
    async fn keep(self, exchange: &Exchange) {
        let (Some(digest), Some(outcome)) = (self.digest, &exchange.outcome) else { return };
        let whole = outcome.ending == Ending::Complete(Finish::Stop) && !outcome.response.is_empty();
        if !whole || outcome.response.len() > CACHED_BYTES {
            return;
        }
        let answer = CachedAnswer { response: outcome.response.clone(), model: outcome.model.clone() };
        if let Err(error) = self.tenant.put_cached_answer(&digest, answer).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not kept to be given again");
        }
    }
}

impl Making {
    async fn make(&mut self, source: &mut Source) -> End {
        loop {
            let delta = tokio::select! {
                biased;
                saved = self.saver.step() => match saved {
                    Some(Saved::Stop) => return End::Ending(Ending::Complete(Finish::Stopped)),
                    Some(Saved::Lost) => return End::Lost,
                    Some(Saved::GoOn) | None => continue,
                },
                delta = source.next() => delta,
            };
            let ending = match delta {
                Some(Ok(Delta::Text(text))) => self.text(text, source).await,
                Some(Ok(Delta::Reasoning(_))) => None,
                Some(Ok(Delta::Finish(finish))) => {
                    self.finish = Some(finish_of(finish));
                    None
                }
                Some(Ok(Delta::Usage(usage))) => {
                    self.usage = Some(usage);
                    None
                }
                Some(Err(error)) => Some(self.failed(&error)),
                None => Some(self.over()),
            };
            if let Some(ending) = ending {
                return End::Ending(ending);
            }
        }
    }

    /// Takes text, and what has come with it.
    async fn text(&mut self, mut text: String, source: &mut Source) -> Option<Ending> {
        let bytes = if self.question.reserve.tight { DEAR_TOKEN_BYTES } else { TOKEN_BYTES };
        while text.len() < bytes {
            match source.more().await {
                Some(more) => text.push_str(&more),
                None => break,
            }
        }
        let mut rest = text.as_str();
        while !rest.is_empty() {
            // At least a character, so that this ends.
            let (token, more) = rest.split_at(rest.floor_char_boundary(bytes.max(4)));
            if let Some(ending) = self.token(token).await {
                return Some(ending);
            }
            rest = more;
        }
        None
    }

    async fn token(&mut self, token: &str) -> Option<Ending> {
        if self.text.len() + token.len() > ANSWER_BYTES {
            return Some(Ending::Complete(Finish::Length));
        }
        let mut delivered = self.delivered;
        delivered.add(token);
        let reserve = &self.question.reserve;
        if reserve.tight && reserve.price(self.asked + delivered.tokens()) > reserve.points {
            return Some(Ending::Failed(Failure::PointsExhausted));
        }
        self.delivered = delivered;
        self.tokens += 1;
        self.text.push_str(token);
        let at = now();
        if self.first_token.is_none() {
            self.first_token = Some(at);
            tracing::debug!(exchange = self.question.id.as_str(), "an answer has begun");
        }
        self.tell(Update::Token { number: self.tokens, text: token.to_owned(), at }).await;
        self.saver.push(token.to_owned());
        None
    }

    async fn tell(&mut self, update: Update) {
        let Some(viewer) = &self.viewer else { return };
        let lost = match viewer.try_send(update) {
            Ok(()) => false,
            Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(update)) => {
                tokio::time::timeout(VIEWER_PATIENCE, viewer.send(update)).await.is_err()
            }
        };
        if lost {
            self.viewer = None;
        }
    }

    fn failed(&self, error: &LlmError) -> Ending {
        // An answer that a filter cut after its beginning is one, as far as it goes.
        match (failure(error), self.finish) {
            (Failure::Refused, _) if !self.text.is_empty() => Ending::Complete(Finish::ContentFilter),
            (_, Some(finish)) => Ending::Complete(finish),
            (failure, None) => Ending::Failed(failure),
        }
    }

    fn over(&self) -> Ending {
        match self.finish {
            Some(Finish::ContentFilter) if self.text.is_empty() => Ending::Failed(Failure::Refused),
            Some(finish) => Ending::Complete(finish),
            None => Ending::Failed(Failure::Interrupted),
        }
    }

    async fn end(self, tenant: &Tenant, ending: Ending, mut raw_events: RawEvents) -> Result<Exchange, StoreError> {
        let question = self.question;
        let bill = bill(ending, self.usage, self.asked, self.delivered.tokens(), &question.reserve);
        let rest = self.saver.rest().await;
        let ended_at = now();
        let since = |at: Timestamp| u64::try_from(at.millis() - question.asked_at.millis()).unwrap_or(0);
        raw_events.first_token_ms = self.first_token.map(since);
        raw_events.finish_reason = self.finish.map(|finish| finish.as_str().to_owned());
        if raw_events.usage_metadata.is_none() {
            raw_events.usage_metadata = self.usage.and_then(|usage| serde_json::to_value(usage).ok());
        }
        let outcome = Outcome {
            response: self.text,
            ending,
            tokens_used: bill.tokens,
            usage_estimated: bill.estimated,
            points_cost: bill.points,
            cached: false,
            model: raw_events.model_version.clone(),
            raw_events,
            ended_at,
            response_time_ms: since(ended_at),
            tokens: self.tokens,
            cut: false,
        };
        Ok(match tenant.end_exchange(&question, outcome, rest.as_ref()).await? {
            Ended::Now(outcome) => Exchange { question, outcome: Some(*outcome) },
            Ended::Before(exchange) => *exchange,
        })
    }
}

/// The one line about an answer (C18): what it took, and nothing of what it says.
fn log(question: &Question, outcome: &Outcome) {
    let ending = match outcome.ending {
        Ending::Complete(finish) => finish.as_str().to_owned(),
        Ending::Failed(failure) => format!("{failure:?}"),
    };
    tracing::info!(
        organization = question.organization_id.as_str(),
        chat = question.chat_id.log_id(),
        exchange = question.id.as_str(),
        provider = outcome.raw_events.provider,
        model = outcome.model,
        attempts = outcome.raw_events.attempts,
        ending,
        tokens = outcome.tokens_used,
        points = outcome.points_cost,
        events = outcome.tokens,
        bytes = outcome.response.len(),
        first_token_ms = outcome.raw_events.first_token_ms,
        response_time_ms = outcome.response_time_ms,
        "answer over"
    );
}

/// An exchange that is somebody else's by now, as it is.
async fn lost(tenant: &Tenant, question: Question) -> Result<Exchange, StoreError> {
    let exchange = tenant.exchange(&question.chat_id, question.number).await?;
    Ok(exchange.unwrap_or(Exchange { question, outcome: None }))
}

fn finish_of(finish: llm::Finish) -> Finish {
    match finish {
        llm::Finish::Stop => Finish::Stop,
        llm::Finish::Length => Finish::Length,
        llm::Finish::ContentFilter => Finish::ContentFilter,
        llm::Finish::Deadline => Finish::Deadline,
        llm::Finish::Other => Finish::Other,
    }
}
