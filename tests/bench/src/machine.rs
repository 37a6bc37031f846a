//! What the operating system knows: processes, processors, memory, files. Linux has all of it; elsewhere figures are
//! left out.

use crate::Result;
use crate::report::Report;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Builds the functions as they are measured. In one command with this program, so that both are built with the same
/// features of the crates they share, and once.
pub(crate) fn build_functions(functions: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "bench"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    for &function in functions {
        command.args(["--package", function]);
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err("the functions cannot be built".into()) }
}

/// Says what the figures are of.
pub(crate) fn describe(report: &mut Report) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let profile = if cfg!(debug_assertions) { "debug: these figures mean nothing" } else { "release" };
    report.machine.push(format!("profile {profile}; {processors} processors; load {}", load()));
}

/// How busy the machine was in the last minute, or `unknown`.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// Resident memory of a process, in MB.
pub(crate) fn resident_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kb / 1024.0)
}

/// Processor time that a process has used, in seconds.
pub(crate) fn processor_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, in brackets.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok());
    // `USER_HZ` is 100 on every Linux that Rust runs on.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// The processes that a process started: their ids and environments.
pub(crate) fn children(parent: u32) -> Vec<(u32, BTreeMap<String, String>)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).map(|pid| (pid, environment(pid))).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn environment(pid: u32) -> BTreeMap<String, String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Size of a file in MB.
pub(crate) fn size_mb(path: &Path) -> Result<f64> {
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    Ok(std::fs::metadata(path)?.len() as f64 / 1024.0 / 1024.0)
}

/// The processors for a process that is measured and for everything else, where there are two and `taskset` is there.
pub(crate) struct Processors {
    pub(crate) measured: &'static str,
    others: &'static str,
}

impl Processors {
    pub(crate) fn two() -> Option<Self> {
        let two = std::thread::available_parallelism().is_ok_and(|count| count.get() >= 2);
        let taskset = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        (two && taskset.is_ok_and(|status| status.success())).then_some(Self { measured: "0", others: "1" })
    }

    /// Keeps this process and another, with all their threads, off the measured one's processor.
    pub(crate) fn keep_off(&self, other: u32) {
        for pid in [std::process::id(), other] {
            pin(pid, self.others);
        }
    }

    /// Lets them use both again.
    pub(crate) fn release(&self, other: u32) {
        for pid in [std::process::id(), other] {
            pin(pid, &format!("{},{}", self.measured, self.others));
        }
    }
}

/// A processor that is not kept free is a worse figure, not a failure.
fn pin(pid: u32, processors: &str) {
    let _ = Command::new("taskset")
        .args(["-a", "-p", "-c", processors, &pid.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
