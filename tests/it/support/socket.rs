//! A WebSocket client.

use super::cloud::Cloud;
use super::in_time;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A connected client.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Connects; the error of a refused handshake is its status.
    pub(crate) async fn connect(url: &str) -> Result<Self, u16> {
        Self::handshake(url.into_client_request().unwrap()).await.map(|(socket, _)| socket)
    }

    /// Connects with a request of the caller's making, and keeps the answer.
    pub(crate) async fn handshake(request: Request) -> Result<(Self, Response), u16> {
        match in_time("a handshake", connect_async(request)).await {
            Ok((stream, response)) => Ok((Self { stream }, response)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// The next frame, or `None` when the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        in_time("a frame", async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            }
        })
        .await
    }

    /// The next frame of this type; others are passed over.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the connection closed before {kind}"));
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.stream.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Ends the connection as a browser does.
    pub(crate) async fn close(&mut self) {
        self.stream.close(None).await.unwrap();
    }

    /// What comes before the answer to a ping: all that was posted before this.
    pub(crate) async fn drain(&mut self) -> Vec<Value> {
        self.send(json!({"action": "ping"})).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the connection closed before a pong"));
            if frame["type"] == "pong" {
                return frames;
            }
            frames.push(frame);
        }
    }

    /// Subscribes to a conversation; what was missed comes before the `subscribed` frame.
    pub(crate) async fn subscribe(&mut self, conversation: &str, after_seq: Option<u64>) {
        let mut frame = json!({"action": "subscribe", "conversation_id": conversation});
        if let Some(seq) = after_seq {
            frame["after_seq"] = seq.into();
        }
        self.send(frame).await;
    }
}

/// The events in a frame: itself, or those of a joint frame; none if it is about something else.
pub(crate) fn events(frame: &Value) -> Vec<Value> {
    match frame["events"].as_array() {
        Some(events) => events.clone(),
        None if frame["contact_seq"].is_u64() && frame["type"] != "conversation_updated" => vec![frame.clone()],
        None => Vec::new(),
    }
}

impl Cloud {
    /// A connection of a demo user that has been greeted.
    pub(crate) async fn socket(&self, email: &str) -> Socket {
        let mut socket =
            Socket::connect(&format!("{}?token={}", self.info.websocket_url, self.token(email))).await.unwrap();
        assert_eq!(socket.next().await.unwrap(), json!({"type": "connected"}));
        socket
    }
}
