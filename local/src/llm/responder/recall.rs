//! What stands in the window: what was asked, what was said, and what "more" is about.

use super::window::{Line, Speaker};
use super::{summary, words};

/// Characters of one quoted message.
const QUOTE: usize = 90;

/// Messages that are quoted.
const QUOTED: usize = 3;

/// The answer, if the question is about the conversation itself.
pub(super) fn answer(question: &str, history: &[Line]) -> Option<String> {
    let words = words::all(question);
    let has = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    if has(&["summarise", "summarize", "summary", "recap"]) {
        return Some(summary::of(history));
    }
    if !has(&["what", "did", "repeat", "remember"]) {
        return None;
    }
    let said = has(&["say", "said", "promise", "promised", "tell", "told", "write", "wrote"]);
    if said && has(&["agent", "he", "she", "they", "person", "colleague", "human"]) {
        return Some(quote("A person of ours wrote", history, Speaker::Human, QUOTED));
    }
    if has(&["i", "we"]) && (said || has(&["ask", "asked", "talk", "talked"])) {
        return Some(quote("You wrote", history, Speaker::Customer, QUOTED));
    }
    (said && has(&["you"])).then(|| quote("I wrote", history, Speaker::Assistant, 1))
}

/// The latest lines of one speaker, in their order.
fn quote(opening: &str, history: &[Line], speaker: Speaker, count: usize) -> String {
    let lines = history.iter().rev().filter(|line| line.is_of(speaker)).take(count);
    let mut quoted: Vec<String> = lines.map(|line| format!("“{}”", words::cut(&line.text, QUOTE))).collect();
    if quoted.is_empty() {
        return "There is nothing of that kind in what I am shown.".to_owned();
    }
    quoted.reverse();
    format!("{opening}: {}", quoted.join(" "))
}

/// Whether the question is about what was talked of just before.
pub(super) fn is_follow_up(question: &str) -> bool {
    const SHORT: [&str; 8] = ["more", "why", "example", "examples", "else", "continue", "further", "elaborate"];
    let words = words::all(question);
    words.len() <= 5 && words.iter().any(|word| SHORT.contains(&word.as_str()))
}

/// The latest question that was no follow-up itself.
pub(super) fn topic(history: &[Line]) -> Option<&str> {
    let asked = history.iter().rev().filter(|line| line.is_of(Speaker::Customer));
    asked.map(|line| line.text.as_str()).find(|question| !is_follow_up(question))
}
