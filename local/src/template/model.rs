//! What the local cloud builds, as read from `template.yaml`.
//!
//! Buckets are not here yet. They get a `Vec` in [`Template`] beside `queues`, a reader module beside `functions`,
//! `tables` and `queues`, and an arm in `resource`.

use std::collections::BTreeMap;
use std::time::Duration;

/// Everything the local cloud needs to know of the template.
#[derive(Debug, Clone, Default)]
pub struct Template {
    /// Stage of both APIs.
    pub stage: String,
    /// All functions, sorted by their name in the template.
    pub functions: Vec<Function>,
    /// All routes of the REST API.
    pub routes: Vec<Route>,
    /// Answer to preflight requests, and headers of gateway errors.
    pub cors: Cors,
    /// Media types whose bodies reach functions as base64, with `~1` read as `/`.
    pub binary_media_types: Vec<String>,
    /// The WebSocket API, if there is one.
    pub websocket: Option<WebsocketApi>,
    /// All tables.
    pub tables: Vec<Table>,
    /// Which function reads which table's stream, and how.
    pub stream_mappings: Vec<StreamMapping>,
    /// All queues.
    pub queues: Vec<Queue>,
    /// Which table's stream goes to which queue.
    pub pipes: Vec<Pipe>,
    /// Which function gets which queue's messages, and how.
    pub queue_mappings: Vec<QueueMapping>,
    /// Functions that run again and again.
    pub schedules: Vec<Schedule>,
}

/// A Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name in the template.
    pub logical_id: String,
    /// The binary, which is also the crate and the folder.
    pub binary: String,
    /// Memory on AWS.
    pub memory_mb: u32,
    /// Longest invocation.
    pub timeout: Duration,
    /// Environment variables, resolved.
    pub environment: BTreeMap<String, String>,
}

/// How a route hands the function's answer to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whole, when it is complete.
    Buffered,
    /// As it is written.
    Streaming,
}

/// One method of one path of the REST API.
#[derive(Debug, Clone)]
pub struct Route {
    /// Binary name of the function.
    pub function: String,
    /// Upper-case method, or `ANY`.
    pub method: String,
    /// Path in the template's form: `/api/x/{id}`.
    pub path: String,
    /// How answers travel.
    pub mode: Mode,
    /// Integration timeout.
    pub timeout: Duration,
}

/// Cross-origin answers, without the quotes that API Gateway wants around static values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    /// `Access-Control-Allow-Origin`.
    pub allow_origin: String,
    /// `Access-Control-Allow-Methods`.
    pub allow_methods: String,
    /// `Access-Control-Allow-Headers`.
    pub allow_headers: String,
    /// `Access-Control-Max-Age`, in seconds.
    pub max_age: String,
}

/// The WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebsocketApi {
    /// Route selection expression, `$request.body.action`.
    pub selection: String,
    /// Route key to binary name.
    pub routes: BTreeMap<String, String>,
}

/// A DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name, which locally is its name in the template.
    pub name: String,
    /// The `CreateTable` request.
    pub create: serde_json::Value,
    /// Attribute that holds the time to live, when it is enabled.
    pub ttl_attribute: Option<String>,
    /// Whether changes go to a stream.
    pub streamed: bool,
}

/// A function that reads a table's stream.
#[derive(Debug, Clone)]
pub struct StreamMapping {
    /// Binary name of the function.
    pub function: String,
    /// Name of the table.
    pub table: String,
    /// Most records of one invocation.
    pub batch_size: usize,
    /// Invocations at a time per shard.
    pub parallelization: usize,
    /// Whether the answer may name the records that failed.
    pub report_partial: bool,
    /// Whether a batch that failed as a whole is halved.
    pub bisect: bool,
    /// Retries before a batch is given up; `None` retries until the record is too old.
    pub max_attempts: Option<u32>,
    /// Age at which a record is given up.
    pub max_age: Option<Duration>,
    /// Event patterns, of which one must match; none means every record.
    pub filters: Vec<serde_json::Value>,
    /// Name of the queue for what was given up.
    pub dead_letters: Option<String>,
}

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name, which locally is its name in the template.
    pub name: String,
    /// What makes it a FIFO queue, if it is one.
    pub fifo: Option<Fifo>,
    /// How long a message that was received and not deleted stays hidden.
    pub visibility: Duration,
    /// Age at which a message is thrown away.
    pub retention: Duration,
    /// Where messages go that were received too often.
    pub dead_letters: Option<DeadLetterPolicy>,
}

/// What only FIFO queues have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fifo {
    /// Which messages may not have the same deduplication id within five minutes.
    pub deduplication: Deduplication,
}

/// `DeduplicationScope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deduplication {
    /// All messages of the queue.
    Queue,
    /// Messages of one group.
    Group,
}

/// `RedrivePolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterPolicy {
    /// Name of the dead-letter queue.
    pub queue: String,
    /// How often a message is received before it goes there.
    pub max_receives: u32,
}

/// An EventBridge pipe from a table's stream to a FIFO queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipe {
    /// Its name in the template.
    pub name: String,
    /// Name of the table.
    pub table: String,
    /// Name of the queue.
    pub queue: String,
    /// Most records at once.
    pub batch_size: usize,
    /// Event patterns, of which one must match; none means every record.
    pub filters: Vec<serde_json::Value>,
    /// Where a record has its message group, as a JSON pointer.
    pub group: String,
    /// Where a record has its deduplication id, as a JSON pointer.
    pub deduplication: String,
}

/// A function that consumes a FIFO queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMapping {
    /// Binary name of the function.
    pub function: String,
    /// Name of the queue.
    pub queue: String,
    /// Most messages of one invocation.
    pub batch_size: usize,
    /// Whether the answer may name the messages that failed.
    pub report_partial: bool,
    /// Most invocations at once; `None` is as many as there are groups.
    pub max_concurrency: Option<usize>,
}

/// A function that is invoked again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Binary name of the function.
    pub function: String,
    /// Name of the rule: that of the function and that of the event in the template.
    pub name: String,
    /// Time between two invocations.
    pub period: Duration,
}
