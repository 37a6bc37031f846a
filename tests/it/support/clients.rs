//! Client programs of `tests/clients`: Node and Python with their pinned packages, and the seeds' curl recipes.

use super::cloud::Cloud;
use super::in_time;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OnceCell;

/// A client program that runs.
pub(crate) struct Client {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Client {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let program = command.as_std().get_program().to_owned();
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {program:?}: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line it prints.
    pub(crate) async fn line(&mut self) -> String {
        match in_time("a line of the client", self.lines.next_line()).await.unwrap() {
            Some(line) => line,
            None => panic!("the client ended: {}", self.complaint().await),
        }
    }

    /// Passes over lines until this one.
    pub(crate) async fn until(&mut self, wanted: &str) {
        while self.line().await != wanted {}
    }

    pub(crate) async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next value it prints that has this member; heartbeats and other news are passed over.
    pub(crate) async fn json_with(&mut self, member: &str) -> Value {
        loop {
            let value = self.json().await;
            if value.get(member).is_some() {
                return value;
            }
        }
    }

    /// Ends by itself, well, with nothing more to say.
    pub(crate) async fn finished(self) {
        assert_eq!(self.lines().await, [""; 0]);
    }

    /// All the lines it prints until it ends by itself, well. It may not go on for ever, even if it says something.
    pub(crate) async fn lines(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let status = in_time("the client's end", async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                lines.push(line);
            }
            self.child.wait().await.unwrap()
        })
        .await;
        assert!(status.success(), "{status}: {}{}", lines.join("\n"), self.complaint().await);
        lines
    }

    /// All the values it prints until it ends by itself, well.
    pub(crate) async fn values(self) -> Vec<Value> {
        let lines = self.lines().await;
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    async fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            in_time("the client's end", stderr.read_to_string(&mut text)).await.unwrap();
        }
        text
    }
}

/// A recipe as it is printed, for PowerShell or a Unix shell: its line ends, address and token are replaced.
pub(crate) fn recipe(file: &str, address: &str, cloud: &Cloud, email: &str) -> Command {
    let printed = fs::read_to_string(clients().join(file)).unwrap();
    assert!(printed.contains(&format!("{address}/")) && printed.contains("YOUR_JWT_TOKEN"), "{printed}");
    let line = printed
        .replace("`\n", " ")
        .replace("\\\n", " ")
        .replace(address, &cloud.info.base_url)
        .replace("YOUR_JWT_TOKEN", cloud.token(email));
    // Every second part was between quotation marks.
    let parts = line.trim().split('"').enumerate();
    let mut words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    assert_eq!(words.next(), Some("curl"));
    let mut command = Command::new("curl");
    command.args(words);
    command
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Node, with the pinned packages beside the clients.
pub(crate) async fn node() -> Command {
    static READY: OnceCell<()> = OnceCell::const_new();
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let modules = clients().join("node_modules");
    READY
        .get_or_init(|| async {
            let lock = clients().join("package-lock.json");
            install(&lock, &modules, async |_| {
                must_run(Command::new(npm).args(["ci", "--no-audit", "--no-fund"]).current_dir(clients())).await;
            })
            .await;
        })
        .await;
    let mut command = Command::new("node");
    command.current_dir(clients());
    command
}

/// Python, in an environment of its own that has the pinned packages.
pub(crate) async fn python() -> Command {
    static READY: OnceCell<()> = OnceCell::const_new();
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients-venv");
    let program = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    READY
        .get_or_init(|| async {
            let requirements = clients().join("requirements.txt");
            install(&requirements, &environment, async |folder| {
                let python = if cfg!(windows) { "python" } else { "python3" };
                must_run(Command::new(python).args(["-m", "venv", "--clear"]).arg(folder)).await;
                let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
                must_run(Command::new(&program).args(pip).arg(&requirements)).await;
            })
            .await;
        })
        .await;
    let mut command = Command::new(&program);
    command.current_dir(clients());
    command
}

/// Makes a folder of packages unless it is there for exactly this list of them. The copy of the list is written last: an
/// installation that was cut short is done again.
async fn install(list: &Path, folder: &Path, make: impl AsyncFnOnce(&Path)) {
    // Two test runs at once share the folder.
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("seed-clients.lock")).unwrap();
    lock.lock().unwrap();
    let stamp = folder.join("switchboard-installed");
    let wanted = fs::read(list).unwrap();
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return;
    }
    make(folder).await;
    fs::write(stamp, wanted).unwrap();
}

async fn must_run(command: &mut Command) {
    let program = command.as_std().get_program().to_owned();
    let output = command.stdin(Stdio::null()).output().await;
    let output = output.unwrap_or_else(|error| {
        panic!("cannot run {program:?} ({error}): these tests need Node 20 and Python 3.11, or newer")
    });
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?} cannot install the clients' packages: {complaint}");
}
