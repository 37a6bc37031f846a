//! As much HTTP/1.1 as measuring takes: written out, so that what is measured is the other side.

use crate::Result;
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection, and what has been read of it and not used.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request or a response.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// `GET /path HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub(crate) start: String,
    /// Header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether its body comes in chunks.
    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// Method and path of a request.
    pub(crate) fn target(&self) -> (&str, &str) {
        let mut words = self.start.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }
}

impl Wire {
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        Self::new(TcpStream::connect(address).await?)
    }

    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Sends a request and waits for its response. `headers` are whole lines.
    pub(crate) async fn ask(&mut self, start: &str, headers: &str, body: &[u8]) -> Result<Message> {
        let head = format!("{start} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {}\r\n\r\n", body.len());
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.write(&request).await?;
        self.read().await?.ok_or_else(|| "the connection was closed before the answer".into())
    }

    /// Answers a request. `headers` are whole lines.
    pub(crate) async fn answer(&mut self, status: &str, headers: &str, body: &[u8]) -> Result<()> {
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
        let mut answer = head.into_bytes();
        answer.extend_from_slice(body);
        self.write(&answer).await
    }

    /// Reads a whole message; `None` when the other side has closed the connection.
    pub(crate) async fn read(&mut self) -> Result<Option<Message>> {
        let Some(mut message) = self.read_head().await? else { return Ok(None) };
        self.read_body(&mut message).await?;
        Ok(Some(message))
    }

    /// Reads the body of a message whose head was read.
    pub(crate) async fn read_body(&mut self, message: &mut Message) -> Result<()> {
        if message.is_chunked() {
            loop {
                let chunk = self.read_chunk().await?;
                if chunk.is_empty() {
                    break;
                }
                message.body.extend_from_slice(&chunk);
            }
        } else if let Some(length) = message.header("content-length") {
            message.body = self.take(length.parse()?).await?;
        }
        Ok(())
    }

    /// Reads a message up to its body.
    pub(crate) async fn read_head(&mut self) -> Result<Option<Message>> {
        let mut message = Message::default();
        loop {
            let line = match self.line().await? {
                Some(line) => line,
                None if message.start.is_empty() => return Ok(None),
                None => return Err("the connection was closed in a head".into()),
            };
            if message.start.is_empty() {
                message.start = line;
            } else if let Some((name, value)) = line.split_once(':') {
                message.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            } else {
                return Ok(Some(message));
            }
        }
    }

    /// One chunk of a chunked body; empty at its end.
    pub(crate) async fn read_chunk(&mut self) -> Result<Vec<u8>> {
        let size = self.line().await?.ok_or("the connection was closed in a body")?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
        let chunk = self.take(size).await?;
        // The line end after it; after the last chunk also the trailers, which end with an empty line.
        while self.line().await?.is_some_and(|line| !line.is_empty()) {}
        Ok(chunk)
    }

    async fn line(&mut self) -> Result<Option<String>> {
        let mut from = 0;
        loop {
            let end = self.buffer.get(from..).unwrap_or_default().iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line: Vec<u8> = self.buffer.drain(..=from + end).collect();
                return Ok(Some(String::from_utf8(line)?.trim_end().to_owned()));
            }
            from = self.buffer.len();
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill().await? == 0 {
                return Err("the connection was closed in a body".into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn fill(&mut self) -> Result<usize> {
        Ok(self.stream.read_buf(&mut self.buffer).await?)
    }
}

/// Runs a task beside the others until the run ends.
#[expect(clippy::disallowed_methods, reason = "this program is no Lambda function")]
pub(crate) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}
