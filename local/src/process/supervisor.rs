//! Keeps the children of one function alive.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Error;
use super::child::{Exit, Launch};

/// Quick crashes in a row that make starting pointless.
const MOST_START_CRASHES: u32 = 5;

/// A life shorter than this is a crash of the start.
const QUICK: Duration = Duration::from_secs(10);

/// The first pause after a crash; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause after a crash.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs at least one child and at most `most` of them, until told to stop. `failed` hears why none can be started.
pub(super) async fn run(
    launch: Arc<Launch>,
    most: usize,
    mut stop: watch::Receiver<bool>,
    failed: oneshot::Sender<Error>,
) {
    let mut failed = Some(failed);
    let mut children = JoinSet::new();
    let mut crashes = 0;
    let mut start_at = Some(Instant::now());
    loop {
        tokio::select! {
            biased;
            () = super::stopped(&mut stop) => break,
            Some(exit) = children.join_next(), if !children.is_empty() => {
                let exit = exit.unwrap_or_else(|_| Ok(Exit::lost()));
                match exit {
                    // A start that does not even begin will not begin the next time.
                    Err(error) => {
                        tracing::error!(function = launch.function.binary(), %error, "cannot start the function");
                        if let Some(failed) = failed.take() {
                            let _ = failed.send(error);
                        }
                        crashes += 1;
                    }
                    Ok(exit) if exit.killed => crashes = 0,
                    Ok(exit) => {
                        let function = launch.function.binary();
                        tracing::error!(function, line = exit.last_line, "a function's process ended by itself");
                        crashes = if exit.lived < QUICK { crashes + 1 } else { 1 };
                        if crashes >= MOST_START_CRASHES && let Some(failed) = failed.take() {
                            let function = function.to_owned();
                            let _ = failed.send(Error::Crashing { function, times: crashes, last_line: exit.last_line });
                        }
                    }
                }
                if children.is_empty() || launch.function.dispatcher().backlog() > 0 {
                    start_at = Some(Instant::now() + pause(crashes));
                }
            }
            () = launch.function.dispatcher().demand(), if children.len() < most && start_at.is_none() => {
                // One child per waiting invocation: each serves one at a time.
                let wanted = launch.function.dispatcher().backlog().min(most - children.len());
                for _ in 0..wanted {
                    start(&mut children, &launch, &stop);
                }
            }
            () = sleep_until(start_at.unwrap_or_else(Instant::now)), if start_at.is_some() => {
                start_at = None;
                start(&mut children, &launch, &stop);
            }
        }
    }
    // The children listen to the same signal.
    while children.join_next().await.is_some() {}
}

fn start(children: &mut JoinSet<Result<Exit, Error>>, launch: &Arc<Launch>, stop: &watch::Receiver<bool>) {
    let (launch, stop) = (Arc::clone(launch), stop.clone());
    children.spawn(async move { launch.run(stop).await });
}

fn pause(crashes: u32) -> Duration {
    match crashes {
        0 => Duration::ZERO,
        crashes => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(crashes - 1)).min(LONGEST_PAUSE),
    }
}

impl Exit {
    /// What is known of a child whose task panicked: nothing.
    fn lost() -> Self {
        Self { killed: false, lived: Duration::ZERO, last_line: String::new() }
    }
}
