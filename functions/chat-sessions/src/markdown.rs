//! A chat as Markdown: questions as quotations, answers as they are, for they are Markdown themselves.

use domain::chat::{Chat, Ending, Exchange, Finish, Outcome};
use std::fmt::Write;
use web::Code;

/// What stands above the exchanges.
pub(crate) fn head(chat: &Chat) -> String {
    let (begun, used) = (chat.created_at.iso_plain(), chat.updated_at.iso_plain());
    format!("# {}\n\nChat `{}`, begun {begun} UTC, last used {used} UTC.\n", escaped(&chat.title), chat.id)
}

/// One exchange.
pub(crate) fn exchange(exchange: &Exchange) -> String {
    let question = &exchange.question;
    let mut text = format!("\n## {}. {} UTC\n\n", question.number, question.asked_at.iso_plain());
    for line in question.message.lines() {
        let _ = writeln!(text, "{}", format!("> {line}").trim_end());
    }
    for file in &question.media {
        let _ = writeln!(text, ">\n> Attached: {}", escaped(file.url.as_deref().unwrap_or(&file.id)));
    }
    if let Some(outcome) = exchange.outcome.as_ref().filter(|outcome| !outcome.response.is_empty()) {
        let _ = writeln!(text, "\n{}", outcome.response.trim_end());
    }
    if let Some(remark) = remark(exchange.outcome.as_ref()) {
        let _ = writeln!(text, "\n*({remark})*");
    }
    text
}

/// What stands below an export that goes on elsewhere.
pub(crate) fn more(cursor: &str) -> String {
    format!("\n---\n\n*(This chat goes on. Ask for the rest with `cursor={cursor}`.)*\n")
}

/// How an answer is less than one.
fn remark(outcome: Option<&Outcome>) -> Option<String> {
    let Some(outcome) = outcome else { return Some("The answer is under way.".to_owned()) };
    if outcome.cut {
        return Some("The answer is longer than an export holds.".to_owned());
    }
    match outcome.ending {
        Ending::Complete(Finish::Stop | Finish::Other) => None,
        Ending::Complete(finish) => Some(format!("The answer ends here: {}.", finish.as_str())),
        Ending::Failed(failure) => Some(format!("The answer failed: {}.", Code::from(failure).as_str())),
    }
}

/// A text that is not Markdown.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | '?' | '!' | ':' | '/' | '-' | '+' | '=' | '\'') {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use domain::chat::{Failure, MediaFile};

    #[test]
    fn a_chat_reads_as_questions_and_answers() {
        let chat = Chat { title: "*Two* <b>_#1_</b>".to_owned(), ..samples::chat(1) };
        assert_eq!(
            head(&chat),
            "# \\*Two\\* \\<b\\>\\_\\#1\\_\\</b\\>\n\nChat `c1`, begun 2024-01-01T00:00:00.000000 UTC, \
             last used 2024-01-01T00:00:01.000000 UTC.\n"
        );
        let one = samples::exchange(1, "What is\n\n2+2?", Some("# Four\n\n4\n"));
        assert_eq!(exchange(&one), "\n## 1. 2024-01-01T00:00:01.000000 UTC\n\n> What is\n>\n> 2+2?\n\n# Four\n\n4\n");
    }

    #[test]
    fn what_is_no_whole_answer_says_so() {
        let open = exchange(&samples::exchange(2, "hello", None));
        assert!(open.ends_with("> hello\n\n*(The answer is under way.)*\n"), "{open}");
        let with = |change: fn(&mut Outcome)| {
            let mut one = samples::exchange(2, "hello", Some("a part"));
            one.outcome.as_mut().map(change).unwrap();
            exchange(&one)
        };
        let stopped = with(|outcome| outcome.ending = Ending::Complete(Finish::Stopped));
        assert!(stopped.ends_with("\na part\n\n*(The answer ends here: stopped.)*\n"), "{stopped}");
        let failed = with(|outcome| outcome.ending = Ending::Failed(Failure::Timeout));
        assert!(failed.ends_with("*(The answer failed: llm_timeout.)*\n"), "{failed}");
        assert!(with(|outcome| outcome.cut = true).ends_with("*(The answer is longer than an export holds.)*\n"));
    }

    #[test]
    fn attachments_are_named() {
        let mut one = samples::exchange(1, "see", Some("ok"));
        one.question.media =
            vec![MediaFile { id: "f1".to_owned(), url: Some("https://example.com/a_b.png".to_owned()) }];
        assert!(exchange(&one).contains("> see\n>\n> Attached: https://example.com/a\\_b.png\n\nok\n"));
    }
}
