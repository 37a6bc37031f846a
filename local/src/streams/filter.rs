//! The event-pattern language of `FilterCriteria`.
//!
//! Only what Lambda supports for event source mappings; anything else is refused when the template is read. Numbers of
//! DynamoDB items are strings in stream records, so `numeric` never matches them, here as on AWS.

mod matcher;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use matcher::Matcher;

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter pattern is wrong at {place}: {problem}")]
pub struct PatternError {
    place: String,
    problem: String,
}

impl PatternError {
    fn at(place: &str, problem: impl Into<String>) -> Self {
        let place = if place.is_empty() { "the top" } else { place };
        let (place, problem) = (place.to_owned(), problem.into());
        Self { place, problem }
    }
}

/// A parsed event pattern: all fields must match.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    fields: Vec<(String, Rule)>,
    /// From `$or`: if there are any, one of them must match too.
    alternatives: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Object(Pattern),
    Value(Vec<Matcher>),
}

impl Pattern {
    /// Parses the JSON of a pattern.
    ///
    /// # Errors
    ///
    /// Fails on anything that is not in the language, naming its place.
    pub fn parse(json: &Value) -> Result<Self, PatternError> {
        match json {
            Value::Object(fields) => Self::parse_at("", fields),
            _ => Err(PatternError::at("", "must be an object")),
        }
    }

    /// Whether the event matches.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        self.matches_field(Some(event))
    }

    fn parse_at(place: &str, json: &Map<String, Value>) -> Result<Self, PatternError> {
        if json.is_empty() {
            return Err(PatternError::at(place, "an empty object matches nothing"));
        }
        let mut pattern = Self { fields: Vec::new(), alternatives: Vec::new() };
        for (key, value) in json {
            let inner = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            match (key.as_str(), value) {
                ("$or", Value::Array(items)) => {
                    pattern.alternatives = alternatives(&inner, items)?;
                }
                (_, Value::Object(fields)) => {
                    let rule = Rule::Object(Self::parse_at(&inner, fields)?);
                    pattern.fields.push((key.clone(), rule));
                }
                (_, Value::Array(items)) => {
                    let rule = Rule::Value(matchers(&inner, items)?);
                    pattern.fields.push((key.clone(), rule));
                }
                _ => return Err(PatternError::at(&inner, "must be a list or an object")),
            }
        }
        Ok(pattern)
    }

    /// `None` is a field that the event does not have: `exists: false` below it still matches.
    fn matches_field(&self, event: Option<&Value>) -> bool {
        let event = match event.map(Value::as_array) {
            Some(Some(items)) if items.is_empty() => None,
            Some(Some(items)) => return items.iter().any(|item| self.matches_field(Some(item))),
            _ => event,
        };
        let field = |key: &str| event.and_then(|event| event.get(key));
        let all = self.fields.iter().all(|(key, rule)| match rule {
            Rule::Object(pattern) => pattern.matches_field(field(key)),
            Rule::Value(matchers) => matchers.iter().any(|matcher| matcher.matches(field(key))),
        });
        all && (self.alternatives.is_empty() || self.alternatives.iter().any(|one| one.matches_field(event)))
    }
}

fn alternatives(place: &str, items: &[Value]) -> Result<Vec<Pattern>, PatternError> {
    let parse = |item: &Value| match item {
        Value::Object(fields) => Pattern::parse_at(place, fields),
        _ => Err(PatternError::at(place, "$or wants a list of objects")),
    };
    if items.len() < 2 {
        return Err(PatternError::at(place, "$or wants two or more objects"));
    }
    items.iter().map(parse).collect()
}

fn matchers(place: &str, items: &[Value]) -> Result<Vec<Matcher>, PatternError> {
    if items.is_empty() {
        return Err(PatternError::at(place, "an empty list matches nothing"));
    }
    let parse = |item| Matcher::parse(item).map_err(|problem| PatternError::at(place, problem));
    items.iter().map(parse).collect()
}
