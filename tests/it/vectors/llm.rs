//! What real models' servers sent, played to the client again.

use super::{all_right, folder, read, text};
use crate::support::answers::Answers;
use domain::secret::Secret;
use providers::http;
use providers::llm::{ChatMessage, ChatRequest, ChatRole, Endpoint, Limits, Llm};
use runtime::Environment;
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
    if let Some((_, rest)) = text.split_once("\"stopReason\":\"") {
        return rest.split('"').next().map(str::to_owned);
    }
    let lines = text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line));
    let values = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let reasons = values.map(|value| value["choices"][0]["finish_reason"].clone());
    reasons.filter_map(|reason| reason.as_str().map(str::to_owned)).fold(None, |_, last| Some(last))
}

/// The client that such a server was made for.
async fn model(name: &str, url: &str) -> Llm {
    if !name.contains("-bedrock-") {
        let endpoint = Endpoint::openai("primary", format!("{url}/v1"), Secret::new("sk"), "m");
        return Llm::new(http::client(), vec![endpoint], Limits::default());
    }
    let values = [("BEDROCK_MODEL_ID", "m"), ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Environment::from_values(values.into()).await.unwrap().llm(&http::client())
}

#[tokio::test]
async fn llm_streams_vectors() {
    let messages = vec![ChatMessage::text(ChatRole::User, "Hello")];
    // More than any of them says: we would stop at the limit ourselves.
    let request = ChatRequest { messages, max_tokens: 100_000, temperature: None };
    let (mut wrong, mut files) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder().join("llm_streams")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".meta.json") else { continue };
        files += 1;
        let meta = read(&format!("llm_streams/{file}"));
        let body = std::fs::read(folder().join(format!("llm_streams/{name}.body"))).unwrap();
        let server = Answers::of(wire(&meta, &body)).await;
        let answer = model(name, &server.url).await.complete(&request).await;
        // An answer that a filter cut is none.
        let cut = ["content_filter", "content_filtered", "guardrail_intervened"];
        let whole = finish_reason(&body).is_some_and(|reason| !cut.contains(&reason.as_str()));
        if answer.is_ok() != whole {
            wrong.push(format!("{name}: {:?}", answer.map(|completion| completion.finish)));
        }
    }
    assert_ne!(files, 0, "the folder llm_streams is empty");
    all_right(&wrong);
}
