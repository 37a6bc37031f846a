//! The one bootstrap of every function: configuration, clients, logs, metrics, and the Lambda runtime.
//!
//! A function's `main` is one call: [`http`], [`streaming`] or [`events`]. It builds its state once from an
//! [`Environment`]; whatever is missing or wrong is reported together, before the first event.

mod batch;
mod clients;
mod environment;
mod logs;
pub mod metrics;
pub mod queue;
mod serve;

pub use batch::BatchResponse;
pub use environment::{ConfigError, Environment};
pub use serve::{events, http, streaming};
