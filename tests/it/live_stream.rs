//! Conversations over server-sent events: seed A's named stream, seed B's unnamed one, and who may go on reading.

mod access;
mod contact;
mod framing;
mod named;
mod raw;

use crate::support::sse::{Block, Sse};
use std::time::{Duration, Instant};

/// Within this an open stream ends when its viewer's access does (G13).
const SOON: Duration = Duration::from_secs(2);

/// The rest of a stream until its end.
async fn rest(stream: &mut Sse) -> Vec<Block> {
    let mut blocks = Vec::new();
    while let Some(block) = stream.next().await {
        blocks.push(block);
    }
    blocks
}

/// The last block of a stream that must end soon after `since`.
async fn last_words(stream: &mut Sse, since: Instant) -> Block {
    let blocks = rest(stream).await;
    let elapsed = since.elapsed();
    assert!(elapsed < SOON, "the stream went on for {elapsed:?}");
    blocks.into_iter().last().unwrap()
}
