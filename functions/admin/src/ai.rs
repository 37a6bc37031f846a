//! How the organization's people may use the model, as part of its settings (C11, G7).

use domain::points::AiSettings;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use web::ApiError;
use web::extract::given;

/// Most points of one number: what is summed of them still fits every client's integers.
pub(crate) const MAX_POINTS: u64 = 1_000_000_000;
const MAX_INSTRUCTIONS: usize = 4000;

#[derive(Debug, Serialize)]
pub(crate) struct AiView {
    tokens_per_point: u32,
    starting_points: u64,
    monthly_points: Option<u64>,
    max_tokens: u32,
    answers_at_once: u32,
    cache: bool,
    instructions: Option<String>,
}

/// What is left out stays as it is; `null` removes, where there may be none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AiRequest {
    tokens_per_point: Option<u32>,
    starting_points: Option<u64>,
    #[serde(deserialize_with = "given")]
    monthly_points: Option<Option<u64>>,
    max_tokens: Option<u32>,
    answers_at_once: Option<u32>,
    cache: Option<bool>,
    #[serde(deserialize_with = "given")]
    instructions: Option<Option<String>>,
}

impl AiRequest {
    pub(crate) fn apply(self, ai: AiSettings) -> Result<AiSettings, ApiError> {
        // Only what is given is checked: what is there stays, whoever set it.
        within("tokens_per_point", self.tokens_per_point, 1..=1_000_000)?;
        within("starting_points", self.starting_points, 0..=MAX_POINTS)?;
        within("monthly_points", self.monthly_points.flatten(), 0..=MAX_POINTS)?;
        within("max_tokens", self.max_tokens, 1..=200_000)?;
        within("answers_at_once", self.answers_at_once, 1..=50)?;
        let given = self.instructions.map(|text| text.filter(|text| !text.trim().is_empty()));
        if given.iter().flatten().any(|text| text.chars().count() > MAX_INSTRUCTIONS) {
            return Err(ApiError::invalid(format!("ai.instructions has more than {MAX_INSTRUCTIONS} characters")));
        }
        Ok(AiSettings {
            tokens_per_point: self.tokens_per_point.unwrap_or(ai.tokens_per_point),
            starting_points: self.starting_points.unwrap_or(ai.starting_points),
            monthly_points: self.monthly_points.unwrap_or(ai.monthly_points),
            max_tokens: self.max_tokens.unwrap_or(ai.max_tokens),
            answers_at_once: self.answers_at_once.unwrap_or(ai.answers_at_once),
            cache: self.cache.unwrap_or(ai.cache),
            instructions: given.unwrap_or(ai.instructions),
        })
    }
}

fn within(field: &str, given: Option<impl Into<u64>>, range: RangeInclusive<u64>) -> Result<(), ApiError> {
    if given.is_none_or(|value| range.contains(&value.into())) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("ai.{field} must be between {} and {}", range.start(), range.end())))
}

impl From<AiSettings> for AiView {
    fn from(ai: AiSettings) -> Self {
        Self {
            tokens_per_point: ai.tokens_per_point,
            starting_points: ai.starting_points,
            monthly_points: ai.monthly_points,
            max_tokens: ai.max_tokens,
            answers_at_once: ai.answers_at_once,
            cache: ai.cache,
            instructions: ai.instructions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(json: &str) -> Result<AiSettings, ApiError> {
        serde_json::from_str::<AiRequest>(json).unwrap().apply(AiSettings {
            monthly_points: Some(7),
            instructions: Some("Be brief.".to_owned()),
            ..AiSettings::default()
        })
    }

    #[test]
    fn what_is_left_out_stays_and_null_removes() {
        let same = patched("{}").unwrap();
        assert_eq!((same.monthly_points, same.instructions.as_deref()), (Some(7), Some("Be brief.")));
        assert_eq!(same.tokens_per_point, AiSettings::default().tokens_per_point);
        let changed = patched(r#"{"monthly_points": null, "instructions": null, "cache": false}"#).unwrap();
        assert_eq!((changed.monthly_points, changed.instructions, changed.cache), (None, None, false));
        assert_eq!(patched(r#"{"instructions": " "}"#).unwrap().instructions, None);
        let beyond = AiSettings { answers_at_once: 300, ..AiSettings::default() };
        assert_eq!(AiRequest::default().apply(beyond).unwrap().answers_at_once, 300);
    }

    #[test]
    fn numbers_and_texts_have_limits() {
        for (field, least, most) in [
            ("tokens_per_point", 1, 1_000_000),
            ("starting_points", 0, MAX_POINTS),
            ("monthly_points", 0, MAX_POINTS),
            ("max_tokens", 1, 200_000),
            ("answers_at_once", 1, 50),
        ] {
            let with = |value: u64| patched(&format!(r#"{{"{field}": {value}}}"#));
            assert!(with(least).is_ok() && with(most).is_ok(), "{field}");
            assert!(with(most + 1).is_err() && (least == 0 || with(least - 1).is_err()), "{field}");
        }
        let instructions = |length: usize| patched(&format!(r#"{{"instructions": "{}"}}"#, "\u{e4}".repeat(length)));
        assert!(instructions(MAX_INSTRUCTIONS).is_ok() && instructions(MAX_INSTRUCTIONS + 1).is_err());
    }
}
