//! JSON logs on standard output, one line per record, and a panic hook that says where but not what.

use std::panic;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Libraries whose chatter may hold requests, and so content: never below warnings.
const LIBRARIES: [&str; 8] = ["aws", "h2", "hyper", "lambda_http", "lambda_runtime", "rustls", "tower", "axum"];

pub(crate) fn init(level: &str) {
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let quiet = level.min(LevelFilter::WARN);
    let targets = LIBRARIES.iter().fold(Targets::new().with_default(level), |t, name| t.with_target(*name, quiet));
    let format = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_target(false);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(format.with_filter(targets)).try_init();
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
