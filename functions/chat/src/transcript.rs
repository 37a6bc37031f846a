//! What there is of an answer, cut into frames of any beginning.

use conversations::chat::frames;

/// Bytes of text in a frame, as JSON: with what surrounds it, a frame stays within what counts as one message.
const FRAME: usize = 28 * 1024;

/// The tokens of an answer so far.
#[derive(Default)]
pub(crate) struct Transcript {
    text: String,
    /// Where each token ends: in the text, and in its JSON.
    ends: Vec<(usize, usize)>,
}

impl Transcript {
    pub(crate) fn push(&mut self, token: &str) {
        let size = self.ends.last().map_or(0, |(_, size)| *size);
        self.text.push_str(token);
        self.ends.push((self.text.len(), size + frames::size(token)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What of the tokens after the first `told` fits into a frame, at least one; and how many are told with it.
    pub(crate) fn after(&self, told: usize) -> Option<(&str, usize)> {
        let rest = self.ends.get(told..).filter(|rest| !rest.is_empty())?;
        let (start, size) = told.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        let count = rest.partition_point(|(_, end)| end - size <= FRAME).max(1);
        let (end, _) = rest.get(count - 1)?;
        Some((self.text.get(start..*end)?, told + count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_new_is_no_frame() {
        let mut transcript = Transcript::default();
        assert!(transcript.is_empty() && transcript.after(0).is_none());
        transcript.push("It ");
        transcript.push("is 4.");
        assert_eq!(transcript.after(0), Some(("It is 4.", 2)));
        assert_eq!(transcript.after(1), Some(("is 4.", 2)));
        assert_eq!((transcript.after(2), transcript.after(9), transcript.len()), (None, None, 2));
    }

    proptest! {
        #[test]
        fn frames_from_anywhere_are_the_rest_and_fit(
            tokens in prop::collection::vec("[a\"\u{1}\u{e9}\u{1f600}]{1,3}", 1..60),
            times in 1_usize..400,
            from in 0_usize..60,
        ) {
            let tokens: Vec<String> = tokens.iter().map(|token| token.repeat(times)).collect();
            let mut transcript = Transcript::default();
            tokens.iter().for_each(|token| transcript.push(token));
            let from = from.min(tokens.len());
            let (mut told, mut text) = (from, String::new());
            while let Some((part, next)) = transcript.after(told) {
                prop_assert!(next > told);
                prop_assert!(frames::size(part) <= FRAME || next == told + 1);
                text.push_str(part);
                told = next;
            }
            prop_assert_eq!((told, text), (tokens.len(), tokens[from..].concat()));
        }
    }
}
