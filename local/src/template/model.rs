//! What the local cloud builds, as read from `template.yaml`.
//!
//! Pipes, queues with consumers and buckets are not here yet. They get a `Vec` in [`Template`] beside
//! `stream_mappings`, a reader module beside `functions`, `tables` and `streams`, and an arm in `resource`.

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
