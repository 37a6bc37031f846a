//! Evaluates the intrinsic functions of the template: parameters at their defaults, one made-up account.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::TemplateError;
use super::node::{Node, join};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";
const STREAM_LABEL: &str = "2026-01-01T00:00:00.000";

/// The ARN of a table's stream, as stream events carry it.
#[must_use]
pub fn stream_arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/{STREAM_LABEL}")
}

/// The ARN of a queue, as its messages carry it.
#[must_use]
pub fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// Nothing answers there: functions reach a queue only through its event source.
fn queue_url(queue: &str) -> String {
    format!("http://localhost/queue/{queue}")
}

/// Turns template values into plain ones.
pub(super) struct Resolver<'a> {
    parameters: BTreeMap<String, Value>,
    conditions: &'a Map<String, Value>,
    resources: &'a Map<String, Value>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        parameters: &Map<String, Value>,
        conditions: &'a Map<String, Value>,
        resources: &'a Map<String, Value>,
    ) -> Self {
        let default = |(name, parameter): (&String, &Value)| {
            let value = parameter.get("Default")?.clone();
            Some((name.clone(), value))
        };
        let parameters = parameters.iter().filter_map(default).collect();
        Self { parameters, conditions, resources }
    }

    /// A resolved copy of `value`, which stands at `place`.
    pub(super) fn node(&self, place: &str, value: &Value) -> Result<Node, TemplateError> {
        let value = self.resolve(place, value)?.unwrap_or(Value::Null);
        let place = place.to_owned();
        Ok(Node { place, value })
    }

    /// Whether the named condition holds.
    pub(super) fn condition(&self, place: &str, name: &str) -> Result<bool, TemplateError> {
        self.named_condition(place, name, &mut Vec::new())
    }

    /// `None` is `AWS::NoValue`: the property is as if it were not written.
    fn resolve(&self, place: &str, value: &Value) -> Result<Option<Value>, TemplateError> {
        match value {
            Value::Object(object) => match intrinsic(object) {
                Some((function, argument)) => self.call(place, function, argument),
                None => self.resolve_object(place, object).map(Some),
            },
            Value::Array(items) => self.resolve_array(place, items).map(Some),
            plain => Ok(Some(plain.clone())),
        }
    }

    fn resolve_object(&self, place: &str, object: &Map<String, Value>) -> Result<Value, TemplateError> {
        let mut resolved = Map::new();
        for (key, value) in object {
            if let Some(value) = self.resolve(&join(place, key), value)? {
                resolved.insert(key.clone(), value);
            }
        }
        Ok(Value::Object(resolved))
    }

    fn resolve_array(&self, place: &str, items: &[Value]) -> Result<Value, TemplateError> {
        let mut resolved = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            resolved.extend(self.resolve(&join(place, &index.to_string()), item)?);
        }
        Ok(Value::Array(resolved))
    }

    fn call(&self, place: &str, function: &str, argument: &Value) -> Result<Option<Value>, TemplateError> {
        match (function, argument) {
            ("Ref", Value::String(name)) if name == "AWS::NoValue" => Ok(None),
            ("Ref", Value::String(name)) => self.reference(place, name).map(Some),
            ("Fn::GetAtt", argument) => self.attribute(place, argument).map(Some),
            ("Fn::Sub", argument) => self.substitute(place, argument).map(Some),
            ("Fn::Join", argument) => self.join(place, argument).map(Some),
            ("Fn::If", Value::Array(items)) => match items.as_slice() {
                [Value::String(name), yes, no] => {
                    let chosen = if self.condition(place, name)? { yes } else { no };
                    self.resolve(place, chosen)
                }
                _ => Err(TemplateError::at(place, "Fn::If wants [condition, value, value]")),
            },
            _ => Err(TemplateError::at(place, format!("the local cloud does not understand this use of {function}"))),
        }
    }

    fn reference(&self, place: &str, name: &str) -> Result<Value, TemplateError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        let pseudo = match name {
            "AWS::Region" => REGION,
            "AWS::AccountId" => ACCOUNT,
            "AWS::URLSuffix" => "amazonaws.com",
            "AWS::Partition" => "aws",
            "AWS::StackName" => "local",
            _ if self.kind(name) == Some("AWS::SQS::Queue") => return Ok(queue_url(name).into()),
            // Names and ids of resources are their names in the template.
            _ if self.resources.contains_key(name) => name,
            _ => {
                let problem = format!("{name} is no parameter with a Default, and no resource");
                return Err(TemplateError::at(place, problem));
            }
        };
        Ok(pseudo.into())
    }

    fn attribute(&self, place: &str, argument: &Value) -> Result<Value, TemplateError> {
        let (resource, attribute) = match argument.as_array().map(Vec::as_slice) {
            Some([Value::String(resource), Value::String(attribute)]) => (resource, attribute),
            _ => return Err(TemplateError::at(place, "Fn::GetAtt wants [resource, attribute]")),
        };
        self.named_attribute(place, resource, attribute).map(Value::String)
    }

    fn named_attribute(&self, place: &str, resource: &str, attribute: &str) -> Result<String, TemplateError> {
        let kind =
            self.kind(resource).ok_or_else(|| TemplateError::at(place, format!("there is no resource {resource}")))?;
        let arn = |rest: String| Ok(format!("arn:aws:{rest}"));
        match (kind, attribute) {
            ("AWS::DynamoDB::Table", "Arn") => arn(format!("dynamodb:{REGION}:{ACCOUNT}:table/{resource}")),
            ("AWS::DynamoDB::Table", "StreamArn") => Ok(stream_arn(resource)),
            ("AWS::Serverless::Function", "Arn") => arn(format!("lambda:{REGION}:{ACCOUNT}:function:{resource}")),
            ("AWS::IAM::Role", "Arn") => arn(format!("iam::{ACCOUNT}:role/{resource}")),
            ("AWS::SQS::Queue", "Arn") => Ok(queue_arn(resource)),
            ("AWS::SQS::Queue", "QueueName") => Ok(resource.to_owned()),
            ("AWS::SQS::Queue", "QueueUrl") => Ok(queue_url(resource)),
            ("AWS::Logs::LogGroup", "Arn") => arn(format!("logs:{REGION}:{ACCOUNT}:log-group:{resource}")),
            _ => {
                let problem = format!("the local cloud does not know {attribute} of a {kind}");
                Err(TemplateError::at(place, problem))
            }
        }
    }

    /// The type of the resource with this name.
    fn kind(&self, resource: &str) -> Option<&str> {
        self.resources.get(resource)?.get("Type")?.as_str()
    }

    fn substitute(&self, place: &str, argument: &Value) -> Result<Value, TemplateError> {
        let (text, variables) = match argument {
            Value::String(text) => (text, None),
            Value::Array(items) => match items.as_slice() {
                [Value::String(text), Value::Object(variables)] => (text, Some(variables)),
                _ => return Err(TemplateError::at(place, "Fn::Sub wants [text, variables]")),
            },
            _ => return Err(TemplateError::at(place, "Fn::Sub wants a text")),
        };
        let mut result = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else {
                return Err(TemplateError::at(place, "Fn::Sub has a ${ without }"));
            };
            result.push_str(before);
            result.push_str(&self.placeholder(place, name, variables)?);
            rest = after;
        }
        result.push_str(rest);
        Ok(Value::String(result))
    }

    fn placeholder(
        &self,
        place: &str,
        name: &str,
        variables: Option<&Map<String, Value>>,
    ) -> Result<String, TemplateError> {
        if let Some(literal) = name.strip_prefix('!') {
            return Ok(format!("${{{literal}}}"));
        }
        if let Some(value) = variables.and_then(|variables| variables.get(name)) {
            return self.node(place, value)?.text();
        }
        if let Some((resource, attribute)) = name.split_once('.') {
            return self.named_attribute(place, resource, attribute);
        }
        let value = self.reference(place, name)?;
        let place = place.to_owned();
        Node { place, value }.text()
    }

    fn join(&self, place: &str, argument: &Value) -> Result<Value, TemplateError> {
        let Some([Value::String(separator), items]) = argument.as_array().map(Vec::as_slice) else {
            return Err(TemplateError::at(place, "Fn::Join wants [separator, list]"));
        };
        let items = self.node(place, items)?.items()?;
        let texts = items.iter().map(Node::text).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::String(texts.join(separator)))
    }

    fn named_condition(&self, place: &str, name: &str, open: &mut Vec<String>) -> Result<bool, TemplateError> {
        let Some(condition) = self.conditions.get(name) else {
            return Err(TemplateError::at(place, format!("there is no condition {name}")));
        };
        let place = format!("Conditions.{name}");
        if open.iter().any(|other| other == name) {
            return Err(TemplateError::at(&place, "refers to itself"));
        }
        open.push(name.to_owned());
        let holds = self.evaluate(&place, condition, open);
        open.pop();
        holds
    }

    fn evaluate(&self, place: &str, condition: &Value, open: &mut Vec<String>) -> Result<bool, TemplateError> {
        let unknown = || TemplateError::at(place, "the local cloud does not understand this condition");
        let (function, argument) = condition.as_object().and_then(single).ok_or_else(unknown)?;
        if let ("Condition", Value::String(name)) = (function, argument) {
            return self.named_condition(place, name, open);
        }
        let arguments = argument.as_array().map(Vec::as_slice);
        match (function, arguments) {
            ("Fn::Equals", Some([left, right])) => {
                let (left, right) = (self.node(place, left)?, self.node(place, right)?);
                Ok(left.text()? == right.text()?)
            }
            ("Fn::Not", Some([condition])) => Ok(!self.evaluate(place, condition, open)?),
            ("Fn::And", Some(all)) => self.count(place, all, open).map(|count| count == all.len()),
            ("Fn::Or", Some(any)) => self.count(place, any, open).map(|count| count > 0),
            _ => Err(unknown()),
        }
    }

    fn count(&self, place: &str, conditions: &[Value], open: &mut Vec<String>) -> Result<usize, TemplateError> {
        let mut holding = 0;
        for condition in conditions {
            holding += usize::from(self.evaluate(place, condition, open)?);
        }
        Ok(holding)
    }
}

fn single(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    let (key, value) = entries.next()?;
    entries.next().is_none().then_some((key.as_str(), value))
}

/// The call, if the object is one: exactly one key, `Ref` or `Fn::...`.
pub(super) fn intrinsic(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    single(object).filter(|(key, _)| *key == "Ref" || key.starts_with("Fn::"))
}
