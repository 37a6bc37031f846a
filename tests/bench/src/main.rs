//! Measures Switchboard on this machine: `cargo run --release -p bench`, with `--json` for programs, and with names of
//! scenarios for only these: `cargo run --release -p bench -- relay`.
//!
//! One run starts the local cloud with the release binaries of the functions, takes every figure, and prints each beside
//! its target. It needs no network and a few minutes, after a first build that takes long: fat LTO of all
//! functions. Times are of this machine and of its other work: compare figures of one run with each other, not with those
//! of another day.
//!
//! | file | figures |
//! |---|---|
//! | [`cold`] | from the start of a process to its first answer, against a bare function |
//! | [`snapshot`] | a snapshot of 50 messages |
//! | [`live`] | from an append to a stream and to a socket |
//! | [`fanout`] | posts per second to 1,000 connections |
//! | [`relay`] | tokens from the model through `llm-stream` to the client, against a direct connection |
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
mod relay;
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

const USAGE: &str = "usage: bench [--json] [--no-build] [SCENARIO...]
  --json      print JSON instead of a table
  --no-build  measure the binaries that are there
  SCENARIO    cold, snapshot, live, fanout, relay, footprint, initiation; all where none is named";

fn main() -> ExitCode {
    if AGAIN.iter().any(|name| std::env::var_os(name).is_some()) {
        return local::main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    let named: Option<Vec<Scenario>> = names.into_iter().map(Scenario::named).collect();
    let Some(named) = named.filter(|_| flags.iter().all(|flag| ["--json", "--no-build"].contains(flag))) else {
        return complain(USAGE);
    };
    let scenarios = if named.is_empty() { Scenario::ALL.map(|(_, scenario)| scenario).to_vec() } else { named };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let build = !flags.contains(&"--no-build");
    let result = runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(run(&scenarios, build)));
    let printed = result.and_then(|report| {
        let text = if flags.contains(&"--json") { report.json() } else { report.table() };
        Ok(writeln!(std::io::stdout(), "{text}")?)
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("error: {error}")),
    }
}

/// What is measured together.
#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    Cold,
    Snapshot,
    Live,
    Fanout,
    Relay,
    Footprint,
    Initiation,
}

impl Scenario {
    /// Each with its name, in the order in which they run.
    const ALL: [(&'static str, Self); 7] = [
        ("cold", Self::Cold),
        ("snapshot", Self::Snapshot),
        ("live", Self::Live),
        ("fanout", Self::Fanout),
        ("relay", Self::Relay),
        ("footprint", Self::Footprint),
        // Last: ten thousand messages give the streams work that would disturb the others.
        ("initiation", Self::Initiation),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, scenario)| scenario)
    }

    async fn measure(self, cloud: &Cloud, binaries: &Binaries, report: &mut Report) -> Result<()> {
        match self {
            Self::Cold => cold::measure(cloud, binaries, report).await,
            Self::Snapshot => snapshot::measure(cloud, binaries, report).await,
            Self::Live => live::measure(cloud, report).await,
            Self::Fanout => fanout::measure(cloud, binaries, report).await,
            Self::Relay => relay::measure(cloud, binaries, report).await,
            Self::Footprint => footprint::measure(cloud, binaries, report).await,
            Self::Initiation => initiation::measure(cloud, binaries, report).await,
        }
    }
}

async fn run(scenarios: &[Scenario], build: bool) -> Result<Report> {
    let program = std::env::current_exe()?;
    let folder = program.parent().ok_or("the program is in no folder")?.to_owned();
    // Tokens go through one function only, and its surroundings are ours: the others need not be built for it.
    let only_relay = scenarios == [Scenario::Relay];
    let functions: &[&str] = if only_relay { &["llm-stream"] } else { &Binaries::FUNCTIONS };
    if build {
        machine::build_functions(functions)?;
    }
    let mut report = Report::default();
    machine::describe(&mut report);
    let binaries = Binaries { folder };
    let cloud = Cloud::start(&program, (!only_relay).then_some(&*binaries.folder)).await?;
    for (name, scenario) in Scenario::ALL.iter().filter(|(_, scenario)| scenarios.contains(scenario)) {
        step(name);
        scenario.measure(&cloud, &binaries, &mut report).await?;
    }
    Ok(report)
}

/// Where the programs under measurement are.
struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// In the order of the template.
    const FUNCTIONS: [&'static str; 12] = [
        "auth",
        "admin",
        "webhooks",
        "human-control",
        "snapshots",
        "live-stream",
        "llm-stream",
        "chat-sessions",
        "websocket",
        "fanout",
        "replies",
        "chat",
    ];

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
