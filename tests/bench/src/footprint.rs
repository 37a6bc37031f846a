//! Memory, reads of idle watchers, and sizes.

use crate::cloud::{self, Cloud};
use crate::function::{Function, Start};
use crate::machine;
use crate::report::{Report, Target};
use crate::snapshot::CONVERSATION;
use crate::wire::Wire;
use crate::{Binaries, Result, event};
use std::sync::Arc;
use std::time::{Duration, Instant};

const IDLE: &str = "resident memory of a function after one event, one invocation at a time as on Lambda";
const WATCHERS: &str = "live-stream with 500 open SSE streams, in one process";
const SIZES: &str = "size of a stripped binary";
const MOST_MB: f64 = 12.0;
const MOST_SIZE_MB: f64 = 7.0;
const STREAMS: u32 = 500;
/// Streams are active for 10 s after they begin; reads are counted after that.
const SETTLE: Duration = Duration::from_secs(12);
const WATCH: Duration = Duration::from_secs(10);

pub(crate) async fn measure(cloud: &Cloud, binaries: &Binaries, report: &mut Report) -> Result<()> {
    idle(cloud, binaries, report).await?;
    watchers(cloud, report).await?;
    for name in ["bare"].into_iter().chain(Binaries::FUNCTIONS) {
        let size = machine::size_mb(&binaries.path(name))?;
        match name {
            "bare" => report.add(SIZES, name, size, "MB"),
            name => report.judge(SIZES, name, size, "MB", Target::AtMost(MOST_SIZE_MB)),
        }
    }
    Ok(())
}

/// Each function after an event that made it use the store.
async fn idle(cloud: &Cloud, binaries: &Binaries, report: &mut Report) -> Result<()> {
    let token = format!("Bearer {}", cloud.admin()?.token);
    let bearer = [("authorization", token.as_str())];
    let get = |resource: &str, path: &str| event::rest("GET", resource, path, &bearer, None);
    let webhook = "/api/webhooks/twilio/sms/incoming";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let conversation = format!("/api/conversation/{CONVERSATION}");
    let unknown = "/api/conversation/conv_14155550100_20250101_000000/stream";
    let events: [(&str, Arc<[u8]>); 11] = [
        ("bare", get("/health", "/health")),
        ("auth", get("/api/me", "/api/me")),
        ("admin", get("/api/admin/organization", "/api/admin/organization")),
        (
            "webhooks",
            event::rest("POST", webhook, webhook, &form, Some("From=%2B14155550199&To=%2B14155550198&Body=x")),
        ),
        ("snapshots", get("/api/conversation/{conversation_id}", &conversation)),
        ("live-stream", get("/api/conversation/{conversation_id}/stream", unknown)),
        ("llm-stream", get("/api/stream/interactions/{interaction_id}", "/api/stream/interactions/unknown")),
        ("chat-sessions", get("/chat/sessions", "/chat/sessions")),
        ("websocket", event::disconnected("bench=")),
        ("fanout", event::batch(&[])?),
        ("chat", event::batch(&[])?),
    ];
    for (name, payload) in events {
        // The bare function takes whatever environment it gets.
        let environment = cloud.environment(if name == "bare" { "snapshots" } else { name })?;
        let program = binaries.path(name);
        let start = Start { program: &program, environment: &environment, processor: None };
        let (function, _) = Function::start(&start, None).await?;
        function.invoke(&payload).await?;
        let memory = function.pid().and_then(machine::resident_mb);
        function.stop().await?;
        let memory = memory.ok_or("memory cannot be seen: this needs Linux")?;
        match name {
            "bare" => report.add(IDLE, name, memory, "MB"),
            name => report.judge(IDLE, name, memory, "MB", Target::AtMost(MOST_MB)),
        }
    }
    Ok(())
}

async fn watchers(cloud: &Cloud, report: &mut Report) -> Result<()> {
    let pid = cloud.function("live-stream").ok_or("live-stream's process cannot be seen: this needs Linux")?;
    let memory = || machine::resident_mb(pid).ok_or("live-stream has ended");
    let token = cloud.admin()?.token;
    let path = format!("/api/conversation/{CONVERSATION}/stream");
    report.add(WATCHERS, "resident, before (it waits for 1,024 invocations at once)", memory()?, "MB");
    let before = memory()?;
    let mut open: Vec<Wire> = Vec::new();
    for _ in 0..STREAMS {
        let mut wire = cloud::open_stream(cloud, &path, &token).await?;
        wire.read_chunk().await?;
        open.push(wire);
    }
    tokio::time::sleep(SETTLE).await;
    let after = memory()?;
    report.add(WATCHERS, "resident, with all of them", after, "MB");
    report.add(WATCHERS, "    per stream", (after - before) * 1024.0 / f64::from(STREAMS), "KB");

    let used = || machine::processor_seconds(pid).unwrap_or_default();
    let (begun, requests, processor) = (Instant::now(), cloud.table_requests().await?, used());
    tokio::time::sleep(WATCH).await;
    let (requests, processor) = (cloud.table_requests().await? - requests, used() - processor);
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let per_watcher = requests as f64 / f64::from(STREAMS) / seconds;
    report.judge(WATCHERS, "reads per idle watcher and second", per_watcher, "1/s", Target::AtMost(1.0));
    report.add(WATCHERS, "    processor time of them all", processor / seconds * 100.0, "%");
    drop(open);
    Ok(())
}
