//! An SSE client that keeps what it reads as it was framed.

use super::cloud::Cloud;
use super::in_time;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// One block of a stream, except comments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) event: Option<String>,
    pub(crate) data: Value,
    pub(crate) id: Option<u64>,
    pub(crate) retry: Option<u64>,
}

impl Block {
    /// The name, or for unnamed blocks the `type`.
    pub(crate) fn name(&self) -> &str {
        self.event.as_deref().or(self.data["type"].as_str()).unwrap_or_default()
    }

    /// Numbers of the events that the block is about.
    pub(crate) fn seqs(&self) -> Vec<u64> {
        match self.data["messages"].as_array() {
            Some(messages) => messages.iter().filter_map(|message| message["seq"].as_u64()).collect(),
            None => self.data["seq"].as_u64().into_iter().collect(),
        }
    }
}

/// A stream being read.
pub(crate) struct Sse {
    response: Response,
    buffer: String,
    pub(crate) comments: Vec<String>,
}

impl Sse {
    /// Opens a stream that must be one.
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = in_time("an answer", request.header("accept", "text/event-stream").send()).await.unwrap();
        Self::of(response)
    }

    /// Reads an answer that must be a stream.
    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new(), comments: Vec::new() }
    }

    /// The next block, or the end.
    pub(crate) async fn next(&mut self) -> Option<Block> {
        in_time("a block", async {
            loop {
                if let Some((text, rest)) = self.buffer.split_once("\n\n") {
                    let (text, rest) = (text.to_owned(), rest.to_owned());
                    self.buffer = rest;
                    match text.strip_prefix(':') {
                        Some(comment) => self.comments.push(comment.trim().to_owned()),
                        None => return Some(parse(&text)),
                    }
                    continue;
                }
                match self.response.chunk().await {
                    Ok(Some(chunk)) => self.buffer.push_str(std::str::from_utf8(&chunk).unwrap()),
                    Ok(None) | Err(_) => return None,
                }
            }
        })
        .await
    }

    /// Reads on until there were so many pings; no block may come meanwhile.
    pub(crate) async fn pings(&mut self, count: usize) {
        while self.comments.iter().filter(|comment| *comment == "ping").count() < count {
            if let Some(rest) = self.buffer.strip_prefix(": ")
                && let Some((comment, rest)) = rest.split_once("\n\n")
            {
                self.comments.push(comment.to_owned());
                self.buffer = rest.to_owned();
                continue;
            }
            assert!(!self.buffer.starts_with("data"), "{}", self.buffer);
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next block of this name; others are passed over.
    pub(crate) async fn until(&mut self, name: &str) -> Block {
        loop {
            let block = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if block.name() == name {
                return block;
            }
        }
    }
}

fn parse(text: &str) -> Block {
    let mut block = Block { event: None, data: Value::Null, id: None, retry: None };
    for line in text.lines() {
        let (field, value) = line.split_once(": ").unwrap();
        match field {
            "event" => block.event = Some(value.to_owned()),
            "data" => block.data = serde_json::from_str(value).unwrap(),
            "id" => block.id = Some(value.parse().unwrap()),
            "retry" => block.retry = Some(value.parse().unwrap()),
            other => panic!("a field {other}"),
        }
    }
    block
}

impl Cloud {
    /// Seed A's stream of a conversation.
    pub(crate) async fn stream(&self, id: &str, email: &str, last_event_id: Option<u64>) -> Sse {
        let request = self.get(&format!("/api/conversation/{id}/stream"), email);
        Sse::open(resuming(request, last_event_id)).await
    }

    /// Seed B's stream of a contact; `query` is the part after `?`.
    pub(crate) async fn contact_stream(&self, lead: &str, query: &str, email: &str, last: Option<u64>) -> Sse {
        let request = self.get(&format!("/api/stream/conversation/{lead}?{query}"), email);
        Sse::open(resuming(request, last)).await
    }
}

fn resuming(request: RequestBuilder, last_event_id: Option<u64>) -> RequestBuilder {
    match last_event_id {
        Some(id) => request.header("last-event-id", id.to_string()),
        None => request,
    }
}
