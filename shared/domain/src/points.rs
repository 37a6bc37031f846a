//! Points: what answers cost, and what people and organizations may spend (C11, G6, G7).

use serde::{Deserialize, Serialize};

/// 150 tokens are 5 points, as in seed C.
pub const TOKENS_PER_POINT: u32 = 30;
/// The longest answer asked for when nobody says (C02).
pub const DEFAULT_MAX_TOKENS: u32 = 5000;

/// How the people of an organization may use the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AiSettings {
    /// Tokens that one point buys; at least 1.
    pub tokens_per_point: u32,
    /// Points of a person who begins.
    pub starting_points: u64,
    /// Points all people together may spend in a calendar month (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_points: Option<u64>,
    /// The longest answer anybody may ask for, in tokens.
    pub max_tokens: u32,
    /// Answers that one person may have under way at once.
    pub answers_at_once: u32,
    /// Whether an answer may be given again to the same question, where nothing personal is in it (C12).
    pub cache: bool,
    /// What the organization tells the model in chats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
}

impl Default for AiSettings {
    fn default() -> Self {
        Self {
            tokens_per_point: TOKENS_PER_POINT,
            starting_points: 10_000,
            monthly_points: None,
            max_tokens: 16_000,
            answers_at_once: 3,
            cache: true,
            instructions: None,
        }
    }
}

impl AiSettings {
    /// The longest answer for a request that asks for so much, or for nothing.
    pub fn clamp_tokens(&self, asked: Option<u32>) -> u32 {
        asked.unwrap_or(DEFAULT_MAX_TOKENS).clamp(1, self.max_tokens.max(1))
    }
}

/// What so many tokens cost: begun points count.
pub fn price(tokens: u64, tokens_per_point: u32) -> u64 {
    tokens.div_ceil(u64::from(tokens_per_point.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_seeds_example_and_the_edges() {
        assert_eq!(price(150, TOKENS_PER_POINT), 5);
        assert_eq!((price(0, 30), price(1, 30), price(31, 30), price(7, 0)), (0, 1, 2, 7));
        let settings = AiSettings { max_tokens: 800, ..AiSettings::default() };
        assert_eq!([None, Some(0), Some(7), Some(9000)].map(|asked| settings.clamp_tokens(asked)), [800, 1, 7, 800]);
    }

    proptest! {
        #[test]
        fn more_tokens_never_cost_less(tokens in 0..u64::MAX / 2, more in 0..1_000_000_u64, per in 1..10_000_u32) {
            prop_assert!(price(tokens, per) <= price(tokens + more, per));
        }
    }
}
