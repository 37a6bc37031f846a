//! Reading somebody else's JSON: a part of another type than documented counts as absent, never as an error.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// For `#[serde(default, deserialize_with = "lenient::part")]`.
pub(crate) fn part<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Like [`part`], for whole numbers: also as text, also with a fraction of nothing. Negative ones count as absent.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(whole_number(&Value::deserialize(deserializer)?))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|n| (0.0..=9_007_199_254_740_992.0).contains(n)).map(|n| n as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Like [`part`], for lists: what does not fit is left out, the rest stays.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    let Value::Array(items) = value else {
        return Ok(Vec::new());
    };
    Ok(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}

/// A text, number or truth value as text.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Sample {
        #[serde(default, deserialize_with = "part")]
        text: Option<String>,
        #[serde(default, deserialize_with = "whole")]
        number: Option<u64>,
        #[serde(default, deserialize_with = "list")]
        items: Vec<String>,
    }

    #[test]
    fn what_does_not_fit_is_absent() {
        let read = |json: &str| -> Sample { serde_json::from_str(json).unwrap() };
        let none = Sample { text: None, number: None, items: Vec::new() };
        for json in ["{}", r#"{"text":null,"number":null,"items":null}"#, r#"{"text":1,"number":-1,"items":{}}"#] {
            assert_eq!(read(json), none, "{json}");
        }
        assert_eq!(read(r#"{"items":["a",1,"b"]}"#).items, ["a", "b"]);
        for (json, number) in [("7", 7), ("7.0", 7), ("\"7\"", 7), ("0", 0)] {
            assert_eq!(read(&format!(r#"{{"number":{json}}}"#)).number, Some(number));
        }
    }
}
