//! Tables of the template as `CreateTable` requests.

use serde_json::{Map, Value, json};

use super::error::TemplateError;
use super::model::Table;
use super::node::Node;

/// Properties that `CreateTable` takes as they are.
const COPIED: &[&str] =
    &["AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "LocalSecondaryIndexes"];

/// Properties about operations in the cloud, which change no answer of the table.
/// Deletion protection is among them so that a local table can be dropped by hand.
const IGNORED: &[&str] = &[
    "ContributorInsightsSpecification",
    "DeletionProtectionEnabled",
    "PointInTimeRecoverySpecification",
    "SSESpecification",
    "Tags",
];

/// Reads the properties of one `AWS::DynamoDB::Table`.
pub(super) fn read(name: &str, properties: &Node) -> Result<Table, TemplateError> {
    let mut known = vec!["StreamSpecification", "TimeToLiveSpecification"];
    known.extend(COPIED);
    known.extend(IGNORED);
    properties.only(&known)?;

    let mut create = Map::new();
    create.insert("TableName".to_owned(), name.into());
    for key in COPIED {
        if let Some(node) = properties.get(key) {
            create.insert((*key).to_owned(), node.value);
        }
    }
    let stream = properties.get("StreamSpecification");
    if let Some(stream) = &stream {
        stream.only(&["StreamViewType"])?;
        let view = stream.required("StreamViewType")?.text()?;
        let specification = json!({"StreamEnabled": true, "StreamViewType": view});
        create.insert("StreamSpecification".to_owned(), specification);
    }
    Ok(Table {
        name: name.to_owned(),
        create: Value::Object(create),
        ttl_attribute: time_to_live(properties)?,
        streamed: stream.is_some(),
    })
}

fn time_to_live(properties: &Node) -> Result<Option<String>, TemplateError> {
    let Some(specification) = properties.get("TimeToLiveSpecification") else {
        return Ok(None);
    };
    specification.only(&["AttributeName", "Enabled"])?;
    if !specification.required("Enabled")?.boolean()? {
        return Ok(None);
    }
    specification.required("AttributeName")?.text().map(Some)
}
