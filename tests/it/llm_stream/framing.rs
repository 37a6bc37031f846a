//! The events of an answer, to the byte (C03-C07).

use super::{pace, says, stalls};
use crate::support::answers_sse::{EVENTS, words};
use crate::support::cloud::{Cloud, UMA};
use crate::support::in_time;
use crate::support::sse::Sse;
use domain::points::TOKENS_PER_POINT;
use reqwest::Method;
use serde_json::{Value, json};

/// What breaks a parser that is not careful: line ends of all kinds, fields of the stream itself, JSON, characters of
/// two and four bytes, some of several of them, and what is not to be seen.
const NASTY: &str = "data: x\n\ndata: [DONE]\r\nid: 7\nevent: complete \u{2028} {\"type\":\"complete\"} \\u00e4 \
                     \\\" Grüße 👍🏽 👨‍👩‍👧 \u{feff}\u{0}\t\u{1b}[0m 日本 :comment\n:\n\n\n end \n";

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[tokio::test]
async fn an_answer_is_metadata_tokens_and_its_end_in_every_exchange_of_a_chat() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("What is 2+2?", &[says("2 + 2 is 4, as far as I know.")]).await;
    let first = cloud.told(UMA, json!({"message": "What is 2+2?", "interaction_id": null})).await;
    assert_eq!(first.assert_whole(1), "2 + 2 is 4, as far as I know.");
    let user = cloud.user(UMA);
    let metadata = first.metadata();
    assert_eq!((&metadata["is_new_interaction"], &metadata["user_id"]), (&json!(true), &json!(user.id)));
    assert_eq!(metadata["cached"], false);
    let chat = first.chat().to_owned();
    for token in first.tokens() {
        assert!(token.data["timestamp"].is_f64() && !token.data["content"].as_str().unwrap().is_empty(), "{token:?}");
    }

    let end = first.end();
    assert_eq!(
        (&end["finish"], &end["cached"], &end["model"]),
        (&json!("stop"), &json!(false), &json!("local-notes-1"))
    );
    assert_eq!((&end["message_id"], &end["usage_estimated"]), (&metadata["message_id"], &json!(false)));
    assert!(end["timestamp"].is_f64() && end["response_time_ms"].is_u64(), "{end}");
    let cost = number(&end["tokens_used"]).div_ceil(TOKENS_PER_POINT.into());
    assert!(cost > 0 && number(&end["points_cost"]) == cost, "{end}");

    let second = cloud.told(UMA, json!({"message": "Sure?", "interaction_id": chat})).await;
    second.assert_whole(2);
    assert_eq!(second.0[0].id, Some(EVENTS));
    let metadata = second.metadata();
    assert_eq!((&metadata["interaction_id"], &metadata["is_new_interaction"]), (&json!(chat), &json!(false)));
    assert_ne!(metadata["message_id"], first.metadata()["message_id"]);

    // Both are paid for, with what they said they cost.
    let spent = cost + number(&second.end()["points_cost"]);
    assert_eq!((cloud.balance(UMA).await.spent, cloud.ledger(UMA).await.len()), (spent, 3));
}

#[tokio::test]
async fn whatever_the_model_says_arrives_as_it_said_it() {
    let cloud = Cloud::quick(&[]).await;
    // As it comes, and all at once.
    for (question, delay) in [("slowly", 2), ("at once", 0)] {
        cloud.model(question, &[says(NASTY), pace(delay)]).await;
        let told = cloud.told(UMA, json!({"message": question})).await;
        assert_eq!(told.assert_whole(1), NASTY, "{question}");
        let chat = told.chat();
        assert_eq!(cloud.resumed(UMA, chat, Some(0)).await.text(), NASTY, "{question}, afterwards");
        let (_, whole) = cloud.ask_json(UMA, &json!({"message": "slowly"})).await;
        assert_eq!(whole["content"], NASTY);
    }
}

#[tokio::test]
async fn an_answer_of_hundreds_of_kilobytes_is_told_and_kept_whole() {
    let cloud = Cloud::quick(&[]).await;
    let text = "Grüße aus dem Maschinenraum. ".repeat(14_000);
    cloud.set_ai(&cloud.user(UMA).organization_id, |ai| (ai.max_tokens, ai.cache) = (200_000, false)).await;
    cloud.model("at length", &[says(&text)]).await;
    let told = cloud.told(UMA, json!({"message": "at length", "max_tokens": 200_000})).await;
    assert!(told.assert_whole(1) == text, "{} bytes: {}", text.len(), summary(told.end()));
    // What comes at once travels together, within what a network carries in one piece.
    let longest = told.tokens().map(|token| token.data["content"].as_str().unwrap().len()).max();
    assert!(longest <= Some(1000), "{longest:?}");
    assert!(told.tokens().count() < 5000, "{}", told.tokens().count());
    let again = cloud.resumed(UMA, told.chat(), Some(3)).await;
    again.assert_follows(4);
    assert!(again.end() == told.end(), "the end of the answer that is kept");
    let tokens: Vec<_> = told.tokens().skip(3).map(|token| &token.data["content"]).collect();
    assert!(again.tokens().map(|token| &token.data["content"]).collect::<Vec<_>>() == tokens, "its tokens");
}

/// The end of an answer without its text.
pub(super) fn summary(end: &Value) -> Value {
    let mut end = end.clone();
    end["content"] = end["content"].as_str().map(str::len).into();
    end
}

/// A stream's chunks as they come off the network.
async fn chunks(request: reqwest::RequestBuilder) -> Vec<String> {
    let mut response = in_time("an answer", request.header("accept", "text/event-stream").send()).await.unwrap();
    let mut chunks = Vec::new();
    while let Some(chunk) = in_time("a chunk", response.chunk()).await.unwrap() {
        chunks.push(String::from_utf8(chunk.to_vec()).unwrap());
    }
    chunks
}

#[tokio::test]
async fn every_event_is_one_write_of_one_line_of_ascii_json() {
    let cloud = Cloud::quick(&[]).await;
    let text = "Grüße 👍🏽, in so many words: data: x\n\nid: 1 end";
    let count = text.split(' ').count();
    cloud.model("byte by byte", &[says(text), pace(20)]).await;
    let chunks = chunks(cloud.ask(UMA, &json!({"message": "byte by byte"}))).await;
    assert_eq!(chunks[0], ": connected\n\n");
    let mut types = Vec::new();
    for block in chunks[1..].iter().flat_map(|chunk| {
        // Several may have met on their way, but none was cut.
        let blocks = chunk.strip_suffix("\n\n").unwrap_or_else(|| panic!("a part of an event: {chunk}"));
        blocks.split("\n\n")
    }) {
        assert!(block.is_ascii() && !block.contains('\r'), "{block}");
        let lines: Vec<&str> = block.lines().collect();
        let [data, id] = lines.as_slice() else { panic!("{block}") };
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert!(id.strip_prefix("id: ").unwrap().bytes().all(|byte| byte.is_ascii_digit()), "{block}");
        types.push(data["type"].as_str().unwrap().to_owned());
    }
    assert_eq!((types.first().unwrap().as_str(), types.last().unwrap().as_str()), ("metadata", "complete"));
    // On a busy machine, two tokens may have met before they were told.
    assert!((3..=count + 2).contains(&types.len()), "{types:?}");
    assert!(types[1..types.len() - 1].iter().all(|kind| kind == "token"), "{types:?}");
    assert!(chunks.len() > count / 2, "{chunks:?}");
}

#[tokio::test]
async fn a_stream_says_what_it_is_and_pings_while_nothing_is_said() {
    let cloud = Cloud::quick(&["--env", "STREAM_PING_SECONDS=0.1"]).await;
    cloud.model("and then?", &[says(&words(9)), stalls(4)]).await;
    let response = cloud.ask(UMA, &json!({"message": "and then?"})).send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert!(header("cache-control").contains("no-store") && header("cache-control").contains("no-cache"));
    assert_eq!(header("x-accel-buffering"), "no");
    assert!(!header("x-request-id").is_empty());
    let mut stream = Sse::of(response);
    let chat = stream.next().await.unwrap().data["interaction_id"].as_str().unwrap().to_owned();
    stream.until("token").await;
    let mut viewer = Sse::open(cloud.resume(UMA, &chat, Some(4))).await;
    // Three pings come before the stop is asked for.
    in_time("pings", viewer.pings(3)).await;
    assert_eq!(cloud.stop(UMA, &chat).await.0, 202);
    stream.until("complete").await;
    assert!(stream.comments.iter().filter(|comment| *comment == "ping").count() >= 2, "{:?}", stream.comments);
    assert_eq!((stream.comments[0].as_str(), viewer.comments[0].as_str()), ("connected", "connected"));
}

#[tokio::test]
async fn health_needs_no_token_and_tells_the_models_only_when_asked() {
    let cloud = Cloud::quick(&[]).await;
    let get = async |path: &str| -> Value {
        let response = cloud.anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    };
    let health = get("/api/stream/health").await;
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("interaction-streaming")));
    assert!(health["timestamp"].is_f64() && health.get("llm").is_none(), "{health}");
    let deep = get("/api/stream/health?deep=1").await;
    let models = json!({"configured": true, "models": [{"provider": "primary", "model": "local-notes-1"}]});
    assert_eq!(deep["llm"], models);
}
