//! The limits of a streamed response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// Which limit ended a stream.
#[derive(Debug, thiserror::Error)]
enum Limit {
    #[error("nothing came for too long")]
    Idle,
    #[error("the response took too long")]
    Total,
    #[error("the function's response broke off")]
    Source(#[source] axum::Error),
}

struct Limited {
    body: Body,
    idle_limit: Duration,
    idle: Pin<Box<Sleep>>,
    total: Pin<Box<Sleep>>,
}

/// The body, ended abruptly after a silence of `idle_limit` or at `deadline`.
pub(super) fn limited(body: Body, idle_limit: Duration, deadline: Instant) -> Body {
    Body::new(Limited {
        body,
        idle_limit,
        idle: Box::pin(sleep_until(Instant::now() + idle_limit)),
        total: Box::pin(sleep_until(deadline)),
    })
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.total.as_mut().poll(context).is_ready() {
            return broken(Limit::Total);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let next = Instant::now() + self.idle_limit;
            self.idle.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| axum::Error::new(Limit::Source(error)))));
        }
        ready!(self.idle.as_mut().poll(context));
        broken(Limit::Idle)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn broken(limit: Limit) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
    tracing::warn!(%limit, "a streamed response was cut");
    Poll::Ready(Some(Err(axum::Error::new(limit))))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt;

    use super::*;

    fn endless(pause: Duration) -> Body {
        Body::from_stream(stream::unfold((), move |()| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>("x"), ()))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_stream() {
        let start = Instant::now();
        let body =
            limited(endless(Duration::from_secs(301)), Duration::from_secs(300), start + Duration::from_secs(900));
        assert!(body.collect().await.is_err());
        assert_eq!(start.elapsed().as_secs(), 300);
    }

    #[tokio::test(start_paused = true)]
    async fn time_ends_the_stream_however_busy() {
        let start = Instant::now();
        let body = limited(endless(Duration::from_secs(1)), Duration::from_secs(300), start + Duration::from_secs(900));
        assert!(body.collect().await.is_err());
        assert_eq!(start.elapsed().as_secs(), 900);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ordinary_end_is_passed_on() {
        let body = limited(Body::from("all"), Duration::from_secs(300), Instant::now() + Duration::from_secs(900));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
    }
}
