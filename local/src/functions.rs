//! The functions in this executable, which runs itself again as each of them.

use std::io::Read;
use std::process::ExitCode;

type Main = fn() -> ExitCode;

/// Binary name and entry point of every function.
pub(crate) const FUNCTIONS: &[(&str, Main)] = &[
    ("auth", auth::main),
    ("admin", admin::main),
    ("webhooks", webhooks::main),
    ("snapshots", snapshots::main),
    ("live-stream", live_stream::main),
    ("websocket", websocket::main),
    ("fanout", fanout::main),
];

/// Runs the function until the local cloud is gone.
pub(crate) fn run(name: &str) -> ExitCode {
    match FUNCTIONS.iter().find(|(function, _)| *function == name) {
        Some((_, main)) => {
            std::thread::spawn(end_with_parent);
            main()
        }
        None => {
            crate::output::complain(&format!("this program has no function {name}"));
            ExitCode::FAILURE
        }
    }
}

/// The Lambda runtime retries for ever when its Runtime API is gone, so an orphan would spin. Our standard input is a pipe
/// that the local cloud never writes to: its end is the end of the local cloud, by whatever means.
fn end_with_parent() {
    let mut nothing = [0; 1];
    while matches!(std::io::stdin().read(&mut nothing), Ok(read) if read > 0) {}
    std::process::exit(0);
}
