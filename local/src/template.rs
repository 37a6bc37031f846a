//! Reads `template.yaml`, the only list of functions, routes, tables, streams and limits.
//!
//! Anything it does not understand is an error that names the place, so that the local cloud never runs
//! something else than what would be deployed. To teach it a new kind of resource: an arm in `Reader::resource`,
//! a module beside `tables` that turns its properties into a type of `model`.

mod apis;
mod error;
mod fold;
mod functions;
mod model;
mod node;
mod pipes;
mod queues;
mod resolve;
mod schedules;
mod streams;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

pub use error::TemplateError;
pub use model::{
    Cors, DeadLetterPolicy, Deduplication, Fifo, Function, Mode, Pipe, Queue, QueueMapping, Route, Schedule,
    StreamMapping, Table, Template, WebsocketApi,
};
pub use resolve::{queue_arn, stream_arn};

use node::{Node, join};
use resolve::Resolver;

/// Resources that only matter in the cloud.
const IGNORED_TYPES: &[&str] = &[
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Parameter",
    "AWS::SecretsManager::Secret",
];

/// Families of types that only matter in the cloud.
const IGNORED_FAMILIES: &[&str] = &["AWS::ApiGateway::", "AWS::ApiGatewayV2::"];

impl Template {
    /// Reads the file; `overrides` replaces the value of any variable that a function declares.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or holds anything that the local cloud does not understand.
    pub fn load(path: &Path, overrides: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path).map_err(|source| {
            let path = path.to_owned();
            TemplateError::Read { path, source }
        })?;
        Self::parse(&text, overrides)
    }

    /// Reads the text of a template; see [`Template::load`].
    ///
    /// # Errors
    ///
    /// Fails if the text holds anything that the local cloud does not understand.
    pub fn parse(text: &str, overrides: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let document = fold::fold("", yaml_serde::from_str(text)?)?;
        let root = Node { place: String::new(), value: document };
        root.only(&[
            "AWSTemplateFormatVersion",
            "Transform",
            "Description",
            "Metadata",
            "Parameters",
            "Conditions",
            "Globals",
            "Resources",
            "Outputs",
        ])?;
        let globals = section(&root, "Globals")?;
        if let Some(key) = globals.keys().find(|key| *key != "Function") {
            let place = join("Globals", key);
            return Err(TemplateError::at(&place, "the local cloud does not understand this section"));
        }
        let function_globals = match globals.get("Function") {
            Some(Value::Object(properties)) => properties.clone(),
            _ => Map::new(),
        };
        let (parameters, conditions) = (section(&root, "Parameters")?, section(&root, "Conditions")?);
        let resources = section(&root, "Resources")?;
        let reader = Reader {
            resolver: Resolver::new(&parameters, &conditions, &resources),
            resources: &resources,
            function_globals,
            overrides,
        };
        reader.read()
    }

    /// Replaces the values of variables that functions declare.
    pub fn override_environment(&mut self, overrides: &BTreeMap<String, String>) {
        for function in &mut self.functions {
            for (name, value) in &mut function.environment {
                if let Some(replacement) = overrides.get(name) {
                    value.clone_from(replacement);
                }
            }
        }
    }

    /// Whether any function declares the variable.
    #[must_use]
    pub fn declares(&self, variable: &str) -> bool {
        self.functions.iter().any(|function| function.environment.contains_key(variable))
    }
}

fn section(root: &Node, key: &str) -> Result<Map<String, Value>, TemplateError> {
    match root.get(key) {
        None => Ok(Map::new()),
        Some(Node { value: Value::Object(section), .. }) => Ok(section),
        Some(node) => Err(node.error("must be a mapping")),
    }
}

struct Reader<'a> {
    resolver: Resolver<'a>,
    resources: &'a Map<String, Value>,
    function_globals: Map<String, Value>,
    overrides: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn read(&self) -> Result<Template, TemplateError> {
        let mut template = Template::default();
        for (name, resource) in self.resources {
            let resource = Node { place: join("Resources", name), value: resource.clone() };
            if self.wanted(&resource)? {
                self.resource(&mut template, name, &resource)?;
            }
        }
        self.check_one_rest_api()?;
        check_mappings(&template)?;
        queues::check(&template)?;
        pipes::check(&template)?;
        check_routes(&template)?;
        Ok(template)
    }

    fn check_one_rest_api(&self) -> Result<(), TemplateError> {
        let rest = |resource: &&Value| resource.get("Type") == Some(&Value::from("AWS::Serverless::Api"));
        match self.resources.values().filter(rest).count() {
            1 => Ok(()),
            _ => Err(TemplateError::at("Resources", "there must be one AWS::Serverless::Api")),
        }
    }

    fn wanted(&self, resource: &Node) -> Result<bool, TemplateError> {
        resource.only(&[
            "Type",
            "Properties",
            "Metadata",
            "Condition",
            "DependsOn",
            "DeletionPolicy",
            "UpdateReplacePolicy",
        ])?;
        match resource.get("Condition") {
            Some(condition) => self.resolver.condition(&condition.place, &condition.text()?),
            None => Ok(true),
        }
    }

    fn resource(&self, template: &mut Template, name: &str, resource: &Node) -> Result<(), TemplateError> {
        let kind = resource.required("Type")?;
        match kind.text()?.as_str() {
            "AWS::Serverless::Api" => {
                let api = apis::rest(&self.properties(resource)?)?;
                self.set_stage(template, &api.stage, resource)?;
                template.cors = api.cors;
                template.binary_media_types = api.binary_media_types;
            }
            "AWS::Serverless::WebSocketApi" => {
                let (stage, api) = apis::websocket(&self.properties(resource)?, |arn| self.binary_of(arn))?;
                self.set_stage(template, &stage, resource)?;
                if template.websocket.replace(api).is_some() {
                    return Err(resource.error("the local cloud runs one WebSocket API"));
                }
            }
            "AWS::DynamoDB::Table" => template.tables.push(tables::read(name, &self.properties(resource)?)?),
            "AWS::Serverless::Function" => self.function(template, name, resource)?,
            "AWS::SQS::Queue" => template.queues.push(queues::read(name, &self.queue_properties(resource)?)?),
            "AWS::Pipes::Pipe" => template.pipes.push(pipes::read(name, &self.properties(resource)?)?),
            known if IGNORED_TYPES.contains(&known) => {}
            known if IGNORED_FAMILIES.iter().any(|family| known.starts_with(family)) => {}
            other => return Err(kind.error(format!("the local cloud does not understand {other}"))),
        }
        Ok(())
    }

    /// Both APIs share the stage: locally it is one port and one prefix.
    fn set_stage(&self, template: &mut Template, stage: &str, resource: &Node) -> Result<(), TemplateError> {
        if !template.stage.is_empty() && template.stage != stage {
            return Err(resource.error("all APIs must have the same stage"));
        }
        stage.clone_into(&mut template.stage);
        Ok(())
    }

    fn function(&self, template: &mut Template, name: &str, resource: &Node) -> Result<(), TemplateError> {
        let binary = functions::binary(resource)?;
        let properties = resource.required("Properties")?;
        let Value::Object(own) = &properties.value else {
            return Err(properties.error("must be a mapping"));
        };
        let merged = functions::merged_properties(&self.function_globals, own);
        let properties = self.resolver.node(&properties.place, &Value::Object(merged))?;
        let declared = functions::read(name, &binary, &properties, self.overrides)?;
        template.functions.push(declared.function);
        template.routes.extend(declared.routes);
        template.stream_mappings.extend(declared.stream_mappings);
        template.queue_mappings.extend(declared.queue_mappings);
        template.schedules.extend(declared.schedules);
        Ok(())
    }

    fn properties(&self, resource: &Node) -> Result<Node, TemplateError> {
        let properties = resource.required("Properties")?;
        self.resolver.node(&properties.place, &properties.value)
    }

    /// All properties of a queue have defaults.
    fn queue_properties(&self, resource: &Node) -> Result<Node, TemplateError> {
        match resource.get("Properties") {
            Some(_) => self.properties(resource),
            None => Ok(Node { place: join(&resource.place, "Properties"), value: Value::Object(Map::new()) }),
        }
    }

    /// The binary of the function with this ARN.
    fn binary_of(&self, arn: &Node) -> Result<String, TemplateError> {
        let text = arn.text()?;
        let name = text.rsplit_once(":function:").map(|(_, name)| name);
        let found = name.and_then(|name| Some((name, self.resources.get(name)?)));
        let (name, resource) = found.ok_or_else(|| arn.error("must be the Arn of a function of this template"))?;
        let (place, value) = (join("Resources", name), resource.clone());
        functions::binary(&Node { place, value })
    }
}

fn check_mappings(template: &Template) -> Result<(), TemplateError> {
    for mapping in &template.stream_mappings {
        let streamed = |table: &Table| table.name == mapping.table && table.streamed;
        if !template.tables.iter().any(streamed) {
            let problem = format!("{} reads the stream of a table that has none", mapping.function);
            return Err(TemplateError::at(&join("Resources", &mapping.table), problem));
        }
    }
    Ok(())
}

fn check_routes(template: &Template) -> Result<(), TemplateError> {
    let mut seen = std::collections::BTreeSet::new();
    for route in &template.routes {
        if !seen.insert((&route.path, &route.method)) {
            let problem = format!("{} {} is declared twice", route.method, route.path);
            return Err(TemplateError::at("Resources", problem));
        }
    }
    Ok(())
}
