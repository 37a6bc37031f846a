//! DynamoDB stream events of functions.

use std::time::Duration;

use serde_json::Value;

use super::error::TemplateError;
use super::model::StreamMapping;
use super::node::Node;
use super::queues;
use crate::streams::filter::Pattern;

const DEFAULT_BATCH_SIZE: usize = 100;

/// Reads the properties of one `DynamoDB` event.
pub(super) fn read(function: &str, properties: &Node) -> Result<StreamMapping, TemplateError> {
    properties.only(&[
        "BatchSize",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "FilterCriteria",
        "FunctionResponseTypes",
        "MaximumBatchingWindowInSeconds",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "ParallelizationFactor",
        "StartingPosition",
        "Stream",
    ])?;
    only_value(properties, "StartingPosition", "TRIM_HORIZON")?;
    if_written(properties, "MaximumBatchingWindowInSeconds", "0")?;
    let flag = |key| properties.get(key).map(|node: Node| node.boolean()).transpose();
    Ok(StreamMapping {
        function: function.to_owned(),
        table: table(&properties.required("Stream")?)?,
        batch_size: number(properties, "BatchSize")?.unwrap_or(DEFAULT_BATCH_SIZE).max(1),
        parallelization: number(properties, "ParallelizationFactor")?.unwrap_or(1),
        report_partial: report_partial(properties)?,
        bisect: flag("BisectBatchOnFunctionError")?.unwrap_or(false),
        max_attempts: limit(properties, "MaximumRetryAttempts")?,
        max_age: limit(properties, "MaximumRecordAgeInSeconds")?.map(|seconds| Duration::from_secs(seconds.into())),
        filters: filters(properties)?,
        dead_letters: dead_letters(properties)?,
    })
}

pub(super) fn only_value(properties: &Node, key: &str, wanted: &str) -> Result<(), TemplateError> {
    let node = properties.required(key)?;
    if node.text()? == wanted {
        return Ok(());
    }
    Err(node.error(format!("the local cloud supports only {wanted}")))
}

/// As [`only_value`], for a property with that default.
pub(super) fn if_written(properties: &Node, key: &str, wanted: &str) -> Result<(), TemplateError> {
    match properties.get(key) {
        Some(_) => only_value(properties, key, wanted),
        None => Ok(()),
    }
}

pub(super) fn number(properties: &Node, key: &str) -> Result<Option<usize>, TemplateError> {
    properties.get(key).map(|node| node.integer()).transpose()
}

/// A limit where -1, as well as nothing, means none.
fn limit(properties: &Node, key: &str) -> Result<Option<u32>, TemplateError> {
    match properties.get(key) {
        None => Ok(None),
        Some(node) if node.text()? == "-1" => Ok(None),
        Some(node) => node.integer().map(Some),
    }
}

pub(super) fn table(stream: &Node) -> Result<String, TemplateError> {
    let arn = stream.text()?;
    arn.split_once(":table/")
        .and_then(|(_, rest)| rest.split_once("/stream/"))
        .map(|(table, _)| table.to_owned())
        .ok_or_else(|| stream.error("must be the StreamArn of a table of this template"))
}

pub(super) fn report_partial(properties: &Node) -> Result<bool, TemplateError> {
    let Some(types) = properties.get("FunctionResponseTypes") else {
        return Ok(false);
    };
    for kind in types.items()? {
        if kind.text()? != "ReportBatchItemFailures" {
            return Err(kind.error("must be ReportBatchItemFailures"));
        }
    }
    Ok(!types.items()?.is_empty())
}

fn dead_letters(properties: &Node) -> Result<Option<String>, TemplateError> {
    let Some(config) = properties.get("DestinationConfig") else {
        return Ok(None);
    };
    config.only(&["OnFailure"])?;
    let failure = config.required("OnFailure")?;
    failure.only(&["Type", "Destination"])?;
    if_written(&failure, "Type", "SQS")?;
    queues::of_arn(&failure.required("Destination")?).map(Some)
}

pub(super) fn filters(properties: &Node) -> Result<Vec<Value>, TemplateError> {
    let Some(criteria) = properties.get("FilterCriteria") else {
        return Ok(Vec::new());
    };
    criteria.only(&["Filters"])?;
    let mut patterns = Vec::new();
    for filter in criteria.required("Filters")?.items()? {
        filter.only(&["Pattern"])?;
        let node = filter.required("Pattern")?;
        let pattern =
            serde_json::from_str(&node.text()?).map_err(|error| node.error(format!("is not JSON: {error}")))?;
        Pattern::parse(&pattern).map_err(|error| node.error(error.to_string()))?;
        patterns.push(pattern);
    }
    Ok(patterns)
}
