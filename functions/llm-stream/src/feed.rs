//! A response that shows an answer: its updates as blocks, comments while nothing is said, and an eye on the viewer's token.

use crate::State;
use crate::making::Making;
use bytes::Bytes;
use conversations::chat::{Update, View};
use domain::chat::Question;
use domain::time::Timestamp;
use domain::user::Principal;
use futures_util::{Stream, stream};
use std::collections::VecDeque;
use std::time::Duration;
use store::now;
use tokio::time::Instant;
use web::{ApiError, Code, sse};

/// Time between two looks at the viewer's token (G13).
const TOKEN_CHECK: Duration = Duration::from_secs(1);

/// How updates are written.
pub(crate) trait Encoding: Send + 'static {
    /// The blocks of an update.
    fn update(&mut self, question: &Question, update: &Update) -> Vec<Bytes>;
    /// The end of the stream for a reason that is not the answer's.
    fn refused(&mut self, error: &ApiError, at: Timestamp) -> Vec<Bytes>;
}

/// A response under way.
pub(crate) struct Feed<E> {
    state: State,
    viewer: Principal,
    view: View,
    /// The making of the answer, where it is this function's.
    making: Option<Making>,
    encoding: E,
    ready: VecDeque<Bytes>,
    /// Whether nothing more may be shown; the answer is still waited for.
    muted: bool,
    over: bool,
    next_ping: Instant,
    next_check: Instant,
}

impl<E: Encoding> Feed<E> {
    /// A response that begins with some blocks.
    pub(crate) fn new(
        state: State,
        viewer: Principal,
        view: View,
        making: Option<Making>,
        encoding: E,
        first: impl IntoIterator<Item = Bytes>,
    ) -> Self {
        let start = Instant::now();
        let next_ping = start + state.ping;
        let ready = first.into_iter().collect();
        let next_check = start + TOKEN_CHECK;
        Self { state, viewer, view, making, encoding, ready, muted: false, over: false, next_ping, next_check }
    }

    /// The response's blocks. The last one comes when all work on the answer is done.
    pub(crate) fn blocks(self) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::unfold(self, |mut feed| async move {
            let block = feed.next().await?;
            Some((block, feed))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(block) = self.ready.pop_front() {
                return Some(block);
            }
            if self.over {
                if let Some(making) = self.making.take() {
                    making.finish().await;
                }
                return None;
            }
            self.step().await;
        }
    }

    async fn step(&mut self) {
        // A token that was refused is not looked at again.
        let timer = if self.muted { self.next_ping } else { self.next_ping.min(self.next_check) };
        let blocks = tokio::select! {
            // First: updates may be always ready.
            biased;
            () = tokio::time::sleep_until(timer) => self.look().await,
            update = self.view.next() => match update {
                Ok(Some(update)) => {
                    self.next_ping = Instant::now() + self.state.ping;
                    self.encoding.update(self.view.question(), &update)
                }
                Ok(None) => {
                    self.over = true;
                    return;
                }
                Err(error) => {
                    self.over = true;
                    self.encoding.refused(&ApiError::from(error), now())
                }
            },
        };
        if !self.muted {
            self.ready.extend(blocks);
        }
    }

    async fn look(&mut self) -> Vec<Bytes> {
        let time = Instant::now();
        let mut blocks = Vec::new();
        if self.next_ping <= time {
            self.next_ping = time + self.state.ping;
            blocks.push(sse::comment("ping"));
        }
        if self.next_check <= time && !self.muted {
            self.next_check = time + TOKEN_CHECK;
            // A passing fault of the table is no reason to cut a stream.
            let ended = matches!(self.state.chats.store.token_stands(&self.viewer).await, Ok(false));
            if ended {
                blocks.extend(self.encoding.refused(&Code::InvalidToken.into(), now()));
                self.ready.extend(std::mem::take(&mut blocks));
                self.muted = true;
                // Without an answer to wait for, this is the end.
                self.over = self.making.is_none();
            }
        }
        blocks
    }
}
