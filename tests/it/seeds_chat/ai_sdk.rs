//! `useChat` without React: the AI SDK's chat and its DefaultChatTransport, with nothing set but address and token.

use crate::support::clients::{Client, node};
use crate::support::cloud::{Cloud, UMA};
use serde_json::{Value, json};

/// The newest version, and the one before it, which refuses more.
const VERSIONS: [&str; 2] = ["ai", "ai-6"];

/// What a scene of `ai-sdk/chat.mjs` logs.
async fn scene(cloud: &Cloud, version: &str, scene: &str, chat: &str, texts: &[&str]) -> Vec<Value> {
    let arguments = ["ai-sdk/chat.mjs", version, scene, &cloud.info.base_url, cloud.token(UMA), chat];
    Client::spawn(node().await.args(arguments).args(texts)).values().await
}

/// What the demo's own jobs ask the model would use up what it is told to play.
const SILENT: [&str; 2] = ["--hold", "ReplyQueue"];

/// An id as the SDK makes them, of a chat for each version.
fn chat_id(version: &str) -> String {
    format!("{version:x<16}").replace('-', "X")
}

/// The text of a message.
fn text(message: &Value) -> String {
    let parts = message["parts"].as_array().unwrap();
    parts.iter().filter(|part| part["type"] == "text").map(|part| part["text"].as_str().unwrap()).collect()
}

/// The chat's state: ready, with these texts in turn, every part of them done.
fn assert_ready(state: &Value, texts: &[&str]) {
    assert_eq!((&state["status"], &state["error"]), (&json!("ready"), &Value::Null), "{state}");
    let messages = state["messages"].as_array().unwrap();
    assert_eq!(messages.iter().map(text).collect::<Vec<_>>(), texts);
    for (message, role) in messages.iter().zip(["user", "assistant"].iter().cycle()) {
        assert_eq!(message["role"], *role, "{state}");
        assert!(message["parts"].as_array().unwrap().iter().all(|part| part["state"] != "streaming"), "{state}");
    }
}

/// What `onFinish` was told.
fn finished(reason: Option<&str>) -> Value {
    let mut finished = json!({"isAbort": false, "isDisconnect": false, "isError": false});
    if let Some(reason) = reason {
        finished["finishReason"] = reason.into();
    }
    json!({"finished": finished})
}

#[tokio::test]
async fn a_chat_goes_on_under_the_clients_own_id() {
    let cloud = Cloud::quick(&SILENT).await;
    cloud.says(super::ANSWER).await;
    for version in VERSIONS {
        let id = chat_id(version);
        let lines = scene(&cloud, version, "ask", &id, &["What is 2+2?", "Sicher?"]).await;
        let [end, one, end_again, two] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((end, end_again), (&finished(Some("stop")), &finished(Some("stop"))));
        assert_ready(one, &["What is 2+2?", super::ANSWER]);
        assert_ready(two, &["What is 2+2?", super::ANSWER, "Sicher?", super::ANSWER]);
        let metadata = &two["messages"][3]["metadata"];
        assert_eq!((&metadata["finish"], &metadata["cached"].is_boolean()), (&json!("stop"), &true));

        // Among the user's sessions, with the ids that the page has.
        let session = cloud.json(&format!("/chat/sessions/{id}"), UMA).await;
        for (exchange, answer) in [(0, 1), (1, 3)] {
            assert_eq!(session["messages"][exchange]["message_id"], two["messages"][answer]["id"]);
        }
    }
}

#[tokio::test]
async fn a_stop_button_ends_the_answer_and_keeps_what_was_said() {
    let cloud = Cloud::quick(&SILENT).await;
    cloud.says("One two three four").await;
    cloud.fault("llm", json!({"kind": "stall", "tokens": 2})).await;
    for version in VERSIONS {
        let id = chat_id(version);
        let lines = scene(&cloud, version, "stop", &id, &["Count!"]).await;
        let [stop, end, chat] = lines.as_slice() else { panic!("{lines:?}") };
        let answer = &chat["messages"][1];
        assert_eq!((&stop["stop"], &stop["answer"]["stopping"]), (&json!(202), &json!(true)));
        assert_eq!(stop["answer"]["message_id"], answer["id"]);
        assert_eq!(end, &finished(None));
        let said = text(answer);
        assert!(!said.is_empty() && "One two ".starts_with(&said), "{said:?}");
        assert_ready(chat, &["Count!", &said]);
        assert_eq!(answer["metadata"]["finish"], "stopped");

        let kept = cloud.json(&format!("/chat/sessions/{id}"), UMA).await["messages"][0].take();
        assert_eq!((&kept["status"], &kept["response"]), (&json!("stopped"), &json!(said)));
    }
}

/// Leaving is no stop: the page that is loaded again shows the whole of the same answer.
#[tokio::test]
async fn a_page_that_is_loaded_again_goes_on_with_the_running_answer() {
    let cloud = Cloud::quick(&SILENT).await;
    let answer = cloud.says_much().await;
    for version in VERSIONS {
        let question = format!("Count with {version}!");
        let lines = scene(&cloud, version, "reload", &chat_id(version), &[&question]).await;
        let [left, before, end, after, idle] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(left["finished"]["isAbort"], true);
        assert_eq!(before["messages"][1]["id"], after["messages"][1]["id"]);
        assert_eq!(end, &finished(Some("stop")));
        assert_ready(after, &[&question, &answer]);
        assert_eq!(idle, after, "a page that asks when nothing runs is not disturbed");
        assert_eq!(cloud.prompts_with(&question).await.len(), 1);
    }
}

/// What was said before the model failed stays, the user is told, and another answer can be had for the same message.
#[tokio::test]
async fn a_failure_is_shown_and_another_answer_can_be_had() {
    let cloud = Cloud::quick(&SILENT).await;
    cloud.says("One two three four").await;
    for version in VERSIONS {
        cloud.fault("llm", json!({"kind": "fail", "tokens": 2, "times": 1})).await;
        // Another question for each, or the answer of the first would be given again.
        let question = format!("Count with {version}!");
        let lines = scene(&cloud, version, "regenerate", &chat_id(version), &[&question]).await;
        let [failed, before, end, after] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((&failed["finished"]["isError"], &before["status"]), (&json!(true), &json!("error")));
        let sentence = before["error"].as_str().unwrap();
        assert!(!sentence.is_empty() && !sentence.contains(['{', '\n']), "{sentence}");
        let answer = &before["messages"][1];
        assert_eq!((text(answer).as_str(), &answer["parts"][0]["state"]), ("One two ", &json!("done")));

        assert_eq!(end, &finished(Some("stop")));
        assert_ready(after, &[&question, "One two three four"]);
    }
}

/// The same message, by the same id, is answered anew when the user asks for another answer; it is no repeated request.
#[tokio::test]
async fn another_answer_takes_the_place_of_the_first() {
    let cloud = Cloud::quick(&SILENT).await;
    for version in VERSIONS {
        cloud.fault("llm", json!({"kind": "say", "text": "The second answer.", "times": 1})).await;
        cloud.fault("llm", json!({"kind": "say", "text": "The first answer.", "times": 1})).await;
        let question = format!("Say something to {version}!");
        let lines = scene(&cloud, version, "regenerate", &chat_id(version), &[&question]).await;
        let [_, one, _, two] = lines.as_slice() else { panic!("{lines:?}") };
        assert_ready(one, &[&question, "The first answer."]);
        assert_ready(two, &[&question, "The second answer."]);
    }
}

/// A page for a new chat looks for a running answer before anything was asked. A page without a session shows what the
/// function says.
#[tokio::test]
async fn a_new_page_is_idle_and_a_stranger_refused() {
    let cloud = Cloud::quick(&SILENT).await;
    for version in VERSIONS {
        let lines = scene(&cloud, version, "open", &chat_id(version), &[]).await;
        let [idle] = lines.as_slice() else { panic!("{lines:?}") };
        assert_ready(idle, &[]);

        let arguments = ["ai-sdk/chat.mjs", version, "ask", &cloud.info.base_url, "no-token", "c", "Hi"];
        let lines = Client::spawn(node().await.args(arguments)).values().await;
        let error: Value = serde_json::from_str(lines[1]["error"].as_str().unwrap()).unwrap();
        assert_eq!((&lines[1]["status"], &error["code"]), (&json!("error"), &json!("invalid_token")));
    }
}
