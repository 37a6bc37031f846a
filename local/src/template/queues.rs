//! SQS queues, and the functions that consume them.

use std::time::Duration;

use super::error::TemplateError;
use super::model::{DeadLetterPolicy, Deduplication, Fifo, Queue, QueueMapping, Template};
use super::node::{Node, join};
use super::streams::{if_written, number, report_partial};

const DEFAULT_VISIBILITY: u64 = 30;
const DEFAULT_RETENTION: u64 = 345_600;
const DEFAULT_BATCH_SIZE: usize = 10;

/// The most messages of one batch of a FIFO queue.
const MOST_OF_A_BATCH: usize = 10;

/// Reads the properties of one `AWS::SQS::Queue`.
pub(super) fn read(name: &str, properties: &Node) -> Result<Queue, TemplateError> {
    properties.only(&[
        "DeduplicationScope",
        "FifoQueue",
        "FifoThroughputLimit",
        "MessageRetentionPeriod",
        "RedrivePolicy",
        "VisibilityTimeout",
        // Without effect on one laptop.
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "SqsManagedSseEnabled",
        "Tags",
    ])?;
    let seconds = |key, default| -> Result<Duration, TemplateError> {
        let seconds = properties.get(key).map(|node: Node| node.integer()).transpose()?;
        Ok(Duration::from_secs(seconds.unwrap_or(default)))
    };
    Ok(Queue {
        name: name.to_owned(),
        fifo: fifo(properties)?,
        visibility: seconds("VisibilityTimeout", DEFAULT_VISIBILITY)?,
        retention: seconds("MessageRetentionPeriod", DEFAULT_RETENTION)?,
        dead_letters: properties.get("RedrivePolicy").map(|policy| redrive_policy(&policy)).transpose()?,
    })
}

fn fifo(properties: &Node) -> Result<Option<Fifo>, TemplateError> {
    let scope = properties.get("DeduplicationScope");
    let limit = properties.get("FifoThroughputLimit");
    let fifo = match properties.get("FifoQueue") {
        // CloudFormation takes no other value: a standard queue leaves it out.
        Some(node) if !node.boolean()? => return Err(node.error("must be true, or left out")),
        written => written.is_some(),
    };
    if !fifo {
        let only_fifo = |node: Node| Err(node.error("is for FIFO queues only"));
        return scope.or(limit).map_or(Ok(None), only_fifo);
    }
    let deduplication = match &scope {
        None => Deduplication::Queue,
        Some(node) => match node.text()?.as_str() {
            "queue" => Deduplication::Queue,
            "messageGroup" => Deduplication::Group,
            _ => return Err(node.error("must be queue or messageGroup")),
        },
    };
    if let Some(limit) = limit {
        match (limit.text()?.as_str(), deduplication) {
            ("perQueue", _) | ("perMessageGroupId", Deduplication::Group) => {}
            ("perMessageGroupId", _) => return Err(limit.error("wants DeduplicationScope messageGroup")),
            _ => return Err(limit.error("must be perQueue or perMessageGroupId")),
        }
    }
    Ok(Some(Fifo { deduplication }))
}

fn redrive_policy(policy: &Node) -> Result<DeadLetterPolicy, TemplateError> {
    policy.only(&["deadLetterTargetArn", "maxReceiveCount"])?;
    let receives = policy.required("maxReceiveCount")?;
    let max_receives = receives.integer()?;
    if !(1..=1000).contains(&max_receives) {
        return Err(receives.error("must be 1 to 1000"));
    }
    Ok(DeadLetterPolicy { queue: of_arn(&policy.required("deadLetterTargetArn")?)?, max_receives })
}

/// The name of the queue with this ARN.
pub(super) fn of_arn(node: &Node) -> Result<String, TemplateError> {
    let arn = node.text()?;
    match (arn.starts_with("arn:aws:sqs:"), arn.rsplit_once(':')) {
        (true, Some((_, queue))) => Ok(queue.to_owned()),
        _ => Err(node.error("must be the Arn of a queue of this template")),
    }
}

/// Reads the properties of one `SQS` event.
pub(super) fn mapping(function: &str, properties: &Node) -> Result<QueueMapping, TemplateError> {
    properties.only(&[
        "BatchSize",
        "FunctionResponseTypes",
        "MaximumBatchingWindowInSeconds",
        "Queue",
        "ScalingConfig",
    ])?;
    // A FIFO queue has no batching window.
    if_written(properties, "MaximumBatchingWindowInSeconds", "0")?;
    let batch_size = number(properties, "BatchSize")?.unwrap_or(DEFAULT_BATCH_SIZE);
    if !(1..=MOST_OF_A_BATCH).contains(&batch_size) {
        let place = join(&properties.place, "BatchSize");
        return Err(TemplateError::at(&place, "must be 1 to 10 for a FIFO queue"));
    }
    Ok(QueueMapping {
        function: function.to_owned(),
        queue: of_arn(&properties.required("Queue")?)?,
        batch_size,
        report_partial: report_partial(properties)?,
        max_concurrency: properties.get("ScalingConfig").map(|scaling| max_concurrency(&scaling)).transpose()?,
    })
}

fn max_concurrency(scaling: &Node) -> Result<usize, TemplateError> {
    scaling.only(&["MaximumConcurrency"])?;
    let node = scaling.required("MaximumConcurrency")?;
    let most = node.integer()?;
    if !(2..=1000).contains(&most) {
        return Err(node.error("must be 2 to 1000"));
    }
    Ok(most)
}

/// Checks what one resource cannot know of the others.
pub(super) fn check(template: &Template) -> Result<(), TemplateError> {
    for queue in &template.queues {
        check_dead_letters(template, queue)?;
    }
    for (index, mapping) in template.queue_mappings.iter().enumerate() {
        let place = join("Resources", &mapping.queue);
        let function = &mapping.function;
        let Some(queue) = template.queues.iter().find(|queue| queue.name == mapping.queue) else {
            return Err(TemplateError::at(&place, format!("{function} consumes a queue that is not there")));
        };
        if queue.fifo.is_none() {
            let problem = format!("{function} consumes it, and the local cloud runs consumers of FIFO queues only");
            return Err(TemplateError::at(&place, problem));
        }
        if template.queue_mappings.iter().take(index).any(|other| other.queue == mapping.queue) {
            return Err(TemplateError::at(&place, "has two consumers, which would steal each other's messages"));
        }
        // Lambda refuses such a mapping.
        let slow = |it: &&super::Function| it.binary == *function && it.timeout > queue.visibility;
        if template.functions.iter().any(|function| slow(&function)) {
            let problem = format!("VisibilityTimeout must not be shorter than the Timeout of {function}");
            return Err(TemplateError::at(&place, problem));
        }
    }
    Ok(())
}

fn check_dead_letters(template: &Template, queue: &Queue) -> Result<(), TemplateError> {
    let Some(policy) = &queue.dead_letters else {
        return Ok(());
    };
    let same_kind = |other: &Queue| other.name == policy.queue && other.fifo.is_some() == queue.fifo.is_some();
    if policy.queue != queue.name && template.queues.iter().any(same_kind) {
        return Ok(());
    }
    let place = join(&join("Resources", &queue.name), "Properties.RedrivePolicy");
    Err(TemplateError::at(&place, "must name another queue of the same kind, FIFO or not"))
}
