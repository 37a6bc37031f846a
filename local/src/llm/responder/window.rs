//! The conversation line by line. Prompts join what one side said, and put notes and a human agent's words into square
//! brackets (`domain::context`).

use super::super::request::{Message, Role};
use super::words;

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    Customer,
    /// An earlier answer of ours.
    Assistant,
    /// A person of the organization.
    Human,
    /// What happened, rather than what was said.
    Note,
    /// What happened earlier, in short.
    Summary,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) speaker: Speaker,
    pub(super) text: String,
}

impl Line {
    pub(super) fn is_of(&self, speaker: Speaker) -> bool {
        self.speaker == speaker
    }
}

/// All lines of the customer's and the assistant's messages.
pub(super) fn lines(messages: &[Message]) -> Vec<Line> {
    let line = |message: &Message, text: &str| match message.role {
        Role::User => Some(Line { speaker: Speaker::Customer, text: words::plain(text) }),
        Role::Assistant => Some(assistant(text.trim())),
        Role::System | Role::Tool => None,
    };
    let all = messages.iter().flat_map(|message| message.content.lines().filter_map(move |text| line(message, text)));
    all.filter(|line| !line.text.is_empty()).collect()
}

fn assistant(text: &str) -> Line {
    let of = |speaker, text: &str| Line { speaker, text: text.trim().to_owned() };
    match text.strip_prefix("[human agent").and_then(|rest| rest.split_once(']')) {
        Some((_, said)) => of(Speaker::Human, said),
        None if text.starts_with('[') => of(Speaker::Note, text),
        None => of(Speaker::Assistant, text),
    }
}

/// What was said before, and what has not been answered: several messages may have come in meanwhile, and notes between
/// them are no answer. Where all is answered, somebody asks for another answer to the last message.
pub(super) fn split(lines: &[Line]) -> (&[Line], Vec<&str>) {
    let answers = |line: &Line| line.is_of(Speaker::Assistant) || line.is_of(Speaker::Human);
    let open = lines.iter().rposition(answers).map_or(0, |last| last + 1);
    let last = lines.iter().rposition(|line| line.is_of(Speaker::Customer)).unwrap_or_default();
    let (history, open) = lines.split_at_checked(open.min(last)).unwrap_or((lines, &[]));
    (history, open.iter().filter(|line| line.is_of(Speaker::Customer)).map(|line| line.text.as_str()).collect())
}
