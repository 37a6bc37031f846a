//! Measures Switchboard on this machine: `cargo run --release -p bench`, with `--json` for programs.
//!
//! One run starts the local cloud with the release binaries of the functions, takes every figure, and prints each beside
//! its target. It needs no network and little more than a minute, after a first build that takes long: fat LTO of all
//! functions. Times are of this machine and of its other work: compare figures of one run with each other, not with those
//! of another day.
//!
//! | file | figures |
//! |---|---|
//! | [`cold`] | from the start of a process to its first answer, against a bare function |
//! | [`snapshot`] | a snapshot of 50 messages |
//! | [`live`] | from an append to a stream and to a socket |
//! | [`fanout`] | posts per second to 1,000 connections |
//! | [`footprint`] | resident memory, reads of idle watchers, sizes of binaries |
//! | [`initiation`] | what the voice agent is told of a caller with 10,000 messages |

mod cloud;
mod cold;
mod event;
mod fanout;
mod footprint;
mod function;
mod initiation;
mod live;
mod machine;
mod replay;
mod report;
mod snapshot;
mod wire;

use cloud::Cloud;
use report::Report;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Whatever goes wrong ends the run.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// Set where this program runs itself again: as the local cloud, and by that as the launcher of a function's binary.
const AGAIN: [&str; 2] = [CLOUD, "SWITCHBOARD_LAUNCHED"];
const CLOUD: &str = "SWITCHBOARD_BENCH_CLOUD";

const USAGE: &str = "usage: bench [--json] [--no-build]
  --json      print JSON instead of a table
  --no-build  measure the binaries that are there";

fn main() -> ExitCode {
    if AGAIN.iter().any(|name| std::env::var_os(name).is_some()) {
        return local::main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument != "--json" && argument != "--no-build") {
        return complain(USAGE);
    }
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(run(!has("--no-build"))));
    let printed = result.and_then(|report| {
        let text = if has("--json") { report.json() } else { report.table() };
        Ok(writeln!(std::io::stdout(), "{text}")?)
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("error: {error}")),
    }
}

async fn run(build: bool) -> Result<Report> {
    let program = std::env::current_exe()?;
    let folder = program.parent().ok_or("the program is in no folder")?.to_owned();
    if build {
        machine::build_functions()?;
    }
    let mut report = Report::default();
    machine::describe(&mut report);
    let binaries = Binaries { folder };
    let cloud = Cloud::start(&program, &binaries.folder).await?;
    step("cold starts");
    cold::measure(&cloud, &binaries, &mut report).await?;
    step("warm snapshots");
    snapshot::measure(&cloud, &binaries, &mut report).await?;
    step("append to stream and socket");
    live::measure(&cloud, &mut report).await?;
    step("fan-out");
    fanout::measure(&cloud, &binaries, &mut report).await?;
    step("memory and size");
    footprint::measure(&cloud, &binaries, &mut report).await?;
    // Last: ten thousand messages give the streams work that would disturb the others.
    step("conversation initiation");
    initiation::measure(&cloud, &binaries, &mut report).await?;
    Ok(report)
}

/// Where the programs under measurement are.
struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// In the order of the template.
    const FUNCTIONS: [&'static str; 9] =
        ["auth", "admin", "webhooks", "human-control", "snapshots", "live-stream", "websocket", "fanout", "replies"];

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder).join(name)
    }
}

/// Says what is being done, beside the figures' output.
fn step(what: &str) {
    let _ = writeln!(std::io::stderr(), "... {what}");
}

fn complain(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::FAILURE
}
