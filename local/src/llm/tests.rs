//! Through a real socket: framing, faults and a client that leaves matter here.

use super::*;
use crate::http::system;
use crate::settings::Settings;
use reqwest::Response as Answer;
use serde_json::{Value, json};

const KEY: &str = "sk-local";

struct Stage {
    llm: Llm,
    url: String,
    http: reqwest::Client,
}

impl Stage {
    async fn start() -> Self {
        let folder = std::path::PathBuf::new();
        let context = Context {
            data_dir: &folder,
            secrets: &[("LLM_API_KEY".to_owned(), KEY.to_owned())].into(),
            base: "",
            public_base: "",
            settings: &Arc::new(Settings {
                port: 0,
                data_dir: folder.clone(),
                time_scale: 200.0,
                strict: false,
                bin_dir: None,
                launcher: None,
                chaos: None,
                hold: Vec::new(),
                seed_ports: false,
            }),
        };
        let llm = Llm::open(&context, Duration::ZERO);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = llm.api().merge(llm.view());
        system::spawn(crate::http::serve(listener, router, std::future::pending()));
        Self { llm, url, http: reqwest::Client::new() }
    }

    async fn ask(&self, question: &str, more: Value) -> Answer {
        let mut body = json!({
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "You answer text messages (SMS) of BICI Bike Store."},
                {"role": "user", "content": [{"type": "text", "text": question}]},
            ],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = self.http.post(format!("{}/llm/v1/chat/completions", self.url)).bearer_auth(KEY);
        request.json(&body).send().await.unwrap()
    }

    async fn fault(&self, fault: Value) {
        let answer = self.http.post(format!("{}/local/llm/faults", self.url)).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }

    async fn requests(&self) -> Value {
        self.http.get(format!("{}/local/llm/requests", self.url)).send().await.unwrap().json().await.unwrap()
    }
}

/// The events of a stream.
fn events(text: &str) -> Vec<Value> {
    let lines = text.split("\n\n").filter(|block| !block.is_empty());
    lines.map(|block| serde_json::from_str(block.strip_prefix("data: ").unwrap()).unwrap_or_default()).collect()
}

fn text_of(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn a_stream_has_the_framing_of_openai() {
    let stage = Stage::start().await;
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = stage.ask("What is 2+2?", more).await;
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let events = events(&text);
    assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    let [finish, usage, done] = events.last_chunk().unwrap();
    assert_eq!((&finish["choices"][0]["finish_reason"], &finish["usage"]), (&json!("stop"), &json!(null)));
    assert_eq!((&usage["choices"], &usage["object"]), (&json!([]), &json!("chat.completion.chunk")));
    assert_eq!(usage["usage"]["completion_tokens"], events.len() - 4);
    assert_eq!((done, &usage["model"]), (&Value::Null, &json!(MODEL)));

    let whole: Value = stage.ask("What is 2+2?", json!({})).await.json().await.unwrap();
    let message = &whole["choices"][0]["message"];
    assert_eq!((&message["content"], &message["role"]), (&json!(text_of(&events)), &json!("assistant")));
    assert!(message["content"].as_str().unwrap().contains("2+2 = 4"), "{message}");
    let seen = stage.requests().await;
    assert_eq!((&seen[0]["messages"][1]["content"], &seen[0]["outcome"]), (&json!("What is 2+2?"), &json!("answered")));
}

#[tokio::test]
async fn an_answer_ends_at_the_limit_of_tokens() {
    let stage = Stage::start().await;
    let answer: Value = stage.ask("What is 2+2?", json!({"max_completion_tokens": 3})).await.json().await.unwrap();
    assert_eq!(
        (&answer["choices"][0]["finish_reason"], &answer["usage"]["completion_tokens"]),
        (&json!("length"), &json!(3))
    );
}

#[tokio::test]
async fn what_openai_refuses_is_refused_in_its_shape() {
    let stage = Stage::start().await;
    let url = format!("{}/llm/v1/models", stage.url);
    let answer = stage.http.get(&url).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "invalid_api_key");
    let models: Value = stage.http.get(&url).bearer_auth(KEY).send().await.unwrap().json().await.unwrap();
    assert_eq!(models["data"][0]["id"], MODEL);
    assert_eq!(stage.ask("x", json!({"model": "gpt"})).await.status(), 404);
    assert_eq!(stage.ask("x", json!({"messages": []})).await.status(), 400);
}

#[tokio::test]
async fn faults_before_an_answer() {
    let stage = Stage::start().await;
    for (kind, status) in [("fail", 500), ("rate_limit", 429), ("empty", 200), ("garbage", 200)] {
        stage.fault(json!({"kind": kind, "times": 1, "contains": "hello"})).await;
        let answer = stage.ask("hello", json!({"stream": true})).await;
        assert_eq!(answer.status(), status);
        if status == 429 {
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        let body = answer.text().await.unwrap();
        assert!(!body.contains("data:") && (kind != "empty" || body.is_empty()), "{body}");
    }
    assert_eq!(stage.requests().await[0]["outcome"], "fault");
}

#[tokio::test]
async fn faults_in_the_middle_of_an_answer() {
    let stage = Stage::start().await;
    let stream = json!({"stream": true});
    stage.fault(json!({"kind": "fail", "times": 1, "tokens": 2})).await;
    let text = stage.ask("hello", stream.clone()).await.text().await.unwrap();
    let all = events(&text);
    let [first, second, failed] = all.last_chunk().unwrap();
    let tokens = [first, second].map(|event| event["choices"][0]["delta"]["content"].is_string());
    assert_eq!((tokens, &failed["error"]["type"]), ([true, true], &json!("server_error")));

    stage.fault(json!({"kind": "stop_after", "times": 1, "tokens": 2})).await;
    let mut answer = stage.ask("hello", stream.clone()).await;
    let mut text = String::new();
    let error = loop {
        match answer.chunk().await {
            Ok(chunk) => text.push_str(std::str::from_utf8(&chunk.expect("no clean end")).unwrap()),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(events(&text).len(), 3, "{text}");

    let started = tokio::time::Instant::now();
    stage.fault(json!({"kind": "stall", "times": 1, "tokens": 1})).await;
    assert!(stage.ask("hello", stream).await.text().await.unwrap().ends_with("[DONE]\n\n"));
    assert!(started.elapsed() >= stage.llm.silence);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_and_a_slow_pace_is_kept() {
    let stage = Stage::start().await;
    stage.fault(json!({"kind": "pace", "token_delay_ms": 20})).await;
    let mut answer = stage.ask("hello", json!({"stream": true})).await;
    answer.chunk().await.unwrap();
    assert_eq!(stage.requests().await[0]["outcome"], "answering");
    drop(answer);
    while stage.requests().await[0]["outcome"] == "answering" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(stage.requests().await[0]["outcome"], "left");
}

#[tokio::test]
async fn an_answer_may_end_without_a_reason_be_filtered_or_not_counted() {
    let stage = Stage::start().await;
    let stream = json!({"stream": true, "stream_options": {"include_usage": true}});
    stage.fault(json!({"kind": "end_after", "times": 1, "tokens": 2})).await;
    let text = stage.ask("hello", stream.clone()).await.text().await.unwrap();
    assert!(text.contains("content") && !text.contains("[DONE]") && !text.contains("\"stop\""), "{text}");
    assert_eq!(stage.requests().await[0]["outcome"], "fault");

    stage.fault(json!({"kind": "filter", "times": 1, "tokens": 1})).await;
    let text = stage.ask("hello", stream.clone()).await.text().await.unwrap();
    assert!(text.contains("\"content_filter\"") && text.ends_with("data: [DONE]\n\n"), "{text}");
    stage.fault(json!({"kind": "filter", "times": 1})).await;
    let whole: Value = stage.ask("hello", json!({})).await.json().await.unwrap();
    let choice = &whole["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!(""), &json!("content_filter")));

    stage.fault(json!({"kind": "uncounted", "times": 1})).await;
    let text = stage.ask("hello", stream).await.text().await.unwrap();
    assert!(!text.contains("prompt_tokens") && text.ends_with("data: [DONE]\n\n"), "{text}");
}

#[tokio::test]
async fn refusals_say_when_to_come_back_or_that_it_is_too_much() {
    let stage = Stage::start().await;
    stage.fault(json!({"kind": "rate_limit", "times": 1, "delay_ms": 6500})).await;
    assert_eq!(stage.ask("hello", json!({})).await.headers()["retry-after"], "7");
    stage.fault(json!({"kind": "too_long", "times": 1})).await;
    let refused = stage.ask("hello", json!({})).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], "context_length_exceeded");
}

#[tokio::test]
async fn an_answer_may_be_made_to_measure_and_stall_as_long_as_wished() {
    let stage = Stage::start().await;
    stage.fault(json!({"kind": "say", "times": 1, "bytes": 1_000_000})).await;
    let text = stage.ask("hello", json!({"stream": true})).await.text().await.unwrap();
    let said = text_of(&events(&text));
    assert_eq!(said.len(), 1_000_000);
    let numbers: Vec<usize> = said.split(". ").filter_map(|token| token.get(..7)?.parse().ok()).collect();
    assert!(numbers.len() > 15_000 && numbers.iter().copied().eq(0..numbers.len()), "{}", numbers.len());

    let started = tokio::time::Instant::now();
    stage.fault(json!({"kind": "stall", "times": 1, "tokens": 1, "delay_ms": 40})).await;
    assert!(stage.ask("hello", json!({"stream": true})).await.text().await.unwrap().ends_with("[DONE]\n\n"));
    assert!(started.elapsed() >= Duration::from_millis(40) && stage.llm.silence > Duration::from_millis(40));
}

#[tokio::test]
async fn images_are_noted_but_not_looked_at() {
    let stage = Stage::start().await;
    let url = format!("data:image/png;base64,{}", "A".repeat(5000));
    let parts = json!([{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": url}}]);
    let answer = stage.ask("", json!({"messages": [{"role": "user", "content": parts}]})).await;
    assert_eq!(answer.status(), 200);
    let seen = stage.requests().await;
    assert_eq!(seen[0]["messages"][0]["content"], "Hi");
    assert_eq!(seen[0]["messages"][0]["images"], json!([&url[..48]]));
}
