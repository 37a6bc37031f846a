//! Event source mappings: DynamoDB stream to function.
//!
//! One loop per mapping, since the embedded database has one shard per table: batches of a mapping never overlap, which
//! is also a right schedule for a `ParallelizationFactor` above 1. Delivery is at least once, in stream order, and goes
//! on after a restart where it stopped. A pipe to a queue is such a loop too, with a queue in place of the function.

mod chaos;
mod dead_letters;
mod delivery;
pub mod filter;
mod pipe;
mod poller;
mod position;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::dynamodb::Dynamodb;
use crate::queues::Queues;
use crate::runtime_api::{Function, Functions};
use crate::settings::Settings;
use crate::template::{self, StreamMapping, Table, Template};

pub(crate) use chaos::Chaos;
pub use dead_letters::DeadLetters;
pub(crate) use dead_letters::list;
pub(crate) use delivery::{Invoke, failed_items};

use delivery::{Counts, Delivery};
use filter::{Pattern, PatternError};
use poller::Poller;
use position::Position;
use record::Stream;

/// Why the stream mappings do not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be written.
    #[error("cannot keep the positions in the streams")]
    Position(#[from] std::io::Error),
    /// A filter is wrong. The template's reader says so before.
    #[error("a stream filter is wrong")]
    Filter(#[from] PatternError),
    /// The template names a function or table that is not there.
    #[error("the stream mapping or pipe {0} names a function or table that does not exist")]
    Missing(String),
}

/// The running mappings; dropping it stops them.
#[derive(Debug)]
pub struct Streams {
    /// What they did.
    pub counts: StreamCounts,
    _tasks: JoinSet<()>,
}

/// Counts since the start, by function or pipe.
#[derive(Debug, Clone)]
pub struct StreamCounts {
    by_reader: Arc<BTreeMap<String, Arc<Counts>>>,
}

/// What [`start`] needs besides the template.
pub struct Context<'a> {
    /// The database whose streams are read.
    pub dynamodb: &'a Dynamodb,
    /// The functions that get the records.
    pub functions: &'a Functions,
    /// Where positions are kept, how fast time runs, and the seed of disturbances.
    pub settings: &'a Settings,
    /// Where goes what is given up.
    pub dead_letters: &'a DeadLetters,
    /// Where the pipes lead.
    pub queues: &'a Queues,
}

/// Starts a loop for every stream mapping and every pipe of the template.
///
/// # Errors
///
/// Fails if a mapping names what is not there, or the data folder cannot be written.
pub fn start(template: &Template, context: &Context<'_>) -> Result<Streams, Error> {
    let (mut counts, mut tasks) = (BTreeMap::new(), JoinSet::new());
    let mut readers = Vec::new();
    for mapping in &template.stream_mappings {
        let function = context.functions.get(&mapping.function);
        let function = function.ok_or_else(|| Error::Missing(mapping.function.clone()))?;
        readers.push((mapping.clone(), invoke(function)));
    }
    readers.extend(template.pipes.iter().map(|pipe| (pipe::mapping(pipe), pipe::sink(pipe, context.queues))));
    for (mapping, invoke) in readers {
        let table = template.tables.iter().find(|table| table.name == mapping.table);
        let table = table.ok_or_else(|| Error::Missing(mapping.function.clone()))?;
        let poller = poller(&mapping, table, invoke, context)?;
        counts.insert(mapping.function, Arc::clone(&poller.delivery.counts));
        tasks.spawn(poller.run());
    }
    Ok(Streams { counts: StreamCounts { by_reader: Arc::new(counts) }, _tasks: tasks })
}

impl StreamCounts {
    /// `{"fanout": {"invocations": 1, ...}}`.
    #[must_use]
    pub fn json(&self) -> Value {
        let counts = |(reader, counts): (&String, &Arc<Counts>)| {
            let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            let json = json!({
                "invocations": load(&counts.invocations),
                "records": load(&counts.records),
                "failures": load(&counts.failures),
                "dead_letters": load(&counts.dead_letters),
            });
            (reader.clone(), json)
        };
        self.by_reader.iter().map(counts).collect::<serde_json::Map<_, _>>().into()
    }
}

/// Calls the function with an event.
pub(crate) fn invoke(function: &Function) -> Invoke {
    let function = function.clone();
    Arc::new(move |payload: Bytes| {
        let function = function.clone();
        Box::pin(async move { function.invoke(payload).await })
    })
}

fn poller(mapping: &StreamMapping, table: &Table, invoke: Invoke, context: &Context<'_>) -> Result<Poller, Error> {
    let settings = context.settings;
    let data_dir: &Path = &settings.data_dir;
    let stream = Stream { arn: template::stream_arn(&table.name), hash_key: hash_key(table) };
    let filters = mapping.filters.iter().map(Pattern::parse).collect::<Result<_, _>>()?;
    let delivery = Delivery {
        invoke,
        dead_letters: context.dead_letters.clone(),
        stream_arn: stream.arn.clone(),
        shard: dynoxide::streams::shard_id(&table.name),
        max_age: mapping.max_age.map(|age| settings.scaled(age)),
        now: || jiff::Timestamp::now().as_duration().as_secs_f64(),
        counts: Arc::default(),
        mapping: mapping.clone(),
    };
    Ok(Poller {
        db: context.dynamodb.db.clone(),
        changes: context.dynamodb.changes(),
        stream,
        filters,
        delivery,
        position: Position::open(data_dir, &mapping.function, &table.name)?,
        chaos: settings.chaos.map(|seed| Chaos::new(seed, &mapping.function)),
    })
}

fn hash_key(table: &Table) -> String {
    let keys = table.create.get("KeySchema").and_then(Value::as_array);
    let hash = keys.into_iter().flatten().find(|key| key.get("KeyType") == Some(&Value::from("HASH")));
    hash.and_then(|key| key.get("AttributeName")).and_then(Value::as_str).unwrap_or_default().to_owned()
}
