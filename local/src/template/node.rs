//! A resolved piece of the template that knows its place, for errors that name it.

use serde_json::Value;

use super::error::TemplateError;

/// The place of `key` under `place`.
pub(super) fn join(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// A resolved value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: String,
    pub(super) value: Value,
}

impl Node {
    pub(super) fn error(&self, problem: impl Into<String>) -> TemplateError {
        TemplateError::at(&self.place, problem)
    }

    pub(super) fn get(&self, key: &str) -> Option<Node> {
        let value = self.value.get(key)?.clone();
        let place = join(&self.place, key);
        Some(Node { place, value })
    }

    pub(super) fn required(&self, key: &str) -> Result<Node, TemplateError> {
        self.get(key).ok_or_else(|| self.error(format!("{key} is missing")))
    }

    /// The value of a scalar as text: CloudFormation takes numbers and booleans where it wants strings.
    pub(super) fn text(&self) -> Result<String, TemplateError> {
        match &self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(self.error("must be a string")),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn integer<T: TryFrom<i64>>(&self) -> Result<T, TemplateError> {
        self.text()?
            .parse::<i64>()
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.error(format!("{} is not a usable whole number", self.value)))
    }

    pub(super) fn boolean(&self) -> Result<bool, TemplateError> {
        match self.text()?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.error("must be true or false")),
        }
    }

    pub(super) fn items(&self) -> Result<Vec<Node>, TemplateError> {
        let Value::Array(items) = &self.value else {
            return Err(self.error("must be a list"));
        };
        let node = |(index, value): (usize, &Value)| Node {
            place: join(&self.place, &index.to_string()),
            value: value.clone(),
        };
        Ok(items.iter().enumerate().map(node).collect())
    }

    pub(super) fn entries(&self) -> Result<Vec<(String, Node)>, TemplateError> {
        let Value::Object(entries) = &self.value else {
            return Err(self.error("must be a mapping"));
        };
        let node = |(key, value): (&String, &Value)| {
            let place = join(&self.place, key);
            let value = value.clone();
            (key.clone(), Node { place, value })
        };
        Ok(entries.iter().map(node).collect())
    }

    /// Refuses keys that nobody reads: a property that has no effect locally would be a silent difference.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), TemplateError> {
        for (key, node) in self.entries()? {
            if !known.contains(&key.as_str()) {
                return Err(node.error("the local cloud does not understand this property"));
            }
        }
        Ok(())
    }
}
