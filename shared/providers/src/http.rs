//! The HTTP client of every provider that has no SDK: one connection pool, one TLS stack (ring, bundled roots).

use crate::error::{ErrorKind, Provider, ProviderError};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use std::error::Error;
use std::sync::LazyLock;
use std::time::Duration;

/// Beyond this a server is as good as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Shorter than the time after which servers and load balancers hang up on their side.
const POOL_IDLE: Duration = Duration::from_secs(20);

static CLIENT: LazyLock<Client> = LazyLock::new(|| build(|client| client));

/// The process's client; clones share its connections. Every request sets its own time-out.
pub fn client() -> Client {
    CLIENT.clone()
}

/// A client with more settings than all have.
#[expect(clippy::expect_used, reason = "the settings are constants: what builds once always builds")]
pub(crate) fn build(more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    let client = Client::builder()
        .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        // A redirect would carry credentials and texts to a host that nobody configured; so would a proxy.
        .redirect(Policy::none())
        .no_proxy();
    more(client).build().expect("the HTTP client's settings are valid")
}

/// An answer's body, or why there is none. No provider's answer needs more than `limit` bytes.
pub(crate) async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Broken(error.without_url()))? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why an answer could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
    #[error("the answer is too long")]
    TooLong,
}

/// A failed request as a provider's failure. URLs hold account ids and numbers, so they are taken out.
pub(crate) fn failure(provider: Provider, error: reqwest::Error) -> ProviderError {
    ProviderError::new(provider, kind(&error), error.without_url())
}

/// A broken answer as a provider's failure.
pub(crate) fn unread(provider: Provider, error: BodyError) -> ProviderError {
    let kind = match &error {
        BodyError::Broken(cause) => kind(cause),
        BodyError::TooLong => ErrorKind::Unavailable,
    };
    ProviderError::new(provider, kind, error)
}

fn kind(error: &reqwest::Error) -> ErrorKind {
    match error {
        _ if error.is_timeout() => ErrorKind::TimedOut,
        _ if error.is_builder() => ErrorKind::Rejected,
        _ => ErrorKind::Unavailable,
    }
}

/// A base URL as paths are appended to it.
pub(crate) fn base_url(text: impl Into<String>) -> String {
    let mut text = text.into();
    text.truncate(text.trim_end_matches('/').len());
    text
}

/// An HTTP status as the cause of a failure, with the provider's own code where it gave one.
pub(crate) fn status_cause(status: u16, code: Option<&str>) -> Box<dyn Error + Send + Sync> {
    match code {
        Some(code) => format!("HTTP {status}, code {code}").into(),
        None => format!("HTTP {status}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_tests::{Server, Step};

    #[tokio::test]
    async fn a_redirect_is_an_answer_like_any_other() {
        let redirect = b"HTTP/1.1 307 x\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_vec();
        let server = Server::playing(vec![vec![Step::Send(redirect)]]);
        assert_eq!(client().get(&server.url).send().await.unwrap().status(), 307);
        assert!(server.request().contains("user-agent: switchboard/"));
    }

    #[tokio::test]
    async fn tls_is_spoken_and_its_failure_is_one_to_connect() {
        let server = Server::playing(vec![vec![]]);
        let url = server.url.replace("http://", "https://");
        let error = client().get(url).timeout(Duration::from_secs(1)).send().await.unwrap_err();
        assert!(!error.is_builder(), "{error:?}");
        assert!(!failure(Provider::Llm, error).source.to_string().contains("127.0.0.1"));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_kept() {
        let flood = Step::Send(b"HTTP/1.1 200 x\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_vec());
        let server = Server::playing(vec![vec![flood, Step::Hold]]);
        let response = client().get(&server.url).send().await.unwrap();
        assert!(matches!(body(response, 16).await, Err(BodyError::TooLong)));
    }
}
