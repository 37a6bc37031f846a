//! Messages in answers: what a message shows, and how many of them fit.

use crate::view::MessageView;
use domain::chat::Exchange;
use store::{StoreError, Tenant};

/// A Lambda answers 6 MB, and what is beside the messages is small.
const MAX_BYTES: usize = 5_500_000;

/// What is left of an answer's size.
pub(crate) struct Room {
    left: usize,
    empty: bool,
}

impl Room {
    /// All of an answer.
    pub(crate) fn new() -> Self {
        Self { left: MAX_BYTES, empty: true }
    }

    /// Takes a text, if it fits. The first one always does, so that paging never stands still.
    pub(crate) fn takes(&mut self, text: &str) -> bool {
        let rest = self.left.checked_sub(size(text));
        if rest.is_none() && !self.empty {
            return false;
        }
        self.left = rest.unwrap_or(0);
        self.empty = false;
        true
    }
}

/// Whether a text alone is too much for an answer.
pub(crate) fn is_too_large(text: &str) -> bool {
    size(text) > MAX_BYTES
}

/// Bytes of a text in a Lambda's answer, which is JSON that holds the body as one of its texts.
fn size(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// What an exchange shows. One whose answer is not over may still wait in the queue: its run says so.
pub(crate) async fn message(tenant: &Tenant, exchange: Exchange) -> Result<MessageView, StoreError> {
    let mut status = exchange.status();
    if exchange.outcome.is_none() {
        let run = tenant.run(&exchange.question.id).await?;
        if run.is_some_and(|run| run.owner.is_none()) {
            status = "queued";
        }
    }
    Ok(MessageView::new(exchange, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_that_of_the_text_in_json() {
        for text in ["", "plain", "\"quoted\" \\ \n\r\t", "\u{1}\u{1f}", "\u{e4}\u{1f600}", "{\"a\":\"b\\n\"}"] {
            assert_eq!(size(text) + 2, serde_json::to_string(text).unwrap().len(), "{text:?}");
        }
    }

    #[test]
    fn only_the_first_may_be_larger_than_the_room() {
        let mut room = Room::new();
        assert!(room.takes(&"x".repeat(MAX_BYTES - 5)) && room.takes("hello") && !room.takes("!"));
        let mut room = Room::new();
        assert!(room.takes(&"\"".repeat(MAX_BYTES)) && !room.takes("!") && room.takes(""));
    }
}
