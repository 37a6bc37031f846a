//! What happened to the queues, as JSON lines: reading them again gives the same queues.
//!
//! A step across two queues is one line, so that a kill finds a message in one of them. Lines go to the system before
//! anybody acts on them; they are not synced to the disk, because they must survive the process, not the machine.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::message::Message;
use crate::files;

/// Lines that are not worth a rewrite.
const KEPT_LINES: usize = 1000;

/// One step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Step {
    Sent {
        queue: String,
        message: Message,
    },
    /// The last sequence number given; only after a rewrite, which may leave out its message.
    Numbered {
        sequence: u64,
    },
    /// A deduplication id whose message is gone; only after a rewrite.
    Seen {
        queue: String,
        group: String,
        deduplication: String,
        sent_ms: u64,
    },
    Received {
        queue: String,
        ids: Vec<String>,
        at_ms: u64,
    },
    Done {
        queue: String,
        ids: Vec<String>,
    },
    /// To the dead-letter queue, or back.
    Moved {
        from: String,
        id: String,
        to: String,
        message: Message,
    },
    Purged {
        queue: String,
    },
}

/// The file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
    /// Whether the last line may be a beginning only, which the next one must not continue.
    torn: bool,
}

impl Journal {
    /// Opens the file and returns its steps. A line that a kill cut off was not acted on.
    pub(super) fn open(data_dir: &Path) -> io::Result<(Self, Vec<Step>)> {
        let path = data_dir.join("queues.jsonl");
        let text = match std::fs::read(&path) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let steps: Vec<Step> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let lines = text.lines().filter(|line| !line.is_empty()).count();
        if steps.len() < lines {
            tracing::warn!(lines = lines - steps.len(), "lines of the queues' file cannot be read and are left out");
        }
        let file = files::append(&path)?;
        Ok((Self { path, file, lines, torn: true }, steps))
    }

    pub(super) fn write(&mut self, step: &Step) -> io::Result<()> {
        let mut line = if self.torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut line, step)?;
        line.push(b'\n');
        // One call: what is written of it when the process dies is all of it or, with a full disk, its beginning.
        self.torn = true;
        self.file.write_all(&line)?;
        self.torn = false;
        self.lines += 1;
        Ok(())
    }

    /// Whether a rewrite of `needed` lines would make the file much smaller.
    pub(super) fn is_long(&self, needed: usize) -> bool {
        self.lines > KEPT_LINES + needed * 2
    }

    /// Replaces the whole file.
    pub(super) fn rewrite(&mut self, steps: &[Step]) -> io::Result<()> {
        let mut content = Vec::new();
        for step in steps {
            serde_json::to_writer(&mut content, step)?;
            content.push(b'\n');
        }
        files::write_atomically(&self.path, &content)?;
        self.file = files::append(&self.path)?;
        self.lines = steps.len();
        self.torn = false;
        Ok(())
    }
}
