//! The life of an accepted connection: a reader, a writer, and a queue of messages for the functions.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::event::{self, Payload};
use super::hub::Connection;
use super::{Api, IDLE_LIMIT, LIFE_LIMIT};
use crate::http::system;

/// `disconnectReason` of a connection that broke.
pub(super) const ABNORMAL: &str = "Connection Closed Abnormally";

/// Messages of one client that wait for the functions before we stop reading from it.
const INBOX: usize = 64;

/// How long the other side may take to answer a close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How long the socket stays open behind a refused message, of which we read nothing more: closing it at once would
/// reset the connection and could take the close frame away from the client.
const LINGER: Duration = Duration::from_millis(500);

/// Why and how a connection ends.
struct Ending {
    /// As in the event of `$disconnect`.
    code: u16,
    reason: String,
    /// What we have to say to the client, if it was not the client that ended it.
    close: Option<CloseFrame>,
    /// Whether there is still something to read.
    readable: bool,
}

impl Ending {
    fn by_us(code: u16, reason: &'static str) -> Self {
        let close = Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) });
        Self { code, reason: reason.to_owned(), close, readable: true }
    }

    fn by_client(frame: Option<CloseFrame>) -> Self {
        let (code, reason) = match frame {
            Some(frame) => (frame.code, frame.reason.to_string()),
            None => (1005, "Client-side close frame status not set".to_owned()),
        };
        Self { code, reason, close: None, readable: true }
    }

    fn broken() -> Self {
        Self { code: 1006, reason: ABNORMAL.to_owned(), close: None, readable: false }
    }
}

pub(super) async fn run(api: Arc<Api>, socket: WebSocket, connection: Arc<Connection>, outbox: mpsc::Receiver<Bytes>) {
    let (sink, mut stream) = socket.split();
    let (inbox, messages) = mpsc::channel(INBOX);
    let (close, closing) = oneshot::channel();
    let writer = system::spawn(write(sink, Arc::clone(&connection), outbox, closing));
    let worker = system::spawn(work(Arc::clone(&api), Arc::clone(&connection), messages));

    let ending = read(&api, &mut stream, &connection, &inbox).await;
    api.hub.close(&connection.peer.connection_id);
    drop(inbox);
    let said = ending.close.is_some();
    let _ = close.send(ending.close);
    // A client that reads nothing must not keep the connection.
    let abort = writer.abort_handle();
    if timeout(CLOSE_GRACE, writer).await.is_err() {
        abort.abort();
    }
    if ending.readable {
        // The rest of the closing handshake, in either direction.
        let _ = timeout(CLOSE_GRACE, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    } else if said {
        sleep(LINGER).await;
    }
    drop(stream);
    // An error is a panic in a task that only passes things on.
    let _ = worker.await;
    api.disconnected(&connection.peer, ending.code, &ending.reason).await;
}

/// Reads until the connection ends, and says why it did.
async fn read(
    api: &Api,
    stream: &mut SplitStream<WebSocket>,
    connection: &Connection,
    inbox: &mpsc::Sender<Payload>,
) -> Ending {
    let life = sleep_until(Instant::now() + api.settings.scaled(LIFE_LIMIT));
    tokio::pin!(life);
    let idle_limit = api.settings.scaled(IDLE_LIMIT);
    let idle = sleep(idle_limit);
    tokio::pin!(idle);
    loop {
        // Without a free place in the inbox nothing is read, which the client feels as a full socket.
        let next = async {
            let place = inbox.reserve().await.ok()?;
            Some((place, stream.next().await?))
        };
        let (place, message) = tokio::select! {
            next = next => match next {
                Some(next) => next,
                None => return Ending::broken(),
            },
            () = connection.deleted.notified() => return Ending::by_us(1000, "Connection Closed Normally"),
            () = &mut life => return Ending::by_us(1001, "Going away"),
            () = &mut idle => {
                // Frames to the client count as well, so look when the last one really was.
                let silence = Duration::from_millis(system::now_ms().saturating_sub(connection.last_active()));
                if silence >= idle_limit {
                    return Ending::by_us(1001, "Going away");
                }
                idle.as_mut().reset(Instant::now() + (idle_limit - silence).max(Duration::from_millis(1)));
                continue;
            }
        };
        connection.touch();
        let payload = match message {
            Ok(Message::Text(text)) => Payload::Text(text.into()),
            Ok(Message::Binary(bytes)) => Payload::Binary(bytes),
            // The socket answers pings by itself.
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Close(frame)) => return Ending::by_client(frame),
            Err(error) if is_too_long(&error) => {
                return Ending { readable: false, ..Ending::by_us(1009, "Message too long") };
            }
            Err(_) => return Ending::broken(),
        };
        place.send(payload);
    }
}

/// The socket does not let us see its error type, only its text.
fn is_too_long(error: &axum::Error) -> bool {
    let text = error.to_string();
    text.contains("Space limit exceeded") || text.contains("too long")
}

/// Writes what is posted. Everything that is ready goes out in one go.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    connection: Arc<Connection>,
    mut outbox: mpsc::Receiver<Bytes>,
    mut closing: oneshot::Receiver<Option<CloseFrame>>,
) {
    loop {
        let mut next = tokio::select! {
            biased;
            frame = &mut closing => {
                if let Ok(Some(frame)) = frame {
                    let _ = sink.send(Message::Close(Some(frame))).await;
                }
                return;
            }
            payload = outbox.recv() => payload,
        };
        while let Some(payload) = next {
            let length = payload.len();
            let fed = sink.feed(frame_of(payload)).await;
            connection.sent(length);
            if fed.is_err() {
                return;
            }
            next = outbox.try_recv().ok();
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

fn frame_of(payload: Bytes) -> Message {
    match Utf8Bytes::try_from(payload.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(payload),
    }
}

/// Invokes the routes of the messages, one after the other.
async fn work(api: Arc<Api>, connection: Arc<Connection>, mut messages: mpsc::Receiver<Payload>) {
    while let Some(payload) = messages.recv().await {
        let (Payload::Text(body) | Payload::Binary(body)) = &payload;
        let Some(route_key) = api.route_key(body) else {
            complain(&connection, "Forbidden", &system::short_id());
            continue;
        };
        let (event, request_id) = event::message(&api.stage, &connection.peer, &route_key, &payload);
        if api.invoke(&route_key, event).await.is_err() {
            complain(&connection, "Internal server error", &request_id);
        }
    }
}

fn complain(connection: &Connection, message: &str, request_id: &str) {
    let body = json!({
        "message": message,
        "connectionId": connection.peer.connection_id,
        "requestId": request_id,
    });
    // A client whose queue is full has other worries.
    let _ = connection.send(body.to_string().into());
}
