//! Keeps from the SDK the one kind of event that it may not understand and we do not need.
//!
//! Of `contentBlockStart` the SDK knows tools and images only; a server that announces plain text so ends the whole answer
//! there (llm.md 1). Frames: <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use aws_sdk_bedrockruntime::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_bedrockruntime::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_bedrockruntime::error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The header that names such an event: its length, its name, that it is a text, the text's length, the text.
const BLOCK_START: &[u8] = b"\x0b:event-type\x07\x00\x11contentBlockStart";
/// Lengths of the whole frame and of its headers, and a checksum of both.
const PRELUDE: usize = 12;
/// A longer frame is not looked at, nor what follows it.
const MAX_FRAME: usize = 1024 * 1024;

/// Leaves these events out of what the SDK reads.
#[derive(Debug)]
pub(super) struct WithoutBlockStarts;

impl Intercept for WithoutBlockStarts {
    fn name(&self) -> &'static str {
        "WithoutBlockStarts"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            let filter = Filter { body: response.take_body(), sieve: Sieve::default() };
            *response.body_mut() = SdkBody::from_body_1_x(filter);
        }
        Ok(())
    }
}

/// A body without them.
struct Filter {
    body: SdkBody,
    sieve: Sieve,
}

impl Body for Filter {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let kept = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.sieve.push(&data),
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // The rest of a frame that was cut: the SDK is to see the cut.
                None if self.sieve.held.is_empty() => return Poll::Ready(None),
                None => std::mem::take(&mut self.sieve.held).freeze(),
            };
            if !kept.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(kept))));
            }
        }
    }
}

#[derive(Default)]
struct Sieve {
    held: BytesMut,
    /// What came cannot be frames: the SDK will say so.
    blind: bool,
}

impl Sieve {
    /// Takes bytes, gives those that are to be read.
    fn push(&mut self, data: &[u8]) -> Bytes {
        self.held.extend_from_slice(data);
        let mut kept = BytesMut::new();
        while let Some(length) = self.frame() {
            let frame = self.held.split_to(length);
            if !is_block_start(&frame) {
                kept.unsplit(frame);
            }
        }
        if self.blind {
            kept.unsplit(self.held.split());
        }
        kept.freeze()
    }

    /// The length of the next frame, if it is there.
    fn frame(&mut self) -> Option<usize> {
        let mut prelude = self.held.get(..PRELUDE).filter(|_| !self.blind)?;
        let length = usize::try_from(prelude.get_u32()).unwrap_or(usize::MAX);
        self.blind = !(PRELUDE..=MAX_FRAME).contains(&length);
        (!self.blind && self.held.len() >= length).then_some(length)
    }
}

fn is_block_start(frame: &[u8]) -> bool {
    let length = frame.get(4..8).map_or(0, |mut bytes| bytes.get_u32());
    let end = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(PRELUDE);
    let headers = frame.get(PRELUDE..end).unwrap_or_default();
    headers.windows(BLOCK_START.len()).any(|window| window == BLOCK_START)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(event: &str, payload: &str) -> Vec<u8> {
        let kind = u8::try_from(event.len()).unwrap();
        let headers = [b"\x0b:event-type\x07\x00", [kind].as_slice(), event.as_bytes()].concat();
        let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
        let sizes = [length(PRELUDE + headers.len() + payload.len() + 4), length(headers.len())].concat();
        [&sizes, b"crc1".as_slice(), &headers, payload.as_bytes(), b"crc2"].concat()
    }

    fn sift(pieces: &[&[u8]]) -> (Vec<u8>, usize) {
        let mut sieve = Sieve::default();
        let kept = pieces.iter().flat_map(|piece| sieve.push(piece)).collect();
        (kept, sieve.held.len())
    }

    #[test]
    fn what_is_no_frame_goes_through() {
        for text in [&b"<html>It works, more or less!"[..], &[0xff; 40], &[0; 40]] {
            assert_eq!(sift(&[text, b"more"]), ([text, b"more"].concat(), 0));
        }
        assert_eq!(sift(&[b"short"]), (vec![], 5), "and what is cut is kept for the end");
    }

    proptest! {
        #[test]
        fn only_these_events_are_left_out_in_any_cut(
            order in prop::collection::vec(0usize..3, 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            // The name in a payload, or in part, is not the name of the event.
            let frames = [frame("contentBlockStart", "{}"), frame("contentBlockDelta", "\x0b:event-type\x07\x00\x11contentBlockStart"), frame("contentBlock", "x")];
            let all: Vec<u8> = order.iter().flat_map(|index| frames[*index].clone()).collect();
            let kept: Vec<u8> = order.iter().filter(|index| **index > 0).flat_map(|index| frames[*index].clone()).collect();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(all.len() + 1)).collect();
            at.extend([0, all.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &all[pair[0]..pair[1]]).collect();
            prop_assert_eq!(sift(&pieces), (kept, 0));
        }

        #[test]
        fn nothing_panics(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
            sift(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
