use super::*;
use crate::chat::{Outcome, Question, RawEvents, Reserve};
use crate::ids::{ChatId, ExchangeId, OrganizationId, UserId};
use crate::time::Timestamp;
use crate::user::ProfileValue;

fn exchange(number: u64, answer: Option<(&str, Ending)>) -> Exchange {
    let at = Timestamp::from_millis(0);
    let question = Question {
        id: ExchangeId::parse("e").unwrap(),
        chat_id: ChatId::parse("c").unwrap(),
        organization_id: OrganizationId::parse("o").unwrap(),
        user_id: UserId::parse("u").unwrap(),
        number,
        message: format!("question {number}"),
        message_type: "chat".to_owned(),
        media: Vec::new(),
        profile: Profile::new(),
        asked_at: at,
        max_tokens: 10,
        reserve: Reserve { points: 1, tokens_per_point: 30, tight: false, month: None },
        origin: None,
        replaces: None,
    };
    let outcome = answer.map(|(response, ending)| Outcome {
        response: response.to_owned(),
        ending,
        tokens_used: 0,
        usage_estimated: true,
        points_cost: 0,
        cached: false,
        model: None,
        raw_events: RawEvents::default(),
        ended_at: at,
        response_time_ms: 1,
        tokens: 1,
        cut: false,
    });
    Exchange { question, outcome }
}

fn brief<'a>(history: &'a [Exchange], profile: &'a Profile) -> Brief<'a> {
    Brief {
        organization_name: "Aurora",
        instructions: None,
        profile,
        history,
        message: "now",
        replaces: None,
        history_chars: 1000,
    }
}

fn texts(turns: &[Turn]) -> Vec<&str> {
    turns.iter().skip(1).map(|turn| turn.text.as_str()).collect()
}

const WHOLE: Ending = Ending::Complete(Finish::Stop);

#[test]
fn unanswered_questions_are_left_out_and_parts_are_marked() {
    let history = [
        exchange(1, Some(("one", WHOLE))),
        exchange(2, None),
        exchange(3, Some(("thr", Ending::Complete(Finish::Stopped)))),
        exchange(4, Some(("", Ending::Failed(crate::chat::Failure::Timeout)))),
    ];
    let profile = Profile::new();
    let turns = prompt(&brief(&history, &profile));
    assert_eq!(texts(&turns), ["question 1", "one", "question 3", "thr [broken off]", "now"]);
}

#[test]
fn the_latest_that_fit_are_taken_whole() {
    let history: Vec<_> = (1..=9).map(|number| exchange(number, Some(("x", WHOLE)))).collect();
    let profile = Profile::new();
    let turns = prompt(&Brief { history_chars: 23, ..brief(&history, &profile) });
    assert_eq!(texts(&turns), ["question 8", "x", "question 9", "x", "now"]);
}

#[test]
fn an_answer_asked_for_anew_is_not_shown() {
    let mut history = vec![exchange(1, Some(("one", WHOLE))), exchange(2, Some(("two", WHOLE)))];
    let profile = Profile::new();
    let turns = prompt(&Brief { replaces: Some(2), ..brief(&history, &profile) });
    assert_eq!(texts(&turns), ["question 1", "one", "now"]);
    history[1].question.replaces = Some(1);
    assert_eq!(texts(&prompt(&brief(&history, &profile))), ["question 2", "two", "now"]);
}

#[test]
fn the_profile_is_a_note_on_one_line_each() {
    let text = ProfileValue::Text("inter\nmediate".to_owned());
    let profile = Profile::from([("age".to_owned(), ProfileValue::Whole(30)), ("level".to_owned(), text)]);
    let turns = prompt(&brief(&[], &profile));
    assert!(turns[0].text.contains("\n- age: 30\n- level: inter mediate"), "{}", turns[0].text);
}
