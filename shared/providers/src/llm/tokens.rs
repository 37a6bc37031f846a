//! Counting tokens without a tokenizer, which would cost more than the rest of a function (llm.md 0).

use super::{ChatMessage, Part, Usage};
use crate::lenient;
use serde::Deserialize;

/// What a message costs besides its text.
const PER_MESSAGE: f64 = 4.0;
/// What an image costs, whatever its size: between the providers' prices for a small one and a large one.
const PER_IMAGE: f64 = 1000.0;

/// A guess at the tokens of a text, rather too high. For a text that is still coming see [`TokenEstimate`].
pub fn estimate_tokens(text: &str) -> u64 {
    rounded(estimate(text))
}

/// A guess at the tokens of a text that comes in pieces: the same, whatever the cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenEstimate(f64);

impl TokenEstimate {
    /// Takes the next piece.
    pub fn add(&mut self, text: &str) {
        self.0 += estimate(text);
    }

    /// The tokens so far, rounded up.
    pub fn tokens(self) -> u64 {
        rounded(self.0)
    }
}

/// A guess that is rather too high: about 1.35 times the tokens of English prose.
pub(super) fn estimate(text: &str) -> f64 {
    let weight = |c: char| match c {
        _ if c.is_ascii_alphabetic() => 0.25,
        _ if c.is_ascii() => 1.0 / 1.5,
        _ => 0.8,
    };
    text.chars().map(weight).sum()
}

/// A guess at what the model has to read.
pub(super) fn estimate_prompt(messages: &[ChatMessage]) -> f64 {
    let part = |part: &Part| match part {
        Part::Text(text) => estimate(text),
        Part::Image(_) => PER_IMAGE,
    };
    messages.iter().map(|message| message.content.iter().map(part).sum::<f64>() + PER_MESSAGE).sum()
}

/// What a server says about an answer. A zero is a number like any other.
#[derive(Clone, Copy, Deserialize, Default)]
#[serde(default)]
pub(super) struct UsageData {
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) completion_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) total_tokens: Option<u64>,
}

impl UsageData {
    /// Whether the server says anything at all.
    pub(super) fn is_empty(&self) -> bool {
        self.prompt_tokens.is_none() && self.completion_tokens.is_none() && self.total_tokens.is_none()
    }

    /// The server's numbers, and a guess where it gives none.
    pub(super) fn or_estimated(self, prompt: f64, completion: f64) -> Usage {
        let prompt_tokens = self.prompt_tokens.unwrap_or_else(|| rounded(prompt));
        let completion_tokens = self.completion_tokens.unwrap_or_else(|| rounded(completion));
        let sum = prompt_tokens.saturating_add(completion_tokens);
        let estimated = self.prompt_tokens.is_none() || self.completion_tokens.is_none();
        let total_tokens = self.total_tokens.filter(|_| !estimated).unwrap_or(sum);
        Usage { prompt_tokens, completion_tokens, total_tokens, estimated }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of weights: small and positive")]
pub(super) fn rounded(tokens: f64) -> u64 {
    // A sum of fractions misses a whole number by a hair, on either side.
    (tokens - 1e-6).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_is_a_number_and_a_gap_is_a_guess() {
        let read = |json: &str| serde_json::from_str::<UsageData>(json).unwrap();
        let usage = read(r#"{"prompt_tokens":7,"completion_tokens":0}"#).or_estimated(1.0, 99.0);
        assert_eq!(usage, Usage { prompt_tokens: 7, completion_tokens: 0, total_tokens: 7, estimated: false });
        let usage = read(r#"{"prompt_tokens":7.0,"completion_tokens":"3","total_tokens":12}"#).or_estimated(0.0, 0.0);
        assert_eq!(usage, Usage { prompt_tokens: 7, completion_tokens: 3, total_tokens: 12, estimated: false });
        let usage = read(r#"{"prompt_tokens":7,"completion_tokens":-1,"total_tokens":12}"#).or_estimated(0.0, 2.1);
        assert_eq!(usage, Usage { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, estimated: true });
        assert!(read("{}").is_empty() && !read(r#"{"total_tokens":0}"#).is_empty());
    }

    #[test]
    fn a_guess_is_near() {
        let prose = "The quick brown fox jumps over the lazy dog, and nobody knows why.";
        assert!((15.0..25.0).contains(&estimate(prose)), "{}", estimate(prose));
        let mut pieces = TokenEstimate::default();
        prose.split_inclusive(' ').for_each(|word| pieces.add(word));
        assert_eq!(pieces.tokens(), estimate_tokens(prose));
        assert_eq!((estimate_tokens(""), estimate_tokens("abcd"), estimate_tokens("abcde")), (0, 1, 2));
        assert!((4.0..9.0).contains(&estimate("自転車は直りました")));
    }
}
