//! The chunks, byte for byte and for any answer.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn begun() -> Update {
    Update::Begun { message_id: "m1".to_owned(), model: Some("notes-1".to_owned()) }
}

fn said(text: &str) -> Update {
    Update::Text(text.to_owned())
}

fn complete(finish: &'static str) -> Update {
    Update::Complete { finish, tokens_used: 3, points_cost: 1, cached: false }
}

fn failed() -> Update {
    Update::Failed { message: "The model did not answer.".to_owned() }
}

/// The writes of an answer.
fn writes(updates: &[Update]) -> Vec<Bytes> {
    let mut encoder = Encoder::default();
    updates.iter().map(|update| encoder.encode(update)).filter(|bytes| !bytes.is_empty()).collect()
}

fn text(updates: &[Update]) -> String {
    String::from_utf8(writes(updates).concat()).unwrap()
}

/// What stands in the blocks, without `[DONE]`, which must be the last.
fn chunks(updates: &[Update]) -> Vec<Value> {
    let text = text(updates);
    let blocks = text.strip_suffix("data: [DONE]\n\n").unwrap();
    blocks
        .split_terminator("\n\n")
        .map(|block| serde_json::from_str(block.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

#[test]
fn a_whole_answer_is_these_bytes() {
    let answer = writes(&[begun(), said("Grüß"), said(" dich"), complete("stop")]);
    let expected = [
        "data: {\"type\":\"start\",\"messageId\":\"m1\",\"messageMetadata\":{\"model\":\"notes-1\"}}\n\n",
        "data: {\"type\":\"text-start\",\"id\":\"0\"}\n\ndata: {\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"Gr\\u00fc\\u00df\"}\n\n",
        "data: {\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\" dich\"}\n\n",
        "data: {\"type\":\"text-end\",\"id\":\"0\"}\n\ndata: {\"type\":\"finish\",\"finishReason\":\"stop\",\"messageMetadata\":\
         {\"finish\":\"stop\",\"tokens_used\":3,\"points_cost\":1,\"cached\":false}}\n\ndata: [DONE]\n\n",
    ];
    assert_eq!(answer, expected);
}

#[test]
fn a_model_without_a_name_leaves_no_null() {
    let begun = Update::Begun { message_id: "m1".to_owned(), model: None };
    assert_eq!(chunks(&[begun, failed()])[0], json!({"type": "start", "messageId": "m1"}));
}

#[test]
fn the_client_knows_every_reason_to_finish() {
    let reason = |finish| chunks(&[begun(), complete(finish)])[1]["finishReason"].clone();
    let expected = [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content-filter"),
        ("deadline", "other"),
        ("other", "other"),
    ];
    for (ours, theirs) in expected {
        assert_eq!(reason(ours), theirs);
    }
}

#[test]
fn a_stop_is_told_in_the_metadata_and_as_an_abort() {
    let answer = chunks(&[begun(), said("One"), complete("stopped"), said("Two")]);
    let metadata = json!({"finish": "stopped", "tokens_used": 3, "points_cost": 1, "cached": false});
    let end = [
        json!({"type": "text-end", "id": "0"}),
        json!({"type": "message-metadata", "messageMetadata": metadata}),
        json!({"type": "abort"}),
    ];
    assert_eq!(answer[3..], end);
}

#[test]
fn a_failure_ends_the_text_before_the_error_that_ends_the_reading() {
    let answer = chunks(&[begun(), said("One"), failed(), complete("stop")]);
    let end =
        [json!({"type": "text-end", "id": "0"}), json!({"type": "error", "errorText": "The model did not answer."})];
    assert_eq!(answer[3..], end);
    let nothing_said = chunks(&[begun(), failed()]);
    assert_eq!(nothing_said[1..], end[1..]);
}

fn any_update() -> impl Strategy<Value = Update> {
    prop_oneof![
        6 => any::<String>().prop_map(Update::Text),
        1 => (prop_oneof![Just("stop"), Just("stopped"), Just("deadline")], any::<(u64, u64, bool)>()).prop_map(
            |(finish, (tokens_used, points_cost, cached))| Update::Complete { finish, tokens_used, points_cost, cached }
        ),
        1 => any::<String>().prop_map(|message| Update::Failed { message }),
    ]
}

proptest! {
    #[test]
    fn any_answer_is_one_the_client_can_read(updates in prop::collection::vec(any_update(), 0..12)) {
        let updates: Vec<Update> = std::iter::once(begun()).chain(updates).chain([complete("stop")]).collect();
        let said: String = updates.iter().map_while(|update| match update {
            Update::Begun { .. } => Some(""),
            Update::Text(text) => Some(text.as_str()),
            Update::Complete { .. } | Update::Failed { .. } => None,
        }).collect();
        prop_assert!(text(&updates).is_ascii());

        let chunks = chunks(&updates);
        let kinds: Vec<&str> = chunks.iter().map(|chunk| chunk["type"].as_str().unwrap()).collect();
        let deltas = chunks.iter().filter_map(|chunk| chunk["delta"].as_str());
        prop_assert_eq!(deltas.collect::<String>(), said.clone());
        prop_assert!(chunks.iter().all(|chunk| chunk.as_object().unwrap().values().all(|value| !value.is_null())));
        prop_assert_eq!(kinds[0], "start");
        prop_assert!(matches!(kinds[kinds.len() - 1], "finish" | "abort" | "error"));
        // Text stands between one start and one end of it, if there is any.
        let between: Vec<&str> = kinds.iter().copied().filter(|kind| kind.starts_with("text-")).collect();
        match between.as_slice() {
            [] => prop_assert!(said.is_empty()),
            ["text-start", deltas @ .., "text-end"] => {
                prop_assert!(!deltas.is_empty() && deltas.iter().all(|kind| *kind == "text-delta"));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
