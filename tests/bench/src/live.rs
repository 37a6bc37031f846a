//! From an append to those who watch: an open stream and a subscribed socket, through the whole local cloud.

use crate::Result;
use crate::cloud::{self, Cloud, said};
use crate::report::{Report, percentile};
use crate::snapshot::CONVERSATION;
use crate::wire::{Wire, spawn};
use futures_util::{SinkExt, StreamExt};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

const GROUP: &str = "from append to watcher, ms (a stream looks every 250 ms while active)";
const ROUNDS: u32 = 100;
const DEADLINE: Duration = Duration::from_secs(10);

/// Something that a watcher saw, and when.
type Seen = mpsc::UnboundedReceiver<(Instant, String)>;

pub(crate) async fn measure(cloud: &Cloud, report: &mut Report) -> Result<()> {
    let admin = cloud.admin()?;
    let store = cloud.store().await?;
    let path = format!("/api/conversation/{CONVERSATION}/stream");
    let mut stream = read_stream(cloud::open_stream(cloud, &path, &admin.token).await?);
    until(&mut stream, "event: initial").await?;
    let url = format!("{}?token={}", cloud.websocket_url(), admin.token);
    let mut socket = open_socket(&url).await?;
    until(&mut socket, "\"subscribed\"").await?;

    let (mut appends, mut streams, mut sockets) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let text = format!("bench-{round}-");
        let begun = Instant::now();
        cloud::append(&store, &admin, CONVERSATION, vec![said(&text)]).await?;
        appends.push(begun.elapsed());
        streams.push(until(&mut stream, &text).await? - begun);
        sockets.push(until(&mut socket, &text).await? - begun);
        // A step that shares no divisor with 250: each append meets another moment of the stream's rhythm.
        tokio::time::sleep(Duration::from_millis(u64::from(round * 89 % 250))).await;
    }
    for (what, mut times) in [
        ("append itself (one transaction)", appends),
        ("append begun -> seen on an active SSE stream", streams),
        ("append begun -> seen on a WebSocket", sockets),
    ] {
        report.add(GROUP, what, percentile(&mut times, 0.5), "ms");
        report.p99(percentile(&mut times, 0.99));
    }
    Ok(())
}

/// Waits for a text that was not seen before.
async fn until(seen: &mut Seen, text: &str) -> Result<Instant> {
    let search = async {
        while let Some((at, some)) = seen.recv().await {
            if some.contains(text) {
                return Ok(at);
            }
        }
        Err("the watcher's connection ended".into())
    };
    tokio::time::timeout(DEADLINE, search).await.map_err(|_| format!("{text} was not seen in time"))?
}

fn read_stream(mut wire: Wire) -> Seen {
    let (sender, seen) = mpsc::unbounded_channel();
    spawn(async move {
        while let Ok(chunk) = wire.read_chunk().await {
            let text = String::from_utf8_lossy(&chunk).into_owned();
            if chunk.is_empty() || sender.send((Instant::now(), text)).is_err() {
                break;
            }
        }
    });
    seen
}

async fn open_socket(url: &str) -> Result<Seen> {
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    let (sender, seen) = mpsc::unbounded_channel();
    let subscribe = serde_json::json!({"action": "subscribe", "conversation_id": CONVERSATION});
    socket.send(Message::text(subscribe.to_string())).await?;
    spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            if sender.send((Instant::now(), text.as_str().to_owned())).is_err() {
                break;
            }
        }
    });
    Ok(seen)
}
