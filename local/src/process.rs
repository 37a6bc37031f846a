//! The child processes: one per function, or a small pool of them in strict mode.
//!
//! Normally `cargo run` executes itself again for every function, so that functions are separate processes on the real
//! Runtime API and still come out of one build; with `--bin-dir` they are the real `bootstrap` files. A child gets the
//! environment that Lambda would give it and nothing of ours, writes its log into a file of its own, and cannot outlive
//! us: when our end of the Runtime API closes, its next poll fails and it ends.
//!
//! `supervisor` keeps the children of one function alive, `child` starts one of them.

mod child;
mod supervisor;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::http::{self, system};
use crate::kill_points;
use crate::runtime_api::{Function, Functions, Spec};
use crate::settings::Settings;
use crate::template::{self, Mode, Template};
use child::Launch;

/// Invocations at once in a child that serves many.
const SHARED_CONCURRENCY: usize = 128;
/// The same where an invocation lasts as long as a stream; one whose client has left goes on, as on Lambda.
const SHARED_STREAMS: usize = 1024;

/// Children of one function in strict mode.
const STRICT_CHILDREN: usize = 20;

/// How long all functions together may take to start.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// Why the functions could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder of the logs cannot be written.
    #[error("cannot write the log {path}")]
    Log {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is unknown which program to run again.
    #[error("cannot find the path of this program")]
    CurrentExe(#[source] io::Error),
    /// `--bin-dir` has no binary for a function.
    #[error("no binary for the function {function}: neither {tried}/bootstrap nor {tried} is a file")]
    MissingBinary {
        /// The function.
        function: String,
        /// Where it was looked for.
        tried: PathBuf,
    },
    /// A process could not be started.
    #[error("cannot start the function {function}")]
    Spawn {
        /// The function.
        function: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A function ended again and again before it asked for its first invocation.
    #[error("the function {function} ended {times} times while starting; its last line was: {last_line}")]
    Crashing {
        /// The function.
        function: String,
        /// How often.
        times: u32,
        /// The last line it wrote.
        last_line: String,
    },
    /// A function started and never asked for an invocation.
    #[error("the function {function} was not ready within {seconds} s; its last line was: {last_line}")]
    NotReady {
        /// The function.
        function: String,
        /// The limit.
        seconds: u64,
        /// The last line it wrote.
        last_line: String,
    },
}

/// The running children. Dropping it kills them; [`Children::shutdown`] also waits for their end.
#[derive(Debug)]
pub struct Children {
    stop: watch::Sender<bool>,
    supervisors: Vec<JoinHandle<()>>,
}

impl Children {
    /// Kills all children and waits until they are gone.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        for supervisor in self.supervisors.drain(..) {
            // An error is a panic of the supervisor, whose children died with it.
            let _ = supervisor.await;
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Starts every function of the template and waits until each has asked for its first invocation.
///
/// The children's environment is the template's, with `extra_env` over it.
///
/// # Errors
///
/// Fails, with everything stopped again, if any function cannot be started within 20 s.
pub async fn start_all(
    template: &Template,
    settings: &Settings,
    extra_env: BTreeMap<String, String>,
) -> Result<(Functions, Children), Error> {
    raise_file_limit(template.functions.iter().map(|function| concurrency(template, settings, function)).sum());
    let logs = settings.data_dir.join("logs");
    std::fs::create_dir_all(&logs).map_err(|source| Error::Log { path: logs.clone(), source })?;

    let (stop, stopped) = watch::channel(false);
    let mut children = Children { stop, supervisors: Vec::new() };
    let mut starting = Vec::new();
    let mut functions = Vec::new();
    for declared in &template.functions {
        let concurrency = concurrency(template, settings, declared);
        let function = Function::new(Spec {
            binary: declared.binary.clone(),
            logical_id: declared.logical_id.clone(),
            timeout: http::invocation_limit(settings, declared.timeout),
            concurrency,
            kill_on_timeout: settings.strict,
        });
        let log = logs.join(format!("{}.jsonl", declared.binary));
        let program = program(settings, declared)?;
        let launch = Arc::new(Launch {
            function: function.clone(),
            program: settings.bin_dir.as_ref().and(settings.launcher.clone()).unwrap_or_else(|| program.clone()),
            environment: environment(declared, settings, concurrency, &extra_env),
            launched: program,
            log_start: std::fs::metadata(&log).map_or(0, |log| log.len()),
            log,
        });
        let (failed, failure) = oneshot::channel();
        let most = if settings.strict { STRICT_CHILDREN } else { 1 };
        let supervisor = supervisor::run(Arc::clone(&launch), most, stopped.clone(), failed);
        children.supervisors.push(system::spawn(supervisor));
        starting.push((launch, failure));
        functions.push(function);
    }

    // All are starting by now, so waiting for one after the other takes as long as the slowest.
    let deadline = Instant::now() + START_DEADLINE;
    for (launch, failure) in starting {
        if let Err(error) = started(&launch, failure, deadline).await {
            children.shutdown().await;
            return Err(error);
        }
    }
    Ok((functions.into_iter().collect(), children))
}

/// Invocations of a function at once.
fn concurrency(template: &Template, settings: &Settings, function: &template::Function) -> usize {
    let streams = |route: &template::Route| route.function == function.binary && route.mode == Mode::Streaming;
    match (settings.strict, template.routes.iter().any(streams)) {
        (true, _) => STRICT_CHILDREN,
        (false, true) => SHARED_STREAMS,
        (false, false) => SHARED_CONCURRENCY,
    }
}

async fn started(launch: &Launch, failure: oneshot::Receiver<Error>, deadline: Instant) -> Result<(), Error> {
    tokio::select! {
        () = launch.function.dispatcher().ready() => Ok(()),
        Ok(error) = failure => Err(error),
        () = tokio::time::sleep_until(deadline) => Err(Error::NotReady {
            function: launch.function.binary().to_owned(),
            seconds: START_DEADLINE.as_secs(),
            last_line: child::last_line(&launch.log, launch.log_start),
        }),
    }
}

/// Waits for the signal to stop, or for the end of [`Children`].
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn program(settings: &Settings, function: &template::Function) -> Result<PathBuf, Error> {
    let Some(folder) = &settings.bin_dir else {
        return std::env::current_exe().map_err(Error::CurrentExe);
    };
    let tried = folder.join(&function.binary);
    let bootstrap = tried.join("bootstrap");
    if bootstrap.is_file() {
        Ok(bootstrap)
    } else if tried.is_file() {
        Ok(tried)
    } else {
        Err(Error::MissingBinary { function: function.binary.clone(), tried })
    }
}

/// What a Lambda function finds in its environment, except the address of the Runtime API.
fn environment(
    function: &template::Function,
    settings: &Settings,
    concurrency: usize,
    extra: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> =
        [("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_REGION", "us-east-1"), ("LANG", "en_US.UTF-8"), ("TZ", ":UTC")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    for name in ["HOME", "PATH"] {
        if let Some(value) = inherited(name) {
            environment.insert(name.to_owned(), value);
        }
    }
    environment.extend(function.environment.clone());
    environment.extend(extra.clone());
    environment.extend(
        [
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.logical_id.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.logical_id)),
            ("SWITCHBOARD_FUNCTION", function.binary.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    kill_points::sign(&mut environment, &function.binary);
    if settings.strict {
        environment.remove("AWS_LAMBDA_MAX_CONCURRENCY");
    } else {
        environment.insert("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), concurrency.to_string());
    }
    environment
}

#[expect(clippy::disallowed_methods, reason = "Lambda sets these two, and a child needs the ones of this machine")]
fn inherited(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Every waiting poll is a socket, here and in the child, which inherits the limit. The default of 1,024 on Linux and
/// 256 on macOS would end after a few functions.
#[cfg(unix)]
fn raise_file_limit(sockets: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let wanted = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(4096);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let current = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum }) {
        tracing::warn!(%error, wanted, "cannot raise the limit of open files");
    }
}

#[cfg(not(unix))]
fn raise_file_limit(_sockets: usize) {}
