//! Short summaries made of sentences that were said.

use super::super::request::Message;
use super::window::{self, Line, Speaker};
use super::words;

/// Characters of a summary, and of one sentence in it.
const LONGEST: usize = 400;
const SENTENCE: usize = 120;

/// Whether a summary is wanted: the first sentence says so, or nothing else is asked for. A summary of earlier days that
/// comes with the instructions for an answer makes no task.
pub(super) fn is_wanted(system: &str) -> bool {
    let system = system.to_lowercase();
    let names = |text: &str| text.contains("summary") || text.contains("summari");
    let task = words::sentences(&system).first().is_some_and(|first| names(first));
    task || (names(&system) && !system.contains("answer") && !system.contains("reply"))
}

/// The summary of the conversation in these messages: turns, or a transcript with a speaker before each line.
pub(super) fn summarize(messages: &[Message]) -> String {
    let transcript = messages.iter().flat_map(|message| message.content.lines()).filter_map(labelled);
    let labelled: Vec<Line> = transcript.collect();
    if labelled.is_empty() { of(&window::lines(messages)) } else { of(&labelled) }
}

/// A summary of what was said.
pub(super) fn of(lines: &[Line]) -> String {
    let by = |speakers: &'static [Speaker]| {
        let lines = lines.iter().filter(|line| speakers.contains(&line.speaker));
        lines.map(|line| words::cut(&line.text, SENTENCE))
    };
    let customer = || by(&[Speaker::Customer]);
    let mut parts: Vec<String> = by(&[Speaker::Summary]).take(1).collect();
    match (customer().next(), customer().next_back()) {
        (Some(first), Some(last)) if first != last => {
            parts.push(format!("The customer asked: “{first}” and last: “{last}”."));
        }
        (Some(first), _) => parts.push(format!("The customer asked: “{first}”.")),
        (None, _) => {}
    }
    if let Some(answer) = by(&[Speaker::Assistant, Speaker::Human]).next_back() {
        parts.push(format!("The last answer was: “{answer}”."));
    }
    if parts.is_empty() {
        return "Nothing was said yet.".to_owned();
    }
    words::cut(&parts.join(" "), LONGEST)
}

/// `Customer: Is my bike ready?`
fn labelled(line: &str) -> Option<Line> {
    let (label, text) = line.split_once(": ")?;
    let label = words::all(label);
    let is = |any: &[&str]| label.len() <= 8 && label.iter().any(|word| any.contains(&word.as_str()));
    let speaker = if is(&["summary"]) {
        Speaker::Summary
    } else if is(&["customer", "user", "caller"]) {
        Speaker::Customer
    } else if is(&["assistant", "ai"]) {
        Speaker::Assistant
    } else if is(&["agent", "human", "person", "colleague"]) {
        Speaker::Human
    } else {
        return None;
    };
    Some(Line { speaker, text: text.trim().to_owned() })
}
