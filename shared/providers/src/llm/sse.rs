//! Reading server-sent events (WHATWG HTML 9.2.6) from bytes that are cut anywhere.

/// The longest event, in bytes. A model's server that sends more of one is broken, and must not fill our memory.
const MAX_EVENT: usize = 1024 * 1024;

/// An event.
#[derive(Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// Its type, `message` if it names none.
    pub kind: String,
    /// Its lines of data.
    pub data: String,
    /// The last id so far.
    pub id: String,
}

/// An event that is only shown, by the same fields.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// As [`SseEvent::kind`].
    pub kind: &'a str,
    /// As [`SseEvent::data`].
    pub data: &'a str,
    /// As [`SseEvent::id`].
    pub id: &'a str,
}

impl std::fmt::Debug for SseEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SseEvent").field("kind", &self.kind).field("bytes", &self.data.len()).finish_non_exhaustive()
    }
}

/// The server sends an event that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is too long")]
pub struct TooLong;

/// A reader of one stream.
#[derive(Default)]
pub struct SseParser {
    /// The line that is not over yet.
    line: Vec<u8>,
    /// Whether the last byte was a CR, whose LF may follow in the next read.
    after_cr: bool,
    begun: bool,
    kind: String,
    data: String,
    has_data: bool,
    id: String,
    retry: Option<u64>,
}

impl SseParser {
    /// A reader at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and gives the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        self.read(bytes, |Event { kind, data, id }| {
            events.push(SseEvent { kind: kind.to_owned(), data: data.to_owned(), id: id.to_owned() });
        })?;
        Ok(events)
    }

    /// Takes the next bytes and shows each event that they complete. Copies no more than an event's data.
    pub fn read(&mut self, bytes: &[u8], mut show: impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, tail) = rest.split_at(end);
            if self.line.is_empty() {
                self.end_of_line(line, &mut show)?;
            } else {
                let mut begun = std::mem::take(&mut self.line);
                begun.extend_from_slice(line);
                self.end_of_line(&begun, &mut show)?;
                begun.clear();
                self.line = begun;
            }
            rest = match tail {
                [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
                [] => tail,
            };
            self.after_cr = tail == b"\r";
        }
        self.line.extend_from_slice(rest);
        self.check_length(self.line.len())
    }

    /// Whether the stream stopped inside an event, which is then lost.
    pub fn is_inside_event(&self) -> bool {
        !self.line.is_empty() || self.has_data
    }

    /// The pause before a reconnect that the server asked for, in milliseconds.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    fn end_of_line(&mut self, line: &[u8], show: &mut impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        self.check_length(line.len())?;
        let line = if self.begun { line } else { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) };
        self.begun = true;
        if line.is_empty() {
            self.dispatch(show);
        } else {
            // Per line, so that one broken byte spoils one character.
            self.field(&String::from_utf8_lossy(line));
        }
        Ok(())
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.kind),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry = value.parse().ok();
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, show: &mut impl FnMut(Event<'_>)) {
        if std::mem::take(&mut self.has_data) {
            let kind = if self.kind.is_empty() { "message" } else { &self.kind };
            show(Event { kind, data: &self.data, id: &self.id });
        }
        self.kind.clear();
        self.data.clear();
    }

    fn check_length(&self, line: usize) -> Result<(), TooLong> {
        if line + self.data.len() > MAX_EVENT { Err(TooLong) } else { Ok(()) }
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
