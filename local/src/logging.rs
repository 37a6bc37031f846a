//! Logs of the local cloud itself: JSON lines in the data folder, short lines on stderr. Never bodies, query strings,
//! tokens, phone numbers or mail addresses. Functions log into files of their own.

use std::path::Path;
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging into `logs/local.jsonl`.
pub(crate) fn start(data_dir: &Path) -> std::io::Result<()> {
    let file = crate::files::append(&data_dir.join("logs").join("local.jsonl"))?;
    // Of libraries only what went wrong: their lines may hold what ours must not.
    let ours = |level: LevelFilter| Targets::new().with_default(LevelFilter::ERROR).with_target("local", level);
    let file =
        tracing_subscriber::fmt::layer().json().with_writer(Mutex::new(file)).with_filter(ours(LevelFilter::DEBUG));
    let terminal = tracing_subscriber::fmt::layer()
        .compact()
        .without_time()
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_filter(ours(LevelFilter::WARN));
    // A test may have set one already.
    let _ = tracing_subscriber::registry().with(file).with(terminal).try_init();
    Ok(())
}
