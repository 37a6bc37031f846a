use super::super::{ChatMessage, ChatRole, Finish, TimeoutKind, Usage};
use super::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn request(max_tokens: u32) -> ChatRequest {
    let message = ChatMessage::text(ChatRole::User, "Say something.");
    ChatRequest { messages: vec![message], max_tokens, temperature: None }
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) ends: Result<(Finish, Usage), LlmError>,
}

pub(super) fn outcome(decoder: &mut Decoder) -> Outcome {
    let (mut text, mut reasoning, mut finish, mut ends) = (String::new(), String::new(), None, None);
    while let Some(piece) = decoder.draft.next() {
        assert_eq!(ends, None, "nothing follows the end");
        match piece {
            Ok(Delta::Text(more)) => text.push_str(&more),
            Ok(Delta::Reasoning(more)) => reasoning.push_str(&more),
            Ok(Delta::Finish(reason)) => assert_eq!(finish.replace(reason), None),
            Ok(Delta::Usage(usage)) => ends = Some(Ok((finish.unwrap(), usage))),
            Err(error) => ends = Some(Err(error)),
        }
    }
    assert!(decoder.draft.is_done());
    Outcome { text, reasoning, ends: ends.unwrap() }
}

pub(super) fn stream(pieces: &[&[u8]], max_tokens: u32) -> Outcome {
    let mut decoder = Decoder::new(&request(max_tokens));
    pieces.iter().for_each(|piece| decoder.push(piece));
    decoder.end();
    outcome(&mut decoder)
}

fn events(events: &[Value]) -> Outcome {
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    stream(&[text.as_bytes()], 100)
}

pub(super) fn says(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}}]})
}

pub(super) fn over(reason: &str) -> Value {
    json!({"choices": [{"delta": {}, "finish_reason": reason}]})
}

fn count(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens, estimated: false }
}

/// The folder of what real servers sent.
pub(super) fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/llm_streams")
}

/// A capture: its status, whether it came as a stream, when to come back, and its body.
pub(super) fn capture(name: &str) -> (u16, bool, Vec<u8>) {
    let folder = captures();
    let meta: Value =
        serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.meta.json"))).unwrap()).unwrap();
    let status = meta["status"].as_str().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let content_type = meta["headers"]["content-type"].as_str().unwrap_or_default();
    (status, content_type.contains("event-stream"), std::fs::read(folder.join(format!("{name}.body"))).unwrap())
}

fn read(name: &str, size: usize) -> Outcome {
    let (status, is_stream, body) = capture(name);
    if !(200..300).contains(&status) {
        let error = Problem::of_body(&body).classify(status, Some(Duration::from_secs(7)));
        return Outcome { text: String::new(), reasoning: String::new(), ends: Err(error) };
    }
    if is_stream {
        return stream(&body.chunks(size).collect::<Vec<_>>(), 100);
    }
    let mut decoder = Decoder::new(&request(100));
    decoder.whole(&body);
    outcome(&mut decoder)
}

#[test]
fn what_real_servers_send_in_any_cut() {
    let limited = || LlmError::RateLimited { retry_after: Some(Duration::from_secs(7)) };
    let cut = |partial: &str| LlmError::Interrupted { partial: partial.to_owned() };
    for (name, ends) in [
        ("aimock-badkey", Err(LlmError::Auth)),
        ("aimock-chaos-drop", Err(LlmError::Unavailable)),
        ("aimock-chaos-ratelimit", Err(limited())),
        ("aimock-cut", Err(cut("This answer will be cut in the m"))),
        ("aimock-filtered", Err(LlmError::Refused)),
        ("aimock-ratelimit", Err(limited())),
        ("aimock-slow", Ok(Finish::Stop)),
        ("aimock-tools", Ok(Finish::Other)),
        ("litellm-ctx", Err(LlmError::ContextTooLong)),
        ("litellm-failover", Ok(Finish::Stop)),
        ("litellm-ratelimit", Err(limited())),
        ("litellm-stream-usage", Ok(Finish::Stop)),
        ("litellm-upstream-cut", Err(cut("This answer will be cut in the m"))),
        ("litellm-via-llamacpp-ctx", Err(LlmError::ContextTooLong)),
        ("litellm-via-llamacpp", Ok(Finish::Stop)),
        ("llamacpp-badkey", Err(LlmError::Auth)),
        ("llamacpp-context-overflow", Err(LlmError::ContextTooLong)),
        ("llamacpp-jsonmode", Ok(Finish::Stop)),
        ("llamacpp-stream-usage", Ok(Finish::Stop)),
        ("llamacpppython-badjson", Err(LlmError::Unavailable)),
        ("llamacpppython-nonstream", Ok(Finish::Stop)),
        ("llamacpppython-stream-usage", Ok(Finish::Stop)),
    ] {
        let whole = read(name, usize::MAX);
        assert_eq!(whole.ends.clone().map(|(finish, _)| finish), ends, "{name}");
        for size in (1..70).chain([250, 1400, 4096]) {
            assert_eq!(read(name, size), whole, "{name} in pieces of {size}");
        }
    }
    let closed = read("llamacpppython-client-closes", 64);
    assert!(matches!(closed.ends, Err(LlmError::Interrupted { partial }) if partial == closed.text));
}

#[test]
fn servers_counts_are_taken_wherever_they_stand() {
    for (name, usage) in [
        ("litellm-stream-usage", count(8, 22)),
        ("llamacpp-stream-usage", count(19, 25)),
        ("llamacpppython-nonstream", count(18, 21)),
    ] {
        assert_eq!(read(name, 100).ends.unwrap().1, usage, "{name}");
    }
    assert!(read("llamacpppython-stream-usage", 100).ends.unwrap().1.estimated);
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3});
    for tail in [
        json!({"choices": [], "usage": usage}),
        json!({"choices": [{"delta": {}}], "usage": usage}),
        json!({"choices": [{"delta": {}}], "usage": null, "x_groq": {"usage": usage}}),
    ] {
        assert_eq!(events(&[says("x"), over("stop"), tail]).ends, Ok((Finish::Stop, count(3, 0))));
    }
    // Counted all along: the last count is the one.
    let counted =
        json!({"choices": [{"delta": {"content": "x"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    let last = json!({"choices": [{"delta": {}, "finish_reason": "length"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    assert_eq!(events(&[counted, last]).ends, Ok((Finish::Length, count(1, 2))));
}

#[test]
fn only_a_finish_reason_makes_an_answer_whole() {
    let cut = Err(LlmError::Interrupted { partial: "x".to_owned() });
    assert_eq!(events(&[says("x")]).ends, cut);
    assert_eq!(stream(&[format!("data: {}\n\ndata: [DONE]\n\n", says("x")).as_bytes()], 9).ends, cut);
    for nothing in [
        "",
        "\n\n",
        ": ping\n\n",
        "data: [DONE]\n\n",
        "data: {\"choices\":[]}\n\n",
        "data: {\"usage\":{}}\n\n",
        "<html>",
    ] {
        assert_eq!(stream(&[nothing.as_bytes()], 9).ends, Err(LlmError::Unavailable), "{nothing:?}");
    }
    let usage_first = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    assert_eq!(events(&[says("x"), usage_first]).ends, cut);
    assert!(events(&[over("stop")]).ends.is_ok(), "an empty answer may be meant");
}

#[test]
fn what_comes_after_the_end_cannot_spoil_it() {
    let error = json!({"error": {"message": "too late", "code": 500}});
    let outcome = events(&[says("x"), over("stop"), says("y"), error, over("length")]);
    assert_eq!((outcome.text.as_str(), outcome.ends.unwrap().0), ("x", Finish::Stop));
}

#[test]
fn an_error_in_the_middle_ends_the_answer() {
    let cut = Err(LlmError::Interrupted { partial: "x".to_owned() });
    for middle in [
        json!({"error": {"message": "x", "code": 429}}),
        json!({"error": "out of memory"}),
        json!({"type": "error", "message": "overloaded"}),
        json!({"choices": [{"delta": {}, "finish_reason": "error"}]}),
        json!("not an object"),
    ] {
        assert_eq!(events(&[says("x"), middle.clone(), says("y"), over("stop")]).ends, cut, "{middle}");
    }
    let named = format!("data: {}\n\nevent: error\ndata: {{}}\n\n", says("x"));
    assert_eq!(stream(&[named.as_bytes()], 9).ends, cut);
    let broken = format!("data: {}\n\ndata: {{\"choi\n\ndata: {}\n\n", says("x"), over("stop"));
    assert_eq!(stream(&[broken.as_bytes()], 9).ends, cut);
}

#[test]
fn an_error_before_the_beginning_has_its_class() {
    for (error, expected) in [
        (json!({"error": {"type": "exceed_context_size_error", "code": 400}}), LlmError::ContextTooLong),
        (json!({"error": {"code": "429"}}), LlmError::RateLimited { retry_after: None }),
        (json!({"error": {"code": "invalid_api_key"}}), LlmError::Auth),
        (json!({"error": {}}), LlmError::Unavailable),
    ] {
        assert_eq!(
            events(&[json!({"choices": [{"delta": {"role": "assistant", "content": null}}]}), error]).ends,
            Err(expected)
        );
    }
}

#[test]
fn content_has_many_shapes() {
    let delta =
        |delta: Value| json!({"choices": [{"index": 0, "delta": delta}, {"index": 1, "delta": {"content": "no"}}]});
    let outcome = events(&[
        delta(json!({"role": "assistant", "content": null})),
        delta(json!({"reasoning_content": "hm", "reasoning": "hm"})),
        delta(json!({"reasoning": "!"})),
        delta(json!({"content": [{"type": "text", "text": "a"}, "b", {"type": "image"}]})),
        delta(json!({"content": 7, "tool_calls": null})),
        json!({"choices": [{"message": {"content": "c"}, "finish_reason": "eos"}]}),
    ]);
    assert_eq!((outcome.reasoning.as_str(), outcome.text.as_str()), ("hm!", "abc"));
    assert_eq!(outcome.ends.unwrap().0, Finish::Stop);
}

#[test]
fn a_filter_before_the_first_word_is_a_refusal() {
    assert_eq!(events(&[over("content_filter")]).ends, Err(LlmError::Refused));
    let refusal = json!({"choices": [{"delta": {"content": null, "refusal": "I cannot"}}]});
    assert_eq!(events(&[refusal, over("stop")]).ends, Err(LlmError::Refused));
    assert_eq!(events(&[says("x"), over("content_filter")]).ends.unwrap().0, Finish::ContentFilter);
}

#[test]
fn an_answer_is_stopped_where_the_server_does_not() {
    let long: String = (0..50).map(|_| format!("data: {}\n\n", says(" word"))).collect();
    let outcome = stream(&[long.as_bytes()], 4);
    assert_eq!(outcome.text, " word word word word");
    assert_eq!(outcome.ends.unwrap().0, Finish::Length);
    // A server that sends single letters is not punished for it, one that sends pages is stopped too.
    let letters: String = "photosynthesis".chars().map(|c| format!("data: {}\n\n", says(&c.to_string()))).collect();
    let letters = format!("{letters}data: {}\n\n", over("stop"));
    assert_eq!(stream(&[letters.as_bytes()], 4).text, "photosynthesis");
    let page = format!("data: {}\n\n", says(&"page ".repeat(40)));
    assert_eq!(stream(&[page.repeat(9).as_bytes()], 4).text.len(), 200);
}

#[test]
fn a_whole_answer_is_read_at_once() {
    let whole = |body: &str| {
        let mut decoder = Decoder::new(&request(100));
        decoder.whole(body.as_bytes());
        outcome(&mut decoder)
    };
    let good = json!({"model": "m", "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}).to_string();
    assert_eq!(whole(&good).text, "x");
    assert_eq!(whole(&format!("data: {}\n\ndata: {}\n\n", says("y"), over("stop"))).text, "y");
    for (body, expected) in [
        ("", LlmError::Unavailable),
        ("{\"choices\":[{\"mess", LlmError::Unavailable),
        ("<html>", LlmError::Unavailable),
        ("[]", LlmError::Unavailable),
        (r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#, LlmError::ContextTooLong),
        (r#"{"error":"busy"}"#, LlmError::Unavailable),
    ] {
        assert_eq!(whole(body).ends, Err(expected), "{body}");
    }
}

#[test]
fn a_limit_ends_an_answer_cleanly_or_not() {
    let late = |pieces: &[Value], kind| {
        let mut decoder = Decoder::new(&request(100));
        pieces.iter().for_each(|piece| decoder.push(format!("data: {piece}\n\n").as_bytes()));
        decoder.draft.late(kind);
        outcome(&mut decoder).ends
    };
    assert_eq!(late(&[], TimeoutKind::FirstToken), Err(LlmError::Timeout(TimeoutKind::FirstToken)));
    assert_eq!(late(&[says("x")], TimeoutKind::Idle), Err(LlmError::Timeout(TimeoutKind::Idle)));
    assert_eq!(late(&[says("x")], TimeoutKind::Total).unwrap().0, Finish::Deadline);
    assert_eq!(late(&[], TimeoutKind::Total), Err(LlmError::Timeout(TimeoutKind::Total)));
    assert_eq!(late(&[says("x"), over("stop")], TimeoutKind::Idle).unwrap().0, Finish::Stop);
}
