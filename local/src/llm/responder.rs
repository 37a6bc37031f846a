//! What answers where no language model is connected: exact arithmetic, what stands in the window, and small notes.
//!
//! Deterministic, on the same messages that a model would get, so that a run without a key shows the true path of an
//! answer, and plainly labelled: the first answer of a conversation says that this is no language model.

mod arithmetic;
mod notes;
mod recall;
mod summary;
mod window;
mod words;

use super::request::{Message, Role};
use notes::Notes;
use window::{Line, Speaker};

/// Opens the stand-in's first answer of a conversation.
const LABEL: &str = "No language model is connected: this is a local stand-in.";

/// The longest answer to a text message, and to anything else.
const SHORT: usize = 300;
const LONG: usize = 700;

/// Customer messages that are answered together.
const TOGETHER: usize = 3;

/// The answer to these messages.
pub(super) fn respond(messages: &[Message]) -> String {
    let system = text_of(messages, Role::System);
    if summary::is_wanted(&system) {
        return summary::summarize(messages);
    }
    let limit = if is_short(&system) { SHORT } else { LONG };
    let notes = Notes::of(&system);
    let lines = window::lines(messages);
    let (history, questions) = window::split(&lines);
    let mut answers: Vec<String> = Vec::new();
    for question in questions.iter().skip(questions.len().saturating_sub(TOGETHER)) {
        let answer = answer(question, history, &answers, &notes);
        if !answers.contains(&answer) {
            answers.push(answer);
        }
    }
    if answers.is_empty() {
        answers.push("There is nothing to answer yet.".to_owned());
    }
    // In a window that no longer has it, or where another model answered before, it is said again.
    if !history.iter().any(|line| line.is_of(Speaker::Assistant) && line.text.starts_with(LABEL)) {
        answers.insert(0, LABEL.to_owned());
    }
    words::cut(&answers.join(" "), limit)
}

fn text_of(messages: &[Message], role: Role) -> String {
    let texts = messages.iter().filter(|message| message.role == role).map(|message| message.content.as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// Whether the answer goes out as a text message.
fn is_short(system: &str) -> bool {
    system.contains("SMS") || system.to_lowercase().contains("text message")
}

/// The first way that has an answer.
fn answer(question: &str, history: &[Line], given: &[String], notes: &Notes) -> String {
    let said = || {
        let before = history.iter().filter(|line| !line.is_of(Speaker::Customer));
        before.map(|line| line.text.as_str()).chain(given.iter().map(String::as_str)).collect::<Vec<_>>()
    };
    arithmetic::answer(question)
        .or_else(|| recall::answer(question, history))
        .or_else(|| recall::is_follow_up(question).then(|| notes.more(recall::topic(history)?, &said())).flatten())
        .or_else(|| notes.answer(question, &said()))
        .or_else(|| greeting(question))
        .unwrap_or_else(|| {
            "I have no note about that. Set LLM_BASE_URL, LLM_MODEL and LLM_API_KEY to let a language model answer."
                .to_owned()
        })
}

fn greeting(question: &str) -> Option<String> {
    const GREETINGS: [&str; 9] = ["hi", "hello", "hey", "hallo", "morning", "afternoon", "evening", "help", "test"];
    const THANKS: [&str; 4] = ["thanks", "thank", "cheers", "great"];
    let words = words::all(question);
    if words.iter().any(|word| THANKS.contains(&word.as_str())) {
        return Some("You are welcome.".to_owned());
    }
    let greets = words.iter().any(|word| GREETINGS.contains(&word.as_str()));
    greets.then(|| {
        "Hello! I can do sums, recall this conversation, and answer from a few notes. What is it about?".to_owned()
    })
}

#[cfg(test)]
mod tests;
