//! The programs that talk to the model, run as they are printed against a cloud: seeds C and E, and in [`ai_sdk`] the AI
//! SDK's chat.

mod ai_sdk;

use crate::support::clients::{Client, node, python, recipe};
use crate::support::cloud::{Cloud, UMA};
use serde_json::{Value, json};

/// An answer with characters outside ASCII, some in no word of their own.
const ANSWER: &str = "Zwei plus zwei ist vier ✓ – ganz ohne Übertrag 👍🏽, und ein Satz mehr.";

impl Cloud {
    /// The stand-in of a model says this, from now on.
    async fn says(&self, text: &str) {
        self.fault("llm", json!({"kind": "say", "text": text})).await;
    }

    /// It says fifty words, and takes about four seconds: time enough to leave and come back. Returns what it says.
    async fn says_much(&self) -> String {
        let text = (1..=50).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
        self.says(&text).await;
        self.fault("llm", json!({"kind": "pace", "token_delay_ms": 80})).await;
        text
    }

    /// The caller's only session, with its messages.
    async fn only_session(&self, email: &str) -> Value {
        let listing = self.json("/chat/sessions", email).await;
        assert_eq!(listing["total"], 1, "{listing}");
        let id = listing["sessions"][0]["session_id"].as_str().unwrap();
        self.json(&format!("/chat/sessions/{id}"), email).await
    }
}

/// Seed C's JavaScript class, which cuts every network chunk into lines by itself (C07), and shows the tokens one by one.
#[tokio::test]
async fn seed_cs_javascript_client_shows_the_answer_as_it_comes() {
    let cloud = Cloud::start().await;
    cloud.says(ANSWER).await;
    let arguments = ["seed-c/run-client.js", &cloud.info.base_url, cloud.token(UMA)];
    let lines = Client::spawn(node().await.args(arguments)).values().await;

    let [metadata, shown @ .., complete] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(metadata[0], "Metadata:");
    assert_eq!(
        (&metadata[1]["is_new_interaction"], &metadata[1]["user_id"]),
        (&json!(true), &json!(cloud.user(UMA).id))
    );
    assert!(shown.len() > 5 && shown.iter().all(|line| line[0] == "shown"), "{shown:?}");
    assert!(shown.windows(2).all(|pair| pair[1][1].as_str().unwrap().starts_with(pair[0][1].as_str().unwrap())));
    assert_eq!(shown.last().unwrap()[1], ANSWER);
    assert_eq!((&complete[0], &complete[1]["content"]), (&json!("Complete:"), &json!(ANSWER)));
    assert!(complete[1]["tokens_used"].as_u64() > Some(0), "{complete}");

    let session = cloud.only_session(UMA).await;
    assert_eq!(session["session_id"], metadata[1]["interaction_id"]);
    assert_eq!(session["messages"][0]["message"], "Hello, can you help me with math?");
}

/// Seed C's Python client: `aiohttp`, line by line.
#[tokio::test]
async fn seed_cs_python_client_prints_the_answer() {
    let cloud = Cloud::start().await;
    cloud.says(ANSWER).await;
    let arguments = ["seed-c/run_client.py", &cloud.info.base_url, cloud.token(UMA)];
    let lines = Client::spawn(python().await.args(arguments)).values().await;

    let [tokens @ .., complete] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(tokens.iter().map(|token| token.as_str().unwrap()).collect::<String>(), ANSWER);
    // It prints a dictionary as Python does.
    let complete = complete.as_str().unwrap();
    assert!(complete.starts_with("\n\nComplete: {'type': 'complete', 'content': 'Zwei plus zwei"), "{complete}");
    assert_eq!(cloud.only_session(UMA).await["messages"][0]["message"], "What is 2+2?");
}

/// Seed C's React Native service, on the polyfill that it names.
#[tokio::test]
async fn seed_cs_react_native_service_is_called_back() {
    let cloud = Cloud::start().await;
    cloud.says(ANSWER).await;
    let arguments = ["seed-c/run-service.js", &cloud.info.base_url, cloud.token(UMA), "What is 2+2?"];
    let lines = Client::spawn(node().await.args(arguments)).values().await;
    called_back(&lines, ANSWER);
}

/// The polyfill gives up every connection after a while, and posts the same question again with `Last-Event-ID`. That must
/// go on with the answer: a second one would be shown after the first, and paid for.
#[tokio::test]
async fn a_polyfill_that_asks_again_gets_the_rest_of_the_answer() {
    let cloud = Cloud::start().await;
    let answer = cloud.says_much().await;
    let question = "What takes so long?";
    let arguments = ["seed-c/run-service.js", &cloud.info.base_url, cloud.token(UMA), question, "1000"];
    let lines = Client::spawn(node().await.args(arguments)).values().await;
    called_back(&lines, &answer);

    assert_eq!(cloud.only_session(UMA).await["messages"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.prompts_with(question).await.len(), 1);
}

/// Tokens that make up the answer, each once, and the whole.
fn called_back(lines: &[Value], answer: &str) {
    let [tokens @ .., complete] = lines else { panic!("nothing was called back") };
    assert!(tokens.len() > 5 && tokens.iter().all(|line| line[0] == "token"), "{lines:?}");
    assert_eq!(tokens.iter().map(|line| line[1].as_str().unwrap()).collect::<String>(), answer);
    assert_eq!((&complete[0], &complete[1]["content"]), (&json!("complete"), &json!(answer)));
}

/// Seed C's test client (C15): health, simple, full conversation, errors.
#[tokio::test]
async fn seed_cs_test_client_finds_all_well() {
    let cloud = Cloud::quick(&[]).await;
    let arguments = ["seed-c/test_streaming_client.py", cloud.token(UMA), &cloud.info.base_url];
    let lines = Client::spawn(python().await.args(arguments)).lines().await;
    all_is_well(&lines, 19);
}

/// Seed E's WebSocket client, which reads three frames and no more (E02-E05), and its curl recipe (E08).
#[tokio::test]
async fn seed_es_websocket_client_is_answered_and_its_session_listed() {
    let cloud = Cloud::start().await;
    cloud.says(ANSWER).await;
    let arguments = ["seed-e/run_chat.py", &cloud.info.websocket_url, cloud.token(UMA)];
    let lines = Client::spawn(python().await.args(arguments)).values().await;

    let [connected, typing, session_id, response, time] = lines.as_slice() else { panic!("{lines:?}") };
    let frame = |line: &Value| serde_json::from_str::<Value>(line.as_str().unwrap()).unwrap();
    assert_eq!(frame(connected), json!({"type": "connected"}));
    assert_eq!(frame(typing)["type"], "typing");
    let session_id = session_id.as_str().unwrap().strip_prefix("Session ID: ").unwrap();
    assert_eq!(response, &json!(format!("Response: {ANSWER}")));
    let time = time.as_str().unwrap().strip_prefix("Time: ").unwrap().strip_suffix("ms").unwrap();
    assert!(time.parse::<u64>().unwrap() > 0);

    let mut sessions = recipe("seed-e/sessions.curl", "http://localhost:8004", &cloud, UMA);
    let mut sessions = Client::spawn(&mut sessions);
    let listing = sessions.json().await;
    sessions.finished().await;
    let title = "What's the best workout for beginners?";
    assert_eq!(listing["sessions"][0]["session_id"], session_id);
    assert_eq!((&listing["sessions"][0]["title"], &listing["total"]), (&json!(title), &json!(1)));
    assert_eq!(cloud.only_session(UMA).await["messages"][0]["message_type"], "fitness_plan");
}

/// Seed E's test client (E22): a talk in a session, the list, the deletion.
#[tokio::test]
async fn seed_es_test_client_finds_all_well() {
    let cloud = Cloud::quick(&[]).await;
    let arguments =
        ["seed-e/test_chat_websocket.py", cloud.token(UMA), &cloud.info.base_url, &cloud.info.websocket_url];
    let lines = Client::spawn(python().await.args(arguments)).lines().await;
    all_is_well(&lines, 14);
}

/// So many checks, and none that failed.
fn all_is_well(lines: &[String], checks: usize) {
    let [said @ .., end] = lines else { panic!("nothing was said") };
    assert_eq!(end, "all is well");
    assert!(said.len() == checks && said.iter().all(|line| line.starts_with("ok    ")), "{lines:#?}");
}
