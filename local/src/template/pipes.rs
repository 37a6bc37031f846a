//! EventBridge pipes, from a table's stream to a FIFO queue.

use super::error::TemplateError;
use super::model::{Pipe, Table, Template};
use super::node::{Node, join};
use super::queues;
use super::streams::{filters, if_written, number, only_value, table};

const DEFAULT_BATCH_SIZE: usize = 100;

/// Reads the properties of one `AWS::Pipes::Pipe`.
pub(super) fn read(name: &str, properties: &Node) -> Result<Pipe, TemplateError> {
    properties.only(&[
        "DesiredState",
        "Source",
        "SourceParameters",
        "Target",
        "TargetParameters",
        // Without effect on one laptop: who it is and who watches it.
        "Description",
        "LogConfiguration",
        "Name",
        "RoleArn",
        "Tags",
    ])?;
    if_written(properties, "DesiredState", "RUNNING")?;
    let source = properties.required("SourceParameters")?;
    source.only(&["DynamoDBStreamParameters", "FilterCriteria"])?;
    let target = properties.required("TargetParameters")?;
    target.only(&["SqsQueueParameters"])?;
    let message = target.required("SqsQueueParameters")?;
    message.only(&["MessageDeduplicationId", "MessageGroupId"])?;
    Ok(Pipe {
        name: name.to_owned(),
        table: table(&properties.required("Source")?)?,
        queue: queues::of_arn(&properties.required("Target")?)?,
        batch_size: batch_size(&source.required("DynamoDBStreamParameters")?)?,
        filters: filters(&source)?,
        group: pointer(&message.required("MessageGroupId")?)?,
        deduplication: pointer(&message.required("MessageDeduplicationId")?)?,
    })
}

/// Retries and age are checked and not used: a local queue refuses nothing but a full disk, which is waited for, and
/// the time in which the local cloud is stopped does not count.
fn batch_size(stream: &Node) -> Result<usize, TemplateError> {
    stream.only(&[
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "OnPartialBatchItemFailure",
        "ParallelizationFactor",
        "StartingPosition",
    ])?;
    only_value(stream, "StartingPosition", "TRIM_HORIZON")?;
    if_written(stream, "OnPartialBatchItemFailure", "AUTOMATIC_BISECT")?;
    if_written(stream, "MaximumBatchingWindowInSeconds", "0")?;
    // More would keep order only per item, and a message group is more than an item.
    if_written(stream, "ParallelizationFactor", "1")?;
    for limit in ["MaximumRecordAgeInSeconds", "MaximumRetryAttempts"] {
        if let Some(node) = stream.get(limit).filter(|node| node.value != -1) {
            node.integer::<u32>()?;
        }
    }
    Ok(number(stream, "BatchSize")?.unwrap_or(DEFAULT_BATCH_SIZE).max(1))
}

/// `$.dynamodb.Keys.pk.S` as `/dynamodb/Keys/pk/S`.
fn pointer(path: &Node) -> Result<String, TemplateError> {
    let text = path.text()?;
    let name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match text.strip_prefix("$.") {
        Some(names) if names.split('.').all(name) => Ok(format!("/{}", names.replace('.', "/"))),
        _ => Err(path.error("must be a path of names, like $.dynamodb.Keys.pk.S")),
    }
}

/// Checks what a pipe cannot know of the others.
pub(super) fn check(template: &Template) -> Result<(), TemplateError> {
    for pipe in &template.pipes {
        let place = join("Resources", &pipe.name);
        let streamed = |table: &Table| table.name == pipe.table && table.streamed;
        if !template.tables.iter().any(streamed) {
            let problem = format!("reads the stream of {}, which has none", pipe.table);
            return Err(TemplateError::at(&place, problem));
        }
        if !template.queues.iter().any(|queue| queue.name == pipe.queue && queue.fifo.is_some()) {
            return Err(TemplateError::at(&place, format!("{} must be a FIFO queue of this template", pipe.queue)));
        }
    }
    Ok(())
}
