//! The local cloud, as a process, with the functions' release binaries where they are measured in it.

use crate::wire::{Message, Wire};
use crate::{CLOUD, Result, machine};
use domain::event::{EventBody, Speaker};
use domain::ids::{ConversationId, OrganizationId};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use store::{Append, Appended, Store, now};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Starting all functions and making the demo data takes seconds.
const START: Duration = Duration::from_secs(60);

/// A running local cloud. Its data folder goes with it.
pub(crate) struct Cloud {
    process: Child,
    _data: TempDir,
    info: Info,
    functions: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Info {
    base_url: String,
    websocket_url: String,
    dynamodb_url: String,
    pid: u32,
    users: Vec<User>,
    elevenlabs: ElevenLabs,
}

#[derive(Deserialize)]
struct ElevenLabs {
    initiation_headers: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) organization_id: String,
    pub(crate) token: String,
}

impl Cloud {
    /// Starts one, with the functions of a folder or those in its own program.
    pub(crate) async fn start(program: &Path, binaries: Option<&Path>) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command
            .args(["--port", "0", "--data-dir"])
            .arg(data.path())
            .env(CLOUD, "1")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(data.path().join("stderr.txt"))?)
            .kill_on_drop(true);
        if let Some(binaries) = binaries {
            command.arg("--bin-dir").arg(binaries);
        }
        let mut process = command.spawn()?;
        let info = ready(&mut process, data.path()).await?;
        let mut functions = BTreeMap::new();
        for (_, environment) in machine::children(info.pid) {
            if let Some(name) = environment.get("SWITCHBOARD_FUNCTION").cloned() {
                functions.insert(name, environment);
            }
        }
        Ok(Self { process, _data: data, info, functions })
    }

    /// The environment of a function, as on Lambda: one invocation at a time.
    pub(crate) fn environment(&self, function: &str) -> Result<BTreeMap<String, String>> {
        let environment = self.functions.get(function);
        let mut environment = environment.ok_or("the functions' processes cannot be seen: this needs Linux")?.clone();
        for name in
            ["AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_RUNTIME_API", "SWITCHBOARD_FUNCTION", "SWITCHBOARD_LAUNCHED"]
        {
            environment.remove(name);
        }
        Ok(environment)
    }

    /// The process of a function.
    pub(crate) fn function(&self, name: &str) -> Option<u32> {
        let named = |environment: &BTreeMap<String, String>| {
            environment.get("SWITCHBOARD_FUNCTION").is_some_and(|function| function == name)
        };
        machine::children(self.info.pid).into_iter().find_map(|(pid, environment)| named(&environment).then_some(pid))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().unwrap_or(self.info.pid)
    }

    /// The demo's admin whose organization the benchmark uses.
    pub(crate) fn admin(&self) -> Result<User> {
        let admin = self.info.users.iter().find(|user| user.email == "cleo@bici.example");
        Ok(admin.ok_or("the demo data has no cleo@bici.example")?.clone())
    }

    /// Name and value of the header that the voice agent proves itself with.
    pub(crate) fn initiation_header(&self) -> Result<(&str, &str)> {
        let header = self.info.elevenlabs.initiation_headers.iter().next();
        header.map(|(name, value)| (&**name, &**value)).ok_or_else(|| "the demo data has no voice agent".into())
    }

    pub(crate) fn websocket_url(&self) -> &str {
        &self.info.websocket_url
    }

    /// Host and port of the client side.
    pub(crate) fn address(&self) -> &str {
        self.info.base_url.trim_start_matches("http://")
    }

    /// Host and port of the table.
    pub(crate) fn dynamodb(&self) -> &str {
        self.info.dynamodb_url.trim_start_matches("http://")
    }

    /// The repositories, on this cloud's tables.
    pub(crate) async fn store(&self) -> Result<Store> {
        let values = [
            ("AWS_ENDPOINT_URL_DYNAMODB", self.info.dynamodb_url.as_str()),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("CORE_TABLE", "CoreTable"),
            ("EPHEMERAL_TABLE", "EphemeralTable"),
        ];
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(runtime::Environment::from_values(values).await?.store())
    }

    /// Requests that the functions have made of the table so far.
    pub(crate) async fn table_requests(&self) -> Result<u64> {
        let answer = Wire::connect(self.address()).await?.ask("GET /local/metrics", "", b"").await?;
        let metrics: Value = serde_json::from_slice(&answer.body)?;
        let operations = metrics.get("dynamodb").and_then(Value::as_object).ok_or("the metrics have no counts")?;
        Ok(operations.values().filter_map(Value::as_u64).sum())
    }
}

/// Opens an event stream: the connection, once its head is there.
pub(crate) async fn open_stream(cloud: &Cloud, path: &str, token: &str) -> Result<Wire> {
    let mut wire = Wire::connect(cloud.address()).await?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    wire.write(head.as_bytes()).await?;
    let head: Message = wire.read_head().await?.ok_or("the stream was closed")?;
    if head.status() == 200 { Ok(wire) } else { Err(format!("GET {path}: {}", head.start).into()) }
}

/// A message of the customer.
pub(crate) fn said(text: &str) -> EventBody {
    EventBody::Message { role: Speaker::Customer, text: text.to_owned(), sources: String::new() }
}

/// Appends to a conversation that is there.
pub(crate) async fn append(store: &Store, user: &User, conversation: &str, bodies: Vec<EventBody>) -> Result<()> {
    let tenant = store.tenant(&OrganizationId::parse(&user.organization_id)?);
    match tenant.append(&ConversationId::parse(conversation)?, Append::new(bodies, now())).await? {
        Some(Appended::New { .. }) => Ok(()),
        other => Err(format!("the append was not taken: {other:?}").into()),
    }
}

async fn ready(process: &mut Child, data: &Path) -> Result<Info> {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if let Ok(text) = std::fs::read(data.join("info.json")) {
            return Ok(serde_json::from_slice(&text)?);
        }
        if let Some(status) = process.try_wait()? {
            let complaint = std::fs::read_to_string(data.join("stderr.txt")).unwrap_or_default();
            return Err(format!("the local cloud ended, {status}: {complaint}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("the local cloud was not ready in time".into())
}
