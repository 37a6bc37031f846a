//! The REST API and the WebSocket API.

use std::collections::BTreeMap;

use super::error::TemplateError;
use super::model::{Cors, WebsocketApi};
use super::node::Node;

/// What the REST API's own properties say.
#[derive(Debug, Default)]
pub(super) struct RestApi {
    pub(super) stage: String,
    pub(super) cors: Cors,
    pub(super) binary_media_types: Vec<String>,
}

/// Reads the properties of an `AWS::Serverless::Api`.
pub(super) fn rest(properties: &Node) -> Result<RestApi, TemplateError> {
    properties.only(&[
        "StageName",
        "Cors",
        "BinaryMediaTypes",
        // Without effect on one laptop: where it runs, how it is traced, logged and throttled.
        "AccessLogSetting",
        "Description",
        "EndpointConfiguration",
        "MethodSettings",
        "Name",
        "Tags",
        "TracingEnabled",
    ])?;
    let mut binary_media_types = Vec::new();
    if let Some(types) = properties.get("BinaryMediaTypes") {
        for media_type in types.items()? {
            // SAM writes the slash as ~1, because the types become keys of a JSON patch.
            binary_media_types.push(media_type.text()?.replace("~1", "/"));
        }
    }
    Ok(RestApi {
        stage: properties.required("StageName")?.text()?,
        cors: properties.get("Cors").map(|node| cors(&node)).transpose()?.unwrap_or_default(),
        binary_media_types,
    })
}

fn cors(node: &Node) -> Result<Cors, TemplateError> {
    node.only(&["AllowOrigin", "AllowMethods", "AllowHeaders", "MaxAge"])?;
    Ok(Cors {
        allow_origin: static_value(node, "AllowOrigin")?,
        allow_methods: static_value(node, "AllowMethods")?,
        allow_headers: static_value(node, "AllowHeaders")?,
        max_age: static_value(node, "MaxAge")?,
    })
}

/// API Gateway takes a header value only as a static one in single quotes, and fails to deploy without them.
fn static_value(node: &Node, key: &str) -> Result<String, TemplateError> {
    let value = node.required(key)?;
    value
        .text()?
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .map(str::to_owned)
        .ok_or_else(|| value.error("must be a value in single quotes inside the string: \"'*'\""))
}

/// Reads the properties of an `AWS::Serverless::WebSocketApi`; `binary_of` names the binary of a function's ARN.
pub(super) fn websocket(
    properties: &Node,
    binary_of: impl Fn(&Node) -> Result<String, TemplateError>,
) -> Result<(String, WebsocketApi), TemplateError> {
    properties.only(&[
        "StageName",
        "RouteSelectionExpression",
        "Routes",
        "DefaultRouteSettings",
        "AccessLogSettings",
        "Description",
        "Name",
        "Tags",
    ])?;
    let selection = properties.required("RouteSelectionExpression")?;
    let path = selection.text()?;
    if !path.starts_with("$request.body.") {
        return Err(selection.error("must start with $request.body."));
    }
    let mut routes = BTreeMap::new();
    for (key, route) in properties.required("Routes")?.entries()? {
        route.only(&["FunctionArn", "OperationName"])?;
        routes.insert(key, binary_of(&route.required("FunctionArn")?)?);
    }
    let stage = properties.required("StageName")?.text()?;
    Ok((stage, WebsocketApi { selection: path, routes }))
}
