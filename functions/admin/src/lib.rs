//! Placeholder.

/// Runs.
pub fn main() -> std::process::ExitCode {
    runtime::http(|_| Some(axum::Router::new()))
}
