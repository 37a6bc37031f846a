//! The seeds' own client programs (`tests/clients`), run as they are printed against a cloud, with messages meanwhile.

use crate::support::cloud::{
    ADA, AURORA, BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, LIVE, PASSWORD, SHARED_CONTACT, SHARED_PHONE,
};
use crate::support::in_time;
use domain::event::{Direction, EventBody, Speaker};
use domain::ids::{CallId, ConversationId, OrganizationId, UserId};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use store::{Append, Appended, now};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OnceCell;

/// Seed A's browser monitor, with nothing but the cookie of a sign-in (U5): history, new messages, the end.
#[tokio::test]
async fn seed_as_monitor_shows_a_conversation_until_it_ends() {
    let cloud = Cloud::silent().await;
    let base_url = cloud.info.base_url.as_str();
    let mut client = Client::spawn(node().await.args(["seed-a/run-monitor.js", base_url, ADA, PASSWORD]));

    let shown = client.json().await;
    assert_eq!(shown[0], "Initial conversation:");
    assert_eq!(shown[1]["conversation_id"], LIVE);
    assert_eq!(shown[1]["messages"][0]["content"], "There is smoke in the machine hall.");
    assert_eq!(shown[1]["total_messages"], 4);

    cloud.happens(AURORA, LIVE, said("They are outside now.")).await;
    let shown = client.json().await;
    assert_eq!(shown[0], "New messages:");
    assert_eq!(contents(&shown[1]), ["They are outside now."]);

    cloud.happens(AURORA, LIVE, EventBody::ConversationEnded { reason: "resolved".to_owned() }).await;
    assert_eq!(client.json().await, json!(["Conversation ended"]));
    // It closes its EventSource on `ended`; otherwise it would reconnect and never end.
    client.finished().await;
}

/// Seed A's Python client: `json.loads` of every `data:` line (A26), and A24's command line around it.
#[tokio::test]
async fn seed_as_python_client_reads_every_line_until_the_end() {
    let cloud = Cloud::silent().await;
    let arguments = ["seed-a/test_conversation_stream.py", cloud.token(ADA), LIVE, &cloud.info.base_url];
    let mut client = Client::spawn(python().await.args(arguments));

    let initial = client.json().await;
    assert_eq!((&initial["conversation_id"], &initial["total_messages"]), (&json!(LIVE), &json!(4)));

    // What is not ASCII reaches it whole.
    cloud.happens(AURORA, LIVE, said("Sie sind draußen 👍")).await;
    let new = client.json_with("messages").await;
    assert_eq!(contents(&new["messages"]), ["Sie sind draußen 👍"]);
    assert_eq!(new["total_messages"], 5);

    cloud.happens(AURORA, LIVE, EventBody::ConversationEnded { reason: "resolved".to_owned() }).await;
    let ended = client.json_with("message").await;
    assert_eq!(ended, json!({"message": "Conversation has ended", "conversation_id": LIVE}));
    client.finished().await;
}

/// Seed A's curl recipes (A25).
#[tokio::test]
async fn seed_as_curl_recipes_work() {
    let cloud = Cloud::silent().await;
    let mut snapshot = Client::spawn(&mut recipe("seed-a/snapshot.curl", &cloud));
    let answer = snapshot.json().await;
    assert_eq!((&answer["success"], &answer["conversation"]["conversation_id"]), (&json!(true), &json!(LIVE)));
    snapshot.finished().await;

    let mut stream = Client::spawn(&mut recipe("seed-a/stream.curl", &cloud));
    stream.until("event: initial").await;
    let data = stream.line().await;
    let initial: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(initial, answer["conversation"]);

    cloud.happens(AURORA, LIVE, said("They are outside now.")).await;
    stream.until("event: new_messages").await;
    assert!(stream.line().await.contains("They are outside now."));

    cloud.happens(AURORA, LIVE, EventBody::ConversationEnded { reason: "resolved".to_owned() }).await;
    stream.until("event: ended").await;
    stream.until("").await;
    stream.finished().await;
}

/// Seed B's page, and the first steps of its API test (B32): connect, send a text message by webhook, see it. The page
/// drops what is not of its organization (B03), and its URL has the phone number's `+` as it is (B05).
#[tokio::test]
async fn seed_bs_page_shows_the_history_a_text_message_a_call_and_a_takeover() {
    let cloud = Cloud::silent().await;
    let known = cloud.snapshot(BICI_LIVE, CLEO).await;
    // A lead that the page knows by another id is found by the number.
    for lead in [SHARED_CONTACT, "lead_42"] {
        let base_url = cloud.info.base_url.as_str();
        let arguments = ["seed-b/run-stream.js", base_url, CLEO, PASSWORD, lead, SHARED_PHONE, BICI];
        let mut client = Client::spawn(node().await.args(arguments));

        let history = client.json().await;
        assert_eq!(history[0], "setConversationHistory");
        assert!(contents(&history[1]).starts_with(&contents(&known["messages"])), "{history}");

        cloud.text(SHARED_PHONE, BICI_NUMBER, "Is it ready?").await;
        assert_eq!(client.json().await, json!(["addMessage", "Is it ready?"]));

        let call_id = CallId::parse("call_14155550142_20251003_121500").unwrap();
        cloud.happens(BICI, BICI_LIVE, EventBody::CallInitiated { call_id, direction: Direction::Inbound }).await;
        assert_eq!(client.json().await, json!(["setCallActive", true]));

        let agent_id = UserId::parse(&cloud.user(CLEO).id).unwrap();
        let takeover = EventBody::HumanControlStarted {
            agent_id,
            agent_name: "Cleo".to_owned(),
            reason: None,
            lease_seconds: 7200,
        };
        cloud.happens(BICI, BICI_LIVE, takeover).await;
        assert_eq!(client.json().await, json!(["setHumanControlActive", true]));
    }
}

fn said(text: &str) -> EventBody {
    EventBody::Message { role: Speaker::Customer, text: text.to_owned(), sources: String::new() }
}

/// The texts of a list of messages.
fn contents(messages: &Value) -> Vec<&str> {
    messages.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

impl Cloud {
    /// Appends what no route does yet.
    async fn happens(&self, organization: &str, conversation: &str, body: EventBody) {
        let store = self.store().await;
        let tenant = store.tenant(&OrganizationId::parse(organization).unwrap());
        let id = ConversationId::parse(conversation).unwrap();
        let appended = tenant.append(&id, Append::new(vec![body], now())).await.unwrap();
        assert!(matches!(appended, Some(Appended::New { .. })), "{appended:?}");
    }
}

/// A client program that runs.
struct Client {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn spawn(command: &mut Command) -> Self {
        let program = command.as_std().get_program().to_owned();
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {program:?}: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line it prints.
    async fn line(&mut self) -> String {
        match in_time("a line of the client", self.lines.next_line()).await.unwrap() {
            Some(line) => line,
            None => panic!("the client ended: {}", self.complaint().await),
        }
    }

    /// Passes over lines until this one.
    async fn until(&mut self, wanted: &str) {
        while self.line().await != wanted {}
    }

    async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next value it prints that has this member; heartbeats and other news are passed over.
    async fn json_with(&mut self, member: &str) -> Value {
        loop {
            let value = self.json().await;
            if value.get(member).is_some() {
                return value;
            }
        }
    }

    /// Ends by itself, well, with nothing more to say.
    async fn finished(mut self) {
        let line = in_time("the client's end", self.lines.next_line()).await.unwrap();
        assert_eq!(line, None);
        let status = in_time("the client's end", self.child.wait()).await.unwrap();
        assert!(status.success(), "{status}: {}", self.complaint().await);
    }

    async fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            in_time("the client's end", stderr.read_to_string(&mut text)).await.unwrap();
        }
        text
    }
}

/// A recipe as it is printed, for PowerShell: its line ends, address and token are replaced.
fn recipe(file: &str, cloud: &Cloud) -> Command {
    let printed = fs::read_to_string(clients().join(file)).unwrap();
    assert!(printed.contains("http://localhost:5000/") && printed.contains("YOUR_JWT_TOKEN"), "{printed}");
    let line = printed
        .replace("`\n", " ")
        .replace("http://localhost:5000", &cloud.info.base_url)
        .replace("YOUR_JWT_TOKEN", cloud.token(ADA));
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
async fn node() -> Command {
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
async fn python() -> Command {
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
