//! One request to one server of whatever kind, and the reading of its answer under time limits.

use super::chat::{Piece, Source};
use super::completions::{Address, Completions};
#[cfg(feature = "bedrock")]
use super::converse::Converse;
use super::draft::Draft;
use super::openai::Dialect;
use super::{ChatRequest, Delta, Endpoint, Limits, LlmError, ModelServer, TimeoutKind};
use reqwest::Client;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long to wait for the count after the answer is over.
const TAIL: Duration = Duration::from_secs(2);

/// What is asked, and in which words.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) request: &'a ChatRequest,
    pub(super) dialect: Dialect,
}

/// An answer that is being read.
pub(super) struct Exchange {
    wire: Wire,
    idle: Duration,
    first_token: Instant,
    deadline: Instant,
}

enum Wire {
    OpenAi(Completions),
    #[cfg(feature = "bedrock")]
    Bedrock(Converse),
}

/// Why there is no answer to read.
pub(super) struct Failure {
    pub(super) error: LlmError,
    /// Whether the server was reached at all.
    pub(super) reached: bool,
    /// What to say differently, if that is what it complains of.
    pub(super) instead: Option<Dialect>,
}

impl From<LlmError> for Failure {
    fn from(error: LlmError) -> Self {
        Self { error, reached: true, instead: None }
    }
}

impl Exchange {
    /// Asks, and waits until the answer begins.
    pub(super) async fn begin(
        http: &Client,
        endpoint: &Endpoint,
        question: Question<'_>,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let first_token = now + limits.connect + limits.first_token;
        let until = first_token.min(deadline);
        let wire = match timeout_at(until, Wire::open(http, endpoint, question, until)).await {
            Ok(wire) => wire?,
            Err(_) if deadline < first_token => return Err(LlmError::Timeout(TimeoutKind::Total).into()),
            Err(_) => return Err(LlmError::Timeout(TimeoutKind::FirstToken).into()),
        };
        let mut exchange = Self { wire, idle: limits.idle, first_token, deadline };
        match exchange.next().await {
            Some(Ok(delta)) => exchange.wire.draft().put_back(delta),
            Some(Err(error)) => return Err(error.into()),
            None => return Err(LlmError::Unavailable.into()),
        }
        Ok(exchange)
    }

    /// What the server says of itself, now that its answer has begun.
    pub(super) fn source(&self, endpoint: &Endpoint) -> Source {
        match &self.wire {
            Wire::OpenAi(completions) => completions.source(endpoint),
            #[cfg(feature = "bedrock")]
            Wire::Bedrock(converse) => converse.source(endpoint),
        }
    }

    /// The next piece of the answer, with the server's count if it is the last.
    pub(super) async fn piece(&mut self) -> Option<Piece> {
        let delta = self.next().await?;
        Some(Piece { delta, raw_usage: self.wire.draft().take_raw_usage() })
    }

    async fn next(&mut self) -> Option<Result<Delta, LlmError>> {
        // A slow reader is not a slow server: the wait begins when we begin to wait.
        let mut since = None;
        loop {
            let draft = self.wire.draft();
            if let Some(piece) = draft.next() {
                return Some(piece);
            }
            let since = *since.get_or_insert_with(Instant::now);
            let (limit, kind) = limit(draft, since, self.idle, (self.first_token, self.deadline));
            match timeout_at(limit, self.wire.read()).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(_) => self.wire.draft().late(kind),
            }
            if self.wire.draft().is_done() {
                self.wire.hang_up();
            }
        }
    }
}

impl Wire {
    async fn open(http: &Client, endpoint: &Endpoint, question: Question<'_>, until: Instant) -> Result<Self, Failure> {
        match &endpoint.server {
            ModelServer::OpenAi { base_url, api_key } => {
                let address = Address { base_url, api_key };
                Completions::ask(http, address, &endpoint.model, question, until).await.map(Self::OpenAi)
            }
            #[cfg(feature = "bedrock")]
            ModelServer::Bedrock(client) => Converse::ask(client, &endpoint.model, question).await.map(Self::Bedrock),
        }
    }

    fn draft(&mut self) -> &mut Draft {
        match self {
            Self::OpenAi(completions) => &mut completions.decoder.draft,
            #[cfg(feature = "bedrock")]
            Self::Bedrock(converse) => &mut converse.draft,
        }
    }

    /// Reads on. False if there is nothing to read from any more.
    async fn read(&mut self) -> bool {
        match self {
            Self::OpenAi(completions) => completions.read().await,
            #[cfg(feature = "bedrock")]
            Self::Bedrock(converse) => converse.read().await,
        }
    }

    fn hang_up(&mut self) {
        match self {
            Self::OpenAi(completions) => completions.hang_up(),
            #[cfg(feature = "bedrock")]
            Self::Bedrock(converse) => converse.hang_up(),
        }
    }
}

/// How long to wait for what comes next, and what it means if it does not. Only pieces of the answer count: a
/// server that merely says that it is alive is not answering.
fn limit(
    draft: &Draft,
    since: Instant,
    idle: Duration,
    (first_token, deadline): (Instant, Instant),
) -> (Instant, TimeoutKind) {
    let (limit, kind) = match draft {
        _ if draft.is_finished() => (since + TAIL.min(idle), TimeoutKind::Idle),
        _ if draft.has_begun() => (since + idle, TimeoutKind::Idle),
        _ => (first_token, TimeoutKind::FirstToken),
    };
    if deadline < limit { (deadline, TimeoutKind::Total) } else { (limit, kind) }
}
