//! Functions with their events: REST routes, streams, queues, schedules.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::error::TemplateError;
use super::model::{Function, Mode, QueueMapping, Route, Schedule, StreamMapping};
use super::node::Node;
use super::resolve::intrinsic;
use super::{queues, schedules, streams};

/// What one `AWS::Serverless::Function` declares.
pub(super) struct Declared {
    pub(super) function: Function,
    pub(super) routes: Vec<Route>,
    pub(super) stream_mappings: Vec<StreamMapping>,
    pub(super) queue_mappings: Vec<QueueMapping>,
    pub(super) schedules: Vec<Schedule>,
}

/// Properties that say how a function is built, secured and watched in the cloud. Not resolved, not used.
const IGNORED: &[&str] = &[
    "Architectures",
    "CodeUri",
    "Description",
    "Handler",
    "LoggingConfig",
    "Policies",
    "ReservedConcurrentExecutions",
    "Runtime",
    "Tags",
    "Tracing",
];

const DEFAULT_INTEGRATION_TIMEOUT_MS: u64 = 29_000;

/// Joins `Globals.Function` and a function's own properties as SAM does: mappings key by key, lists one after the
/// other, anything else by the function's own value. Drops what is ignored.
pub(super) fn merged_properties(globals: &Map<String, Value>, own: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = merge_maps(globals, own);
    merged.retain(|key, _| !IGNORED.contains(&key.as_str()));
    merged
}

fn merge_maps(base: &Map<String, Value>, own: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = base.clone();
    for (key, value) in own {
        let value = match (base.get(key), value) {
            (Some(Value::Object(base)), Value::Object(own))
                if intrinsic(base).is_none() && intrinsic(own).is_none() =>
            {
                Value::Object(merge_maps(base, own))
            }
            (Some(Value::Array(base)), Value::Array(own)) => base.iter().chain(own).cloned().collect(),
            _ => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    merged
}

/// The binary that `Metadata` names.
pub(super) fn binary(resource: &Node) -> Result<String, TemplateError> {
    let metadata = resource.required("Metadata")?;
    metadata.only(&["BuildMethod", "BuildProperties"])?;
    let method = metadata.required("BuildMethod")?;
    if method.text()? != "rust-cargolambda" {
        return Err(method.error("the local cloud runs only rust-cargolambda functions"));
    }
    metadata.required("BuildProperties")?.required("Binary")?.text()
}

/// Reads the merged, resolved properties of a function.
pub(super) fn read(
    logical_id: &str,
    binary: &str,
    properties: &Node,
    overrides: &BTreeMap<String, String>,
) -> Result<Declared, TemplateError> {
    properties.only(&["Environment", "Events", "MemorySize", "Timeout"])?;
    let mut declared = Declared {
        function: Function {
            logical_id: logical_id.to_owned(),
            binary: binary.to_owned(),
            memory_mb: properties.required("MemorySize")?.integer()?,
            timeout: Duration::from_secs(properties.required("Timeout")?.integer()?),
            environment: environment(properties, overrides)?,
        },
        routes: Vec::new(),
        stream_mappings: Vec::new(),
        queue_mappings: Vec::new(),
        schedules: Vec::new(),
    };
    let events = properties.get("Events").map(|events| events.entries());
    for (name, event) in events.transpose()?.unwrap_or_default() {
        event.only(&["Type", "Properties"])?;
        let kind = event.required("Type")?;
        let properties = event.required("Properties")?;
        match kind.text()?.as_str() {
            "Api" => declared.routes.push(route(binary, &properties)?),
            "DynamoDB" => declared.stream_mappings.push(streams::read(binary, &properties)?),
            "SQS" => declared.queue_mappings.push(queues::mapping(binary, &properties)?),
            "Schedule" => {
                declared.schedules.push(schedules::read(binary, format!("{logical_id}{name}"), &properties)?);
            }
            other => return Err(kind.error(format!("the local cloud does not understand {other} events"))),
        }
    }
    Ok(declared)
}

fn environment(
    properties: &Node,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, TemplateError> {
    let Some(environment) = properties.get("Environment") else {
        return Ok(BTreeMap::new());
    };
    environment.only(&["Variables"])?;
    let mut variables = BTreeMap::new();
    for (name, node) in environment.required("Variables")?.entries()? {
        let value = match overrides.get(&name) {
            Some(value) => value.clone(),
            None => node.text()?,
        };
        variables.insert(name, value);
    }
    Ok(variables)
}

fn route(function: &str, properties: &Node) -> Result<Route, TemplateError> {
    properties.only(&["RestApiId", "Path", "Method", "ResponseTransferMode", "TimeoutInMillis"])?;
    // Without it SAM makes a second, implicit API.
    properties.required("RestApiId")?;
    let path = properties.required("Path")?;
    let text = path.text()?;
    if !text.starts_with('/') {
        return Err(path.error("must start with a slash"));
    }
    let timeout = properties.get("TimeoutInMillis").map(|node| node.integer()).transpose()?;
    Ok(Route {
        function: function.to_owned(),
        method: method(&properties.required("Method")?)?,
        path: text,
        mode: mode(properties.get("ResponseTransferMode"))?,
        timeout: Duration::from_millis(timeout.unwrap_or(DEFAULT_INTEGRATION_TIMEOUT_MS)),
    })
}

fn method(node: &Node) -> Result<String, TemplateError> {
    let method = node.text()?.to_uppercase();
    match method.as_str() {
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" | "ANY" => Ok(method),
        _ => Err(node.error(format!("{method} is not a method"))),
    }
}

/// API Gateway deploys any other spelling without a word, and then buffers.
fn mode(node: Option<Node>) -> Result<Mode, TemplateError> {
    let Some(node) = node else {
        return Ok(Mode::Buffered);
    };
    match node.text()?.as_str() {
        "RESPONSE_STREAM" => Ok(Mode::Streaming),
        "BUFFERED" => Ok(Mode::Buffered),
        other => Err(node.error(format!("{other} must be exactly RESPONSE_STREAM, or left out"))),
    }
}
