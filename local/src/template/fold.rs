//! YAML to JSON: the short forms of intrinsic functions (`!Ref x`) become the long ones (`{"Ref": "x"}`), so that
//! the rest of the reader knows one form only.

use serde_json::{Map, Value, json};
use yaml_serde::Value as Yaml;

use super::error::TemplateError;
use super::node::join;

/// Turns YAML into JSON in which every tag is an intrinsic function in its long form.
pub(super) fn fold(place: &str, yaml: Yaml) -> Result<Value, TemplateError> {
    match yaml {
        Yaml::Null => Ok(Value::Null),
        Yaml::Bool(value) => Ok(value.into()),
        Yaml::String(text) => Ok(text.into()),
        Yaml::Number(number) => fold_number(place, &number),
        Yaml::Sequence(items) => {
            items.into_iter().enumerate().map(|(index, item)| fold(&join(place, &index.to_string()), item)).collect()
        }
        Yaml::Mapping(entries) => fold_mapping(place, entries),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let value = fold(place, tagged.value)?;
            fold_tag(place, tag.trim_start_matches('!'), value)
        }
    }
}

fn fold_number(place: &str, number: &yaml_serde::Number) -> Result<Value, TemplateError> {
    if let Some(value) = number.as_i64() {
        return Ok(value.into());
    }
    if let Some(value) = number.as_u64() {
        return Ok(value.into());
    }
    number
        .as_f64()
        .and_then(serde_json::Number::from_f64)
        .map(Value::Number)
        .ok_or_else(|| TemplateError::at(place, "is not a finite number"))
}

fn fold_mapping(place: &str, entries: yaml_serde::Mapping) -> Result<Value, TemplateError> {
    let mut object = Map::new();
    for (key, value) in entries {
        let key = match key {
            Yaml::String(key) => key,
            other => {
                let problem = format!("the key {other:?} is not a string; quote it");
                return Err(TemplateError::at(place, problem));
            }
        };
        let value = fold(&join(place, &key), value)?;
        object.insert(key, value);
    }
    Ok(Value::Object(object))
}

fn fold_tag(place: &str, tag: &str, value: Value) -> Result<Value, TemplateError> {
    match tag {
        "Ref" | "Condition" => Ok(json!({ tag: value })),
        "GetAtt" => match value {
            Value::String(text) => match text.split_once('.') {
                Some((resource, attribute)) => Ok(json!({"Fn::GetAtt": [resource, attribute]})),
                None => Err(TemplateError::at(place, "!GetAtt wants Resource.Attribute")),
            },
            list => Ok(json!({"Fn::GetAtt": list})),
        },
        "Sub" | "If" | "Not" | "Equals" | "And" | "Or" | "Join" => Ok(json!({ format!("Fn::{tag}"): value })),
        _ => Err(TemplateError::at(place, format!("the local cloud does not understand !{tag}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Result<Value, TemplateError> {
        fold("", yaml_serde::from_str(text).unwrap())
    }

    #[test]
    fn short_forms_become_long_forms_at_any_depth() {
        let value = folded("a: !If [C, !Ref P, !Sub 'x-${P}']\nb: !GetAtt T.Arn").unwrap();
        assert_eq!(
            value,
            json!({
                "a": {"Fn::If": ["C", {"Ref": "P"}, {"Fn::Sub": "x-${P}"}]},
                "b": {"Fn::GetAtt": ["T", "Arn"]},
            })
        );
    }

    #[test]
    fn an_unknown_tag_is_named_with_its_place() {
        let error = folded("a: {b: [1, !ImportValue x]}").unwrap_err();
        assert_eq!(error.to_string(), "template.yaml, a.b.1: the local cloud does not understand !ImportValue");
    }
}
