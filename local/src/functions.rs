//! The functions in this executable, which runs itself again as each of them.

use std::io::Read;
use std::path::Path;
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
    ("human-control", human_control::main),
    ("replies", replies::main),
    ("llm-stream", llm_stream::main),
    ("chat-sessions", chat_sessions::main),
    ("chat", chat::main),
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

/// Becomes a real `bootstrap`, which knows nothing of pipes: the system ends it when its parent is gone.
#[cfg(unix)]
pub(crate) fn become_binary(binary: &Path) -> ExitCode {
    use std::os::unix::process::CommandExt;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        crate::output::complain(&format!("{} may outlive the local cloud: {error}", binary.display()));
    }
    let error = std::process::Command::new(binary).exec();
    crate::output::complain(&format!("cannot run {}: {error}", binary.display()));
    ExitCode::FAILURE
}

/// Runs a real `bootstrap` as a child: this system cannot replace a process.
#[cfg(not(unix))]
pub(crate) fn become_binary(binary: &Path) -> ExitCode {
    std::thread::spawn(end_with_parent);
    match std::process::Command::new(binary).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
