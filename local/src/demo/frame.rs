//! Frames of both transports, and the blocks of an SSE stream.

use serde::Deserialize;

/// A frame, as far as the demo shows it.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Frame {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) message: Option<String>,
    pub(super) agent_name: Option<String>,
    pub(super) handoff_reason: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) message_status: Option<String>,
    #[serde(rename = "contact_seq")]
    pub(super) contact_seq: Option<u64>,
    /// Of a history: how long it is.
    messages: Option<Vec<serde::de::IgnoredAny>>,
    /// Of a joint frame.
    events: Option<Vec<Frame>>,
}

impl Frame {
    /// Reads a frame; several events may have travelled together.
    pub(super) fn read(text: &str) -> Vec<Self> {
        match serde_json::from_str::<Self>(text) {
            Ok(Self { events: Some(events), .. }) => events,
            Ok(frame) => vec![frame],
            Err(_) => Vec::new(),
        }
    }

    /// Messages of a history.
    pub(super) fn history(&self) -> usize {
        self.messages.as_ref().map_or(0, Vec::len)
    }

    /// Whether it only keeps the connection alive.
    pub(super) fn is_heartbeat(&self) -> bool {
        matches!(self.kind.as_str(), "heartbeat" | "pong" | "")
    }

    /// The most telling of its texts.
    pub(super) fn text(&self) -> Option<&str> {
        let texts = [&self.message, &self.summary, &self.handoff_reason, &self.message_status];
        texts.into_iter().find_map(|text| text.as_deref())
    }
}

/// Collects the blocks of an SSE stream from chunks that end anywhere.
#[derive(Default)]
pub(super) struct Blocks {
    pending: Vec<u8>,
}

impl Blocks {
    /// Takes a chunk; gives the data of the blocks that it completes.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Vec<String> {
        self.pending.extend_from_slice(chunk);
        let mut blocks = Vec::new();
        while let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.pending.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&block);
            let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            if !data.is_empty() {
                blocks.push(data.join("\n"));
            }
        }
        blocks
    }
}
