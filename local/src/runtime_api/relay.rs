//! Passes a streamed response from the function on to whoever waits for it.

use ::http::HeaderMap;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};

use super::prelude::{self, Split, Splitter};
use super::{InvokeError, StreamingResponse};

/// Chunks of a streamed response that wait for a slow client before the function has to.
const RELAY_BUFFER: usize = 16;

/// A part of a streamed body. The end is explicit, so that a body that merely stops is seen as broken.
enum Piece {
    Data(Bytes),
    End,
}

/// Passes a streamed response on, and goes on reading when nobody listens any more. `reply` is taken when the head is
/// complete.
pub(super) async fn relay(
    mut body: Body,
    reply: &mut Option<oneshot::Sender<Result<StreamingResponse, InvokeError>>>,
) -> Result<(), InvokeError> {
    let (head, rest) = head(&mut body).await?;
    let Some((status, headers)) = prelude::parse(&head) else {
        return Err(malformed());
    };
    let (sender, receiver) = mpsc::channel(RELAY_BUFFER);
    if let Some(reply) = reply.take() {
        let body = stream_of(receiver);
        let _ = reply.send(Ok(StreamingResponse { status: status.as_u16(), headers, body }));
    }
    let mut sender = Some(sender);
    if !rest.is_empty() {
        pass_on(&mut sender, Piece::Data(rest)).await;
    }
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| InvokeError::Crashed)?.into_data() {
            Ok(data) => pass_on(&mut sender, Piece::Data(data)).await,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                if let Some(error_type) = error_type(&trailers) {
                    return Err(InvokeError::FunctionError { error_type, message: String::new() });
                }
            }
        }
    }
    pass_on(&mut sender, Piece::End).await;
    Ok(())
}

async fn head(body: &mut Body) -> Result<(Bytes, Bytes), InvokeError> {
    let mut splitter = Splitter::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| InvokeError::Crashed)?.into_data() else {
            continue;
        };
        match splitter.push(data) {
            Split::Incomplete => {}
            Split::Complete { head, rest } => return Ok((head, rest)),
            Split::TooLong => break,
        }
    }
    Err(malformed())
}

/// Lambda does not tell a function that its client is gone, so a closed channel only means to stop sending.
async fn pass_on(sender: &mut Option<mpsc::Sender<Piece>>, piece: Piece) {
    if let Some(open) = sender
        && open.send(piece).await.is_err()
    {
        *sender = None;
    }
}

fn stream_of(receiver: mpsc::Receiver<Piece>) -> Body {
    Body::from_stream(stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Data(data)) => Some((Ok(data), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(InvokeError::Crashed), None)),
        }
    }))
}

fn malformed() -> InvokeError {
    InvokeError::FunctionError {
        error_type: "Runtime.InvalidStreamingResponse".to_owned(),
        message: "the response does not begin with status and headers followed by eight NUL bytes".to_owned(),
    }
}

/// The error that a runtime names in its headers or trailers.
pub(super) fn error_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("lambda-runtime-function-error-type")?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
