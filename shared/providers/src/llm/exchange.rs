//! One request to one server, and the reading of its answer under time limits.

use super::decoder::Decoder;
use super::openai::{Body, Dialect};
use super::problem::{Problem, retry_after};
use super::{ChatRequest, Delta, Endpoint, Limits, LlmError, TimeoutKind};
use crate::http;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Response};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The longest answer that does not come as a stream.
const MAX_WHOLE: usize = 4 * 1024 * 1024;
/// The longest complaint.
const MAX_PROBLEM: usize = 64 * 1024;
/// How long to wait for the count after the answer is over.
const TAIL: Duration = Duration::from_secs(2);

/// An answer that is being read.
pub(super) struct Exchange {
    /// Gone once nothing more is needed from it, which hangs up.
    response: Option<Response>,
    decoder: Decoder,
    idle: Duration,
    first_token: Instant,
    deadline: Instant,
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
        (request, dialect): (&ChatRequest, Dialect),
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let first_token = now + limits.connect + limits.first_token;
        let asking = ask(http, endpoint, Body::new(&endpoint.model, request, dialect));
        let response = match timeout_at(first_token.min(deadline), asking).await {
            Ok(response) => response?,
            Err(_) if deadline < first_token => return Err(LlmError::Timeout(TimeoutKind::Total).into()),
            Err(_) => return Err(LlmError::Timeout(TimeoutKind::FirstToken).into()),
        };
        let mut exchange =
            Self { response: Some(response), decoder: Decoder::new(request), idle: limits.idle, first_token, deadline };
        exchange.check_status(dialect).await?;
        match exchange.next().await {
            Some(Ok(delta)) => exchange.decoder.put_back(delta),
            Some(Err(error)) => return Err(error.into()),
            None => return Err(LlmError::Unavailable.into()),
        }
        Ok(exchange)
    }

    /// The model's name, as the server has it.
    pub(super) fn model(&self) -> Option<&str> {
        self.decoder.model()
    }

    /// The next piece of the answer.
    pub(super) async fn next(&mut self) -> Option<Result<Delta, LlmError>> {
        // A slow reader is not a slow server: the wait begins when we begin to wait.
        let since = Instant::now();
        loop {
            if let Some(piece) = self.decoder.next() {
                return Some(piece);
            }
            let response = self.response.as_mut()?;
            let (limit, kind) = limit(&self.decoder, since, self.idle, (self.first_token, self.deadline));
            match timeout_at(limit, read(response)).await {
                Ok(Read::More(bytes)) => self.decoder.push(&bytes),
                Ok(Read::Whole(body)) => self.decoder.whole(&body),
                Ok(Read::Over) => self.decoder.end(),
                Err(_) => self.decoder.late(kind),
            }
            if self.decoder.is_done() {
                self.response = None;
            }
        }
    }

    /// Reads the complaint of a server that refuses.
    async fn check_status(&mut self, dialect: Dialect) -> Result<(), Failure> {
        let Some(status) = self.response.as_ref().map(|response| response.status().as_u16()) else {
            return Ok(());
        };
        if (200..300).contains(&status) {
            return Ok(());
        }
        let Some(response) = self.response.take() else { return Ok(()) };
        let retry_after = retry_after(response.headers());
        let limit = self.first_token.min(self.deadline);
        let body = timeout_at(limit, http::body(response, MAX_PROBLEM)).await;
        let problem = Problem::of_body(&body.ok().and_then(Result::ok).unwrap_or_default());
        let error = problem.classify(status, retry_after);
        let instead = (matches!(status, 400 | 422) && error == LlmError::BadRequest)
            .then(|| dialect.without(problem.message()))
            .flatten();
        Err(Failure { error, reached: true, instead })
    }
}

/// How long to wait for what comes next, and what it means if it does not. Only pieces of the answer count: a
/// server that merely says that it is alive is not answering.
fn limit(
    decoder: &Decoder,
    since: Instant,
    idle: Duration,
    (first_token, deadline): (Instant, Instant),
) -> (Instant, TimeoutKind) {
    let (limit, kind) = match decoder {
        _ if decoder.is_finished() => (since + TAIL.min(idle), TimeoutKind::Idle),
        _ if decoder.has_begun() => (since + idle, TimeoutKind::Idle),
        _ => (first_token, TimeoutKind::FirstToken),
    };
    if deadline < limit { (deadline, TimeoutKind::Total) } else { (limit, kind) }
}

enum Read {
    More(bytes::Bytes),
    Whole(Vec<u8>),
    Over,
}

/// The next bytes. A server that does not stream is read to its end: its answer is one piece.
async fn read(response: &mut Response) -> Read {
    if is_stream(response) {
        return match response.chunk().await {
            Ok(Some(bytes)) => Read::More(bytes),
            Ok(None) | Err(_) => Read::Over,
        };
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > MAX_WHOLE {
            return Read::Over;
        }
        body.extend_from_slice(&chunk);
    }
    Read::Whole(body)
}

fn is_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

async fn ask(http: &Client, endpoint: &Endpoint, body: Body<'_>) -> Result<Response, Failure> {
    let url = format!("{}/chat/completions", endpoint.base_url.trim_end_matches('/'));
    let mut request = http.post(url).header(ACCEPT, "text/event-stream").json(&body);
    if !endpoint.api_key.is_empty() {
        request = request.bearer_auth(endpoint.api_key.expose());
    }
    request.send().await.map_err(|error| Failure {
        error: match error {
            _ if error.is_connect() && error.is_timeout() => LlmError::Timeout(TimeoutKind::Connect),
            // A key or address that no request can carry.
            _ if error.is_builder() => LlmError::BadRequest,
            _ => LlmError::Unavailable,
        },
        reached: !error.is_connect(),
        instead: None,
    })
}
