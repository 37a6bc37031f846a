//! What real models' servers sent, played to the client again.

use super::{all_right, folder, read, text};
use crate::support::answers::Answers;
use domain::secret::Secret;
use providers::http;
use providers::llm::{ChatMessage, ChatRequest, ChatRole, Endpoint, Limits, Llm};
use serde_json::Value;

/// The answer as it stood on the wire. One that was cut is cut again.
fn wire(meta: &Value, body: &[u8]) -> Vec<u8> {
    let mut head = format!("{}\r\nconnection: close\r\n", text(meta, "status"));
    for (name, value) in meta["headers"].as_object().unwrap() {
        if !["content-length", "transfer-encoding"].contains(&name.as_str()) {
            head.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap()));
        }
    }
    let missing = usize::from(meta["clean_end"] != true);
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len() + missing));
    [head.as_bytes(), body].concat()
}

/// Why the model stopped, if it said so.
fn finish_reason(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let lines = text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line));
    let values = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let reasons = values.map(|value| value["choices"][0]["finish_reason"].clone());
    reasons.filter_map(|reason| reason.as_str().map(str::to_owned)).fold(None, |_, last| Some(last))
}

#[tokio::test]
async fn llm_streams_vectors() {
    let request = ChatRequest {
        messages: vec![ChatMessage { role: ChatRole::User, content: "Hello".to_owned() }],
        max_tokens: 50,
        temperature: None,
    };
    let (mut wrong, mut files) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder().join("llm_streams")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".meta.json") else { continue };
        files += 1;
        let meta = read(&format!("llm_streams/{file}"));
        let body = std::fs::read(folder().join(format!("llm_streams/{name}.body"))).unwrap();
        let server = Answers::of(wire(&meta, &body)).await;
        let endpoint =
            Endpoint { base_url: format!("{}/v1", server.url), api_key: Secret::new("sk"), model: "m".to_owned() };
        let answer = Llm::new(http::client(), vec![endpoint], Limits::default()).complete(&request).await;
        // An answer that a filter cut is none.
        let whole = finish_reason(&body).is_some_and(|reason| reason != "content_filter");
        if answer.is_ok() != whole {
            wrong.push(format!("{name}: {:?}", answer.map(|completion| completion.finish)));
        }
    }
    assert_ne!(files, 0, "the folder llm_streams is empty");
    all_right(&wrong);
}
