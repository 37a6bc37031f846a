//! One child process and its life.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Error;
use crate::environment::LAUNCHED;
use crate::http::system;
use crate::runtime_api::{Environment, Function};

/// What is needed to start a child of one function.
pub(super) struct Launch {
    pub(super) function: Function,
    pub(super) program: PathBuf,
    /// What the program becomes, where it is only the launcher.
    pub(super) launched: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log: PathBuf,
    /// Length of the log when everything started.
    pub(super) log_start: u64,
}

/// How a child ended.
pub(super) struct Exit {
    /// Whether we ended it, because of a timeout or because everything ends.
    pub(super) killed: bool,
    pub(super) lived: Duration,
    pub(super) last_line: String,
}

impl Launch {
    /// Starts a child and waits for its end, or for `stop`.
    pub(super) async fn run(&self, mut stop: watch::Receiver<bool>) -> Result<Exit, Error> {
        let spawn_error = |source| Error::Spawn { function: self.function.binary().to_owned(), source };
        let log_error = |source| Error::Log { path: self.log.clone(), source };
        let environment = Environment::open(&self.function).await.map_err(spawn_error)?;
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(log_error)?;
        let written = log.metadata().map_err(log_error)?.len();

        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(&self.environment)
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{}", system::uuid().simple()))
            .env("AWS_LAMBDA_RUNTIME_API", environment.address().to_string())
            .env(LAUNCHED, &self.launched)
            // Held open for as long as we live: its end tells the child that we are gone, however we went.
            .stdin(Stdio::piped())
            // Both into the file itself: no relay that could lose the last words of a crash.
            .stdout(log.try_clone().map_err(log_error)?)
            .stderr(log)
            .kill_on_drop(true);
        // Ctrl-C in the terminal reaches us, and we end the children in order.
        #[cfg(unix)]
        command.process_group(0);
        let started = Instant::now();
        let mut child = command.spawn().map_err(spawn_error)?;
        let _lifeline = child.stdin.take();

        let killed = tokio::select! {
            status = child.wait() => {
                let status = status.map_err(spawn_error)?;
                tracing::debug!(function = self.function.binary(), %status, "a function's process ended");
                false
            }
            () = environment.kill_wanted() => true,
            () = super::stopped(&mut stop) => true,
        };
        if killed {
            child.kill().await.map_err(spawn_error)?;
        }
        let last_line = if killed { String::new() } else { last_line(&self.log, written) };
        Ok(Exit { killed, lived: started.elapsed(), last_line })
    }
}

/// The last line of the log after the first `from` bytes.
pub(super) fn last_line(log: &Path, from: u64) -> String {
    let line = read_tail(log, from).ok().and_then(|tail| {
        let text = String::from_utf8_lossy(&tail).into_owned();
        text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
    });
    line.unwrap_or_else(|| "(nothing)".to_owned())
}

fn read_tail(log: &Path, from: u64) -> io::Result<Vec<u8>> {
    const TAIL: u64 = 16 * 1024;
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL))))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}
