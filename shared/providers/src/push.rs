//! Frames to WebSocket clients, through API Gateway's `@connections` (protocols.md 3.4).

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::http::HttpResponse;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use domain::ids::ConnectionId;
use std::error::Error;
use std::future::Future;
use std::time::Duration;

/// One stuck socket must not hold up everybody behind it in the stream.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why a frame did not reach a connection.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The client has left: forget the connection.
    #[error("the connection is gone")]
    Gone,
    /// Too many requests, or the client reads too slowly: again soon, then give up on it.
    #[error("the connection takes no more for now")]
    Throttled,
    /// The frame is larger than 128 KB.
    #[error("the frame is too large")]
    TooLarge,
    /// Wrong endpoint or stage, or a missing permission.
    #[error("posting to connections is not allowed")]
    Forbidden,
    /// Anything else.
    #[error("the frame could not be posted")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// Posts to the connections of one WebSocket API.
#[derive(Clone, Debug)]
pub struct Push {
    client: Client,
}

impl Push {
    /// Takes a client whose endpoint is the API's `https://…/stage`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends one frame.
    pub async fn send(&self, id: &ConnectionId, frame: &[u8]) -> Result<(), PushError> {
        let post = self.client.post_to_connection().connection_id(id.as_str()).data(Blob::new(frame));
        in_time(post.send()).await
    }

    /// Closes a connection from our side.
    pub async fn close(&self, id: &ConnectionId) -> Result<(), PushError> {
        in_time(self.client.delete_connection().connection_id(id.as_str()).send()).await
    }
}

async fn in_time<T, E>(call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>) -> Result<(), PushError>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(classify(error)),
        Err(elapsed) => Err(PushError::Failed(elapsed.into())),
    }
}

/// The status decides: the SDK knows its exceptions only by a header or body field that a bare 410 does not have.
fn classify<E>(error: SdkError<E, HttpResponse>) -> PushError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (status, error.code()) {
        (Some(410), _) | (_, Some("GoneException")) => PushError::Gone,
        (Some(429), _) | (_, Some("LimitExceededException")) => PushError::Throttled,
        (Some(413), _) | (_, Some("PayloadTooLargeException")) => PushError::TooLarge,
        (Some(403), _) | (_, Some("ForbiddenException")) => PushError::Forbidden,
        _ => PushError::Failed(error.into()),
    }
}

#[cfg(test)]
#[path = "push_tests.rs"]
mod tests;
