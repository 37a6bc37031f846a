//! A local cloud of a test's own: its own process, port and data folder, gone at the end of the test.

use super::eventually;
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use store::Store;
use tempfile::TempDir;

/// Ada, admin of Aurora.
pub(crate) const ADA: &str = "ada@aurora.example";
/// Ben, the other admin of Aurora.
pub(crate) const BEN: &str = "ben@aurora.example";
/// Dan, agent of Aurora.
pub(crate) const DAN: &str = "dan@aurora.example";
/// Uma, end user of Aurora.
pub(crate) const UMA: &str = "uma@aurora.example";
/// Cleo, admin of BICI.
pub(crate) const CLEO: &str = "cleo@bici.example";
/// Password of all of them.
pub(crate) const PASSWORD: &str = "switchboard-demo";

/// The organizations.
pub(crate) const AURORA: &str = "aurora-demo";
pub(crate) const BICI: &str = "bici-demo";
/// Their numbers.
pub(crate) const AURORA_NUMBER: &str = "+14155550110";
pub(crate) const BICI_NUMBER: &str = "+14165550120";

/// Aurora's live, unassigned conversation that seed A names.
pub(crate) const LIVE: &str = "conv_919325590143_20251003_115804";
/// Aurora's conversation that Ada has taken over.
pub(crate) const TAKEN: &str = "conv_14155550142_20251003_101500";
/// Aurora's ended conversation.
pub(crate) const ENDED: &str = "conv_14155550142_20251002_090000";
/// BICI's live text conversation.
pub(crate) const BICI_LIVE: &str = "conv_14155550142_20251003_120000";
/// A customer of both organizations, and their contact id in each.
pub(crate) const SHARED_PHONE: &str = "+14155550142";
pub(crate) const SHARED_CONTACT: &str = "worker_14155550142";

/// What `info.json` says.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Info {
    pub(crate) base_url: String,
    pub(crate) websocket_url: String,
    pub(crate) public_base_url: String,
    pub(crate) aws_endpoint_url: String,
    pub(crate) dynamodb_url: String,
    pub(crate) mail_url: String,
    #[serde(default)]
    pub(crate) users: Vec<InfoUser>,
    pub(crate) twilio: Option<InfoTwilio>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InfoUser {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) token: String,
    pub(crate) role: String,
    pub(crate) organization_id: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InfoTwilio {
    pub(crate) account_sid: String,
    pub(crate) auth_token: String,
}

/// A running local cloud.
pub(crate) struct Cloud {
    child: Child,
    data: TempDir,
    arguments: Vec<String>,
    pub(crate) info: Info,
    pub(crate) http: Client,
}

impl Cloud {
    /// Starts one with demo data.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts one with more arguments.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let child = spawn(data.path(), "0", &arguments);
        let info = ready(data.path()).await;
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { child, data, arguments, info, http }
    }

    /// Starts one whose AI is silent, so that nothing but the test adds to a log.
    pub(crate) async fn silent() -> Self {
        Self::silent_with(&[]).await
    }

    /// Starts a silent one with more arguments.
    pub(crate) async fn silent_with(arguments: &[&str]) -> Self {
        Self::with(&[&["--hold", "ReplyQueue"], arguments].concat()).await
    }

    /// Ends it at once, as a power cut would, and starts it again on the same data and port.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::fs::remove_file(self.data.path().join("info.json")).unwrap();
        let port = self.info.base_url.rsplit(':').next().unwrap().to_owned();
        self.child = spawn(self.data.path(), &port, &self.arguments);
        self.info = ready(self.data.path()).await;
    }

    /// The folder of its data and logs.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn user(&self, email: &str) -> &InfoUser {
        self.info.users.iter().find(|user| user.email == email).unwrap()
    }

    pub(crate) fn token(&self, email: &str) -> &str {
        &self.user(email).token
    }

    /// A request as nobody.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.info.base_url))
    }

    /// A request as one of the demo users.
    pub(crate) fn request(&self, method: Method, path: &str, email: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(self.token(email))
    }

    pub(crate) fn get(&self, path: &str, email: &str) -> RequestBuilder {
        self.request(Method::GET, path, email)
    }

    /// The JSON of a GET that must succeed.
    pub(crate) async fn json(&self, path: &str, email: &str) -> Value {
        let response = self.get(path, email).send().await.unwrap();
        assert_eq!(response.status(), 200, "GET {path}");
        response.json().await.unwrap()
    }

    /// A conversation's snapshot.
    pub(crate) async fn snapshot(&self, id: &str, email: &str) -> Value {
        self.json(&format!("/api/conversation/{id}"), email).await["conversation"].take()
    }

    /// The repositories, on this cloud's tables: for what no route does yet.
    pub(crate) async fn store(&self) -> Store {
        let values = [
            ("AWS_ENDPOINT_URL_DYNAMODB", self.info.dynamodb_url.as_str()),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("CORE_TABLE", "CoreTable"),
            ("EPHEMERAL_TABLE", "EphemeralTable"),
        ];
        let values: BTreeMap<String, String> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        runtime::Environment::from_values(values).await.unwrap().store()
    }

    /// The newest mail to an address.
    pub(crate) async fn mail_to(&self, address: &str) -> Value {
        eventually("a mail", || async {
            let response = self.http.get(&self.info.mail_url).query(&[("to", address)]).send().await.unwrap();
            let mails: Value = response.json().await.unwrap();
            mails.get(0).cloned()
        })
        .await
    }

    /// The six digits in the newest mail to an address.
    pub(crate) async fn code_for(&self, address: &str) -> String {
        let mail = self.mail_to(address).await;
        let text = mail["text"].as_str().unwrap();
        let code = text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6);
        code.unwrap().to_owned()
    }

    /// Counters of the embedded table and the stream.
    pub(crate) async fn metrics(&self) -> Value {
        let url = format!("{}/local/metrics", self.info.base_url);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Everything the functions and the local cloud have logged.
    pub(crate) fn logs(&self) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(self.data.path().join("logs")).unwrap() {
            all.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        all
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // The functions end with it: they hold a pipe to it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for line in self.logs().lines().filter(|line| line.contains("\"ERROR\"") || !line.starts_with('{')) {
                eprintln!("log: {line}");
            }
        }
    }
}

fn spawn(data: &Path, port: &str, arguments: &[String]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["--port", port, "--data-dir"])
        .arg(data)
        .args(arguments)
        .current_dir(data)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(data.join("stderr.txt")).unwrap())
        .spawn()
        .unwrap()
}

async fn ready(data: &Path) -> Info {
    let path = data.join("info.json");
    eventually("info.json", || async {
        let text = std::fs::read(&path).ok()?;
        serde_json::from_slice(&text).ok()
    })
    .await
}
