//! How the demo looks in a terminal.

use std::io::IsTerminal;

use super::frame::Frame;
use super::watch::Via;
use crate::output;

/// Characters of a text before it is cut.
const WIDTH: usize = 72;

/// The terminal, in colours if it is one.
pub(super) struct Screen {
    colours: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { colours: std::io::stdout().is_terminal() }
    }

    pub(super) fn title(&self, text: &str) {
        output::say(&format!("\n{}\n{text}", self.styled("1", "Switchboard, a conversation in five steps")));
    }

    pub(super) fn step(&self, number: u8, text: &str) {
        output::say(&format!("\n{} {}", self.styled("1;36", &number.to_string()), self.styled("1", text)));
    }

    pub(super) fn note(&self, text: &str) {
        output::say(&self.styled("2", text));
    }

    pub(super) fn done(&self, text: &str) {
        output::say(&format!("\n{} {text}", self.styled("1;32", "✓")));
    }

    /// An event, on one line.
    pub(super) fn event(&self, via: Via, frame: &Frame) {
        output::say(&self.line(via, frame));
    }

    fn line(&self, via: Via, frame: &Frame) -> String {
        let text = match frame.kind.as_str() {
            "conversation_history" => format!("{} earlier messages", frame.history()),
            _ => frame.text().map(quoted).unwrap_or_default(),
        };
        let who = match (frame.kind.as_str(), frame.agent_name.as_deref()) {
            ("sms_received", _) => "customer: ",
            ("sms_sent", _) => "AI: ",
            (_, Some(name)) => &format!("{name}: "),
            _ => "",
        };
        let place = frame.contact_seq.map(|seq| format!("#{seq}")).unwrap_or_default();
        let (via, place) = (format!("{:<9}", via.to_string()), format!("{place:>5}"));
        format!("  {} {}  {:<22} {who}{text}", self.styled("2", &via), self.styled("2", &place), frame.kind)
            .trim_end()
            .to_owned()
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A text in one line of bounded length. Control characters could move the cursor.
fn quoted(text: &str) -> String {
    let line: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    if line.chars().count() <= WIDTH {
        return line;
    }
    let kept: String = line.chars().take(WIDTH - 1).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let screen = Screen { colours: false };
        let frame = &Frame::read(r#"{"type":"sms_received","message":"a\nb\u001b[2J","contact_seq":7}"#)[0];
        assert_eq!(screen.line(Via::Sse, frame), "  SSE          #7  sms_received           customer: a b [2J");
        let frame = &Frame::read(r#"{"type":"conversation_history","messages":[{},{}]}"#)[0];
        assert!(screen.line(Via::Sse, frame).ends_with("2 earlier messages"));
    }
}
