use super::*;
use domain::chat::Finish;
use proptest::prelude::*;
use serde_json::{Value, json};

fn exchange(message: &str, response: &str, ending: Ending) -> Exchange {
    let question = json!({
        "id": "ex_1", "chat_id": "chat_1", "organization_id": "org", "user_id": "uma", "number": 1, "message": message,
        "message_type": "fitness_plan", "asked_at": 1_759_472_884_000_i64, "max_tokens": 100,
        "reserve": {"points": 5, "tokens_per_point": 30},
    });
    let outcome = json!({
        "response": response, "ending": ending, "tokens_used": 150, "points_cost": 5, "ended_at": 1_759_472_885_000_i64,
        "response_time_ms": 1000, "tokens": 2, "raw_events": {"model_version": "m-1", "usage_metadata": {"total": 150}},
    });
    Exchange {
        question: serde_json::from_value(question).unwrap(),
        outcome: Some(serde_json::from_value(outcome).unwrap()),
    }
}

fn trouble(_: Failure) -> Trouble {
    Trouble { message: "It broke off".into(), code: "llm_interrupted".to_owned(), hint: "Ask again." }
}

fn frame(exchange: &Exchange) -> Value {
    serde_json::from_slice(&ended(exchange, trouble).unwrap().unwrap()).unwrap()
}

#[test]
fn a_response_has_what_seed_e_reads_flat_and_nested() {
    let told = frame(&exchange("2+2?", "4", Ending::Complete(Finish::Stop)));
    let facts = json!({
        "response_time_ms": 1000, "message_id": "ex_1", "tokens_used": 150, "points_cost": 5, "finish": "stop",
        "cached": false, "raw_events": told["raw_events"],
    });
    assert_eq!(told["data"], facts);
    for (name, value) in facts.as_object().unwrap() {
        assert_eq!(&told[name], value, "{name}");
    }
    assert_eq!((&told["type"], &told["message"], &told["user_id"]), (&json!("response"), &json!("4"), &json!("uma")));
    assert_eq!((&told["session_id"], &told["message_type"]), (&json!("chat_1"), &json!("fitness_plan")));
    assert_eq!(told["timestamp"], "2025-10-03T06:28:05.000000");
    assert_eq!(told["raw_events"]["usage_metadata"], json!({"total": 150}));
    assert!(told.get("truncated").is_none());
}

#[test]
fn a_failure_says_what_there_is() {
    let told = frame(&exchange("2+2?", "It is", Ending::Failed(Failure::Interrupted)));
    let expected = json!({
        "type": "error", "message": "It broke off", "code": "llm_interrupted", "hint": "Ask again.",
        "session_id": "chat_1", "message_id": "ex_1", "partial": "It is",
    });
    assert_eq!(told, expected);
    let nothing = frame(&exchange("2+2?", "", Ending::Failed(Failure::Timeout)));
    assert!(nothing.get("partial").is_none());
}

#[test]
fn a_refusal_names_its_chat_only_if_there_is_one() {
    let chat = ChatId::parse("chat_1").unwrap();
    let of =
        |chat| -> Value { serde_json::from_slice(&refused(chat, &trouble(Failure::Interrupted)).unwrap()).unwrap() };
    assert_eq!(of(Some(&chat))["session_id"], "chat_1");
    let fields = of(None).as_object().unwrap().len();
    assert_eq!(fields, 4, "type, message, code, hint");
}

#[test]
fn an_exchange_under_way_has_no_end() {
    let mut exchange = exchange("2+2?", "", Ending::Complete(Finish::Stop));
    exchange.outcome = None;
    assert!(ended(&exchange, trouble).unwrap().is_none());
}

#[test]
fn long_texts_and_long_raw_events_are_cut() {
    for piece in ["a", "\"", "\u{1}", "\u{1f600}"] {
        let long = piece.repeat(120 * 1024);
        let mut exchange = exchange(&long, &long, Ending::Complete(Finish::Stop));
        let usage = Value::from("u".repeat(RAW_BYTES));
        exchange.outcome.as_mut().unwrap().raw_events.usage_metadata = Some(usage);
        let response = ended(&exchange, trouble).unwrap().unwrap();
        let said = message(&exchange.question).unwrap();
        for bytes in [response, said] {
            assert!(bytes.len() < 128 * 1024, "{piece:?}: {}", bytes.len());
            let told: Value = serde_json::from_slice(&bytes).unwrap();
            assert!(long.starts_with(told["message"].as_str().unwrap()) && told["truncated"] == true);
            assert!(told["message"].as_str().unwrap().len() > 10_000);
        }
        assert!(frame(&exchange)["raw_events"]["usage_metadata"].is_null());
    }
    let mut cut = exchange("?", "the beginning", Ending::Complete(Finish::Stop));
    cut.outcome.as_mut().unwrap().cut = true;
    assert_eq!(frame(&cut)["truncated"], true);
}

proptest! {
    #[test]
    fn a_size_is_that_of_the_json(text in any::<String>()) {
        prop_assert_eq!(size(&text) + 2, serde_json::to_string(&text).unwrap().len());
    }

    #[test]
    fn what_fits_is_the_longest_beginning(text in "[a\"\u{1}\u{e9}\u{1f600}]{0,20}", bytes in 0_usize..60) {
        let head = fitting(&text, bytes);
        prop_assert!(text.starts_with(head) && size(head) <= bytes);
        if let Some(next) = text[head.len()..].chars().next() {
            prop_assert!(size(head) + json_bytes(next) > bytes);
        }
    }
}
