use super::*;
use proptest::prelude::*;

const SYSTEM: &str = "You answer text messages (SMS) to BICI Bike Store. Summary of earlier days: bought a bike.";

fn message((role, content): (Role, &str)) -> Message {
    Message { role, content: content.to_owned(), images: Vec::new() }
}

/// The answer in a conversation whose label was said before.
fn later(turns: &[(Role, &str)]) -> String {
    let opening = [(Role::System, SYSTEM), (Role::User, "hi"), (Role::Assistant, &format!("{LABEL} Hello."))];
    respond(&opening.iter().chain(turns).copied().map(message).collect::<Vec<_>>())
}

fn asked(question: &str) -> String {
    later(&[(Role::User, question)])
}

#[test]
fn the_first_answer_says_what_answers() {
    let first = respond(&[(Role::System, SYSTEM), (Role::User, "What is 2+2?")].map(message));
    assert_eq!(first, format!("{LABEL} 2+2 = 4"));
    assert_eq!(asked("What is 2+2?"), "2+2 = 4");
}

#[test]
fn notes_are_those_of_the_organization() {
    assert!(asked("When are you open on Saturday?").contains("Saturday from 10 to 16"));
    assert!(asked("Is my bike ready?").contains("whether your bike is ready"), "{}", asked("Is my bike ready?"));
    assert!(asked("do you repair flat tires").contains("25 dollars"));
    assert!(asked("What's the best workout for beginners?").contains("three sessions"));
    assert!(asked("When is the next drill?").contains("no note"), "{}", asked("When is the next drill?"));
    let aurora = [(Role::System, "You help people of Aurora Rescue."), (Role::User, "When is the next drill?")];
    assert!(respond(&aurora.map(message)).contains("first Tuesday"));
}

#[test]
fn more_goes_on_without_repeating() {
    let first = asked("How long does a repair take?");
    let turns =
        [(Role::User, "How long does a repair take?"), (Role::Assistant, first.as_str()), (Role::User, "tell me more")];
    let second = later(&turns);
    assert!(first.contains("two working days") && !second.contains("two working days"), "{first} / {second}");
    let turns: Vec<_> = turns.into_iter().chain([(Role::Assistant, second.as_str()), (Role::User, "more")]).collect();
    assert!(later(&turns).contains("That is all"), "{}", later(&turns));
}

#[test]
fn messages_that_came_meanwhile_are_answered_together() {
    let apart = [(Role::User, "What is 3*4?"), (Role::User, "Customer: Are you open on Sunday?")];
    let joined = [(Role::User, "What is 3*4?\nAre you open on Sunday?")];
    let noted = [apart[0], (Role::Assistant, "[the human agent handed back to the AI]"), apart[1]];
    for answer in [later(&apart), later(&joined), later(&noted)] {
        assert!(answer.contains("= 12") && answer.contains("Sunday"), "{answer}");
    }
}

#[test]
fn the_window_is_recalled_with_the_human_stretch() {
    let human =
        "[Cleo, a human agent, took over from the AI]\n[human agent Cleo] Bring it in, it is free.\n[handed back]";
    let turns = [(Role::User, "My frame is broken"), (Role::Assistant, human)];
    let ask = |question| later(&[turns.as_slice(), &[(Role::User, question)]].concat());
    assert!(ask("What did I ask?").contains("My frame is broken"));
    assert!(ask("What did the agent promise?").contains("it is free"));
    assert!(ask("What did you say?").contains("local stand-in"));
    assert!(ask("Please summarize our conversation").contains("My frame is broken"));
    // Only answers of its own have said what it is.
    let first = respond(
        &[turns.as_slice(), &[(Role::User, "What is 2+2?")]].concat().into_iter().map(message).collect::<Vec<_>>(),
    );
    assert_eq!(first, format!("{LABEL} 2+2 = 4"));
}

#[test]
fn a_summary_is_made_of_what_was_said() {
    let system = "Write a summary of the conversation for the next call, at most 400 characters.";
    let transcript = "Earlier summary: Bought a bike.\nCustomer: Is my bike ready?\nAI: Not yet.\nCustomer: When then?\nAgent Cleo: On Friday.";
    let summary = respond(&[(Role::System, system), (Role::User, transcript)].map(message));
    for part in ["Bought a bike.", "Is my bike ready?", "When then?", "On Friday."] {
        assert!(summary.contains(part), "{summary}");
    }
    assert!(!summary.contains("language model"), "{summary}");
}

#[test]
fn greetings_thanks_and_the_unknown_have_an_answer() {
    assert!(asked("hello?").starts_with("Hello!"));
    assert_eq!(asked("thank you"), "You are welcome.");
    assert!(asked("Who won the cup in 1987?").contains("LLM_BASE_URL"));
}

proptest! {
    #[test]
    fn an_answer_to_a_text_message_is_short_and_never_empty(question in "\\PC{0,200}", other in "\\PC{0,80}") {
        let turns = [(Role::System, SYSTEM), (Role::User, &question), (Role::User, &other)];
        let answer = respond(&turns.map(message));
        prop_assert!(!answer.is_empty() && answer.chars().count() <= SHORT, "{}", answer);
    }
}
