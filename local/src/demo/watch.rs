//! Both transports, watched at once.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures_util::stream::{BoxStream, select};
use futures_util::{SinkExt, Stream, StreamExt};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::api::Api;
use super::frame::{Blocks, Frame};
use super::show::Screen;
use super::{Cast, Error, SOON};
use crate::info::Running;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Sse,
    WebSocket,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sse => "SSE",
            Self::WebSocket => "WebSocket",
        })
    }
}

/// A frame, or the end of a transport.
type Seen = (Via, Option<Frame>);

#[derive(Serialize)]
struct Subscribe<'a> {
    action: &'static str,
    lead_id: &'a str,
}

/// What both transports bring.
pub(super) struct Watch<'a> {
    seen: BoxStream<'static, Seen>,
    /// Frames that came before they were expected.
    early: VecDeque<(Via, Frame)>,
    silent: bool,
    screen: &'a Screen,
}

impl<'a> Watch<'a> {
    /// Connects, and waits until both are live.
    pub(super) async fn open(
        cloud: &Running,
        cast: &Cast<'_>,
        api: &Api<'_>,
        screen: &'a Screen,
    ) -> Result<Self, Error> {
        let stream = api.stream().await?;
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("token", cast.agent.token.expose()).finish();
        let url = format!("{}?{query}", cloud.websocket_url);
        let (mut socket, _) = connect_async(url).await.map_err(Box::new)?;
        let subscribe = Subscribe { action: "subscribe", lead_id: &cast.lead_id };
        let subscribe = serde_json::to_string(&subscribe).unwrap_or_default();
        socket.send(Message::text(subscribe)).await.map_err(Box::new)?;
        let seen = select(sse(stream), websocket(socket)).boxed();
        let mut watch = Self { seen, early: VecDeque::new(), silent: false, screen };
        watch.live("conversation_history", Via::Sse).await?;
        watch.live("subscribed", Via::WebSocket).await?;
        Ok(watch)
    }

    /// From now on an answer of the AI is a failure, or is none again.
    pub(super) fn ai_must_be_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Waits until an event of this type has come over both transports.
    pub(super) async fn expect(&mut self, event: &'static str, within: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        for via in [Via::Sse, Via::WebSocket] {
            self.wait(event, via, deadline, within).await?;
        }
        Ok(())
    }

    async fn live(&mut self, event: &'static str, via: Via) -> Result<(), Error> {
        self.wait(event, via, Instant::now() + SOON, SOON).await
    }

    async fn wait(&mut self, event: &'static str, via: Via, deadline: Instant, within: Duration) -> Result<(), Error> {
        let fits = |(one, frame): &(Via, Frame)| *one == via && frame.kind == event;
        loop {
            if let Some(position) = self.early.iter().position(fits) {
                self.early.remove(position);
                return Ok(());
            }
            let missing = Error::Missing { event, via, within };
            match timeout_at(deadline, self.seen.next()).await {
                Err(_) => return Err(missing),
                Ok(Some((via, Some(frame)))) => self.take(via, frame)?,
                Ok(Some((via, None))) => return Err(Error::Ended(via)),
                Ok(None) => return Err(missing),
            }
        }
    }

    fn take(&mut self, via: Via, frame: Frame) -> Result<(), Error> {
        if frame.is_heartbeat() {
            return Ok(());
        }
        self.screen.event(via, &frame);
        if self.silent && frame.kind == "sms_sent" {
            return Err(Error::Interrupted);
        }
        self.early.push_back((via, frame));
        Ok(())
    }
}

fn sse(response: reqwest::Response) -> impl Stream<Item = Seen> + Send + 'static {
    let mut blocks = Blocks::default();
    let frames = response.bytes_stream().map(move |chunk| match chunk {
        Ok(chunk) => blocks.push(&chunk).iter().flat_map(|data| Frame::read(data)).map(sse_frame).collect(),
        Err(_) => vec![(Via::Sse, None)],
    });
    frames.flat_map(futures_util::stream::iter).chain(ended(Via::Sse))
}

fn sse_frame(frame: Frame) -> Seen {
    (Via::Sse, Some(frame))
}

fn websocket(socket: Socket) -> impl Stream<Item = Seen> + Send + 'static {
    let frames = socket.map(|message| match message {
        Ok(Message::Text(text)) => Frame::read(&text).into_iter().map(|frame| (Via::WebSocket, Some(frame))).collect(),
        Ok(Message::Close(_)) | Err(_) => vec![(Via::WebSocket, None)],
        Ok(_) => Vec::new(),
    });
    frames.flat_map(futures_util::stream::iter).chain(ended(Via::WebSocket))
}

fn ended(via: Via) -> impl Stream<Item = Seen> + Send + 'static {
    futures_util::stream::once(async move { (via, None) })
}
