//! One condition on one value.

use serde_json::Value;

/// One element of a pattern's list.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Matcher {
    Exact(Value),
    IgnoreCase(String),
    Prefix(String),
    Suffix(String),
    Exists(bool),
    Not(Vec<Matcher>),
    Numeric(Vec<(Comparison, f64)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Matcher {
    pub(super) fn parse(json: &Value) -> Result<Self, String> {
        match json {
            Value::Array(_) => Err("a list in a list is not in the language".to_owned()),
            Value::Object(object) => {
                let mut entries = object.iter();
                match (entries.next(), entries.next()) {
                    (Some((operator, argument)), None) => Self::operator(operator, argument),
                    _ => Err("a condition has exactly one operator".to_owned()),
                }
            }
            plain => Ok(Self::Exact(plain.clone())),
        }
    }

    fn operator(operator: &str, argument: &Value) -> Result<Self, String> {
        match (operator, argument) {
            ("prefix", Value::String(text)) => Ok(Self::Prefix(text.clone())),
            ("suffix", Value::String(text)) => Ok(Self::Suffix(text.clone())),
            ("equals-ignore-case", Value::String(text)) => Ok(Self::IgnoreCase(text.to_lowercase())),
            ("exists", Value::Bool(wanted)) => Ok(Self::Exists(*wanted)),
            ("anything-but", argument) => anything_but(argument).map(Self::Not),
            ("numeric", Value::Array(items)) => numeric(items).map(Self::Numeric),
            _ => Err(format!("{operator} is not in the language, or has a wrong value")),
        }
    }

    /// `None` is a field that the event does not have. Of a list in the event, one element must match.
    pub(super) fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            // Only values exist for the language, objects do not.
            (Self::Exists(wanted), value) => *wanted == value.is_some_and(|value| !value.is_object()),
            (_, None) => false,
            (_, Some(Value::Array(items))) => items.iter().any(|item| self.matches_one(item)),
            (_, Some(value)) => self.matches_one(value),
        }
    }

    fn matches_one(&self, value: &Value) -> bool {
        if value.is_object() || value.is_array() {
            return false;
        }
        let text = value.as_str();
        match self {
            Self::Exact(wanted) => equal(wanted, value),
            Self::IgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::Exists(wanted) => *wanted,
            Self::Not(matchers) => !matchers.iter().any(|matcher| matcher.matches_one(value)),
            Self::Numeric(conditions) => value
                .as_f64()
                .is_some_and(|number| conditions.iter().all(|(comparison, bound)| comparison.holds(number, *bound))),
        }
    }
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            #[expect(clippy::float_cmp, reason = "the language compares for equality")]
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

/// Equal as JSON; 1 and 1.0 are the same number.
fn equal(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => wanted == value,
    }
}

fn anything_but(argument: &Value) -> Result<Vec<Matcher>, String> {
    match argument {
        Value::Array(items) if items.is_empty() => Err("anything-but wants a value".to_owned()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(_) => match Matcher::parse(argument)? {
            matcher @ (Matcher::Prefix(_) | Matcher::Suffix(_) | Matcher::IgnoreCase(_)) => Ok(vec![matcher]),
            _ => Err("anything-but takes values, prefix, suffix or equals-ignore-case".to_owned()),
        },
        value => Ok(vec![plain(value)?]),
    }
}

fn plain(value: &Value) -> Result<Matcher, String> {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => Ok(Matcher::Exact(value.clone())),
        _ => Err("anything-but takes plain values in its list".to_owned()),
    }
}

fn numeric(items: &[Value]) -> Result<Vec<(Comparison, f64)>, String> {
    let wrong = || "numeric wants [comparison, number] once or twice".to_owned();
    if !matches!(items.len(), 2 | 4) {
        return Err(wrong());
    }
    let condition = |pair: &[Value]| match pair {
        [Value::String(comparison), Value::Number(number)] => Some((Comparison::parse(comparison)?, number.as_f64()?)),
        _ => None,
    };
    items.chunks(2).map(|pair| condition(pair).ok_or_else(wrong)).collect()
}
