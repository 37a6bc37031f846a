//! One request to one OpenAI-compatible server.

use super::chat::{Endpoint, Source};
use super::decoder::Decoder;
use super::exchange::{Failure, Question};
use super::openai::Body;
use super::problem::{Problem, retry_after};
use super::{LlmError, TimeoutKind};
use crate::http;
use domain::secret::Secret;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Response};
use tokio::time::{Instant, timeout_at};

/// The longest answer that does not come as a stream.
const MAX_WHOLE: usize = 4 * 1024 * 1024;
/// The longest complaint.
const MAX_PROBLEM: usize = 64 * 1024;

/// An answer that is being read.
pub(super) struct Completions {
    /// Gone once nothing more is needed from it, which hangs up.
    response: Option<Response>,
    pub(super) decoder: Decoder,
}

/// Where to ask, and as whom.
pub(super) struct Address<'a> {
    pub(super) base_url: &'a str,
    pub(super) api_key: &'a Secret,
}

impl Completions {
    /// Asks. A server that refuses may take until the given time to say why.
    pub(super) async fn ask(
        http: &Client,
        address: Address<'_>,
        model: &str,
        question: Question<'_>,
        until: Instant,
    ) -> Result<Self, Failure> {
        let url = format!("{}/chat/completions", address.base_url.trim_end_matches('/'));
        let body = Body::new(model, question.request, question.dialect);
        let mut request = http.post(url).header(ACCEPT, "text/event-stream").json(&body);
        if !address.api_key.is_empty() {
            request = request.bearer_auth(address.api_key.expose());
        }
        let response = request.send().await.map_err(|error| unreached(&error))?;
        if !response.status().is_success() {
            return Err(refused(response, question, until).await);
        }
        Ok(Self { response: Some(response), decoder: Decoder::new(question.request) })
    }

    /// What the server says of itself, now that its answer has begun.
    pub(super) fn source(&self, endpoint: &Endpoint) -> Source {
        Source {
            provider: endpoint.name.clone(),
            model: self.decoder.model().unwrap_or(&endpoint.model).to_owned(),
            response_id: self.decoder.id().map(str::to_owned),
        }
    }

    /// Reads on. False if there is nothing to read from any more.
    pub(super) async fn read(&mut self) -> bool {
        let Some(response) = &mut self.response else { return false };
        match read(response).await {
            Read::More(bytes) => self.decoder.push(&bytes),
            Read::Whole(body) => self.decoder.whole(&body),
            Read::Over => self.decoder.end(),
        }
        true
    }

    pub(super) fn hang_up(&mut self) {
        self.response = None;
    }
}

enum Read {
    More(bytes::Bytes),
    Whole(Vec<u8>),
    Over,
}

/// The next bytes. A server that does not stream is read to its end: its answer is one piece.
async fn read(response: &mut Response) -> Read {
    if is_stream(response.headers()) {
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

fn is_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

fn unreached(error: &reqwest::Error) -> Failure {
    let reached = !error.is_connect();
    let error = match error {
        _ if error.is_connect() && error.is_timeout() => LlmError::Timeout(TimeoutKind::Connect),
        // A key or address that no request can carry.
        _ if error.is_builder() => LlmError::BadRequest,
        _ => LlmError::Unavailable,
    };
    Failure { error, reached, instead: None }
}

/// The complaint of a server that refuses.
async fn refused(response: Response, question: Question<'_>, until: Instant) -> Failure {
    let status = response.status().as_u16();
    let retry_after = retry_after(|name| response.headers().get(name)?.to_str().ok());
    let body = timeout_at(until, http::body(response, MAX_PROBLEM)).await;
    let problem = Problem::of_body(&body.ok().and_then(Result::ok).unwrap_or_default());
    let error = problem.classify(status, retry_after);
    let instead = (matches!(status, 400 | 422) && error == LlmError::BadRequest)
        .then(|| question.dialect.without(problem.message()))
        .flatten();
    Failure { error, reached: true, instead }
}
