use super::*;
use crate::http;
use crate::media::Image;
use crate::server_tests::{Server, Step, answer as whole, chunk, end, head};
use domain::secret::Secret;
use serde_json::{Value, json};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);
const LIMITS: Limits = Limits { connect: SHORT, first_token: LONG, idle: LONG, total: LONG };

fn llm(urls: &[&str], limits: Limits) -> Llm {
    let endpoint = |(index, url): (usize, &&str)| {
        let (name, base_url, model) = (format!("server-{index}"), format!("{url}/v1/"), format!("model-{index}"));
        Endpoint::openai(name, base_url, Secret::new("sk-invented"), model)
    };
    Llm::new(http::client(), urls.iter().enumerate().map(endpoint).collect(), limits)
}

fn request() -> ChatRequest {
    let message = ChatMessage::text;
    let messages = vec![
        message(ChatRole::System, "Be kind."),
        message(ChatRole::User, "one"),
        message(ChatRole::Assistant, "two"),
        message(ChatRole::User, "three"),
    ];
    ChatRequest { messages, max_tokens: 50, temperature: Some(0.5) }
}

fn event(value: &Value) -> Step {
    chunk(format!("data: {value}\n\n"))
}

fn says(text: &str) -> Step {
    event(&json!({"model": "m-1", "choices": [{"delta": {"content": text}}]}))
}

fn over() -> Step {
    event(&json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
}

fn counted() -> Step {
    event(&json!({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}}))
}

fn stream_head() -> Step {
    head(200, "text/event-stream; charset=utf-8")
}

fn good() -> Vec<Step> {
    vec![stream_head(), says("Hel"), says("lo"), over(), counted(), chunk("data: [DONE]\n\n"), end()]
}

fn refusal(status: u16, error: &Value) -> Vec<Step> {
    vec![whole(status, "application/json", &json!({ "error": error }).to_string())]
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn fails(script: Vec<Vec<Step>>, limits: Limits) -> (LlmError, Duration) {
    let server = Server::playing(script);
    let started = Instant::now();
    (llm(&[&server.url], limits).complete(&request()).await.unwrap_err(), started.elapsed())
}

#[tokio::test]
async fn an_answer_comes_in_pieces_and_whole() {
    let server = Server::playing(vec![good(), good()]);
    let llm = llm(&[&server.url], LIMITS);
    let answer = llm.stream(request()).await.unwrap();
    assert_eq!(answer.model(), "m-1");
    let usage = Usage { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6, estimated: false };
    let text = |text: &str| Ok(Delta::Text(text.to_owned()));
    let expected = [text("Hel"), text("lo"), Ok(Delta::Finish(Finish::Stop)), Ok(Delta::Usage(usage))];
    assert_eq!(answer.collect::<Vec<_>>().await, expected);
    let completion = llm.complete(&request()).await.unwrap();
    let expected = Completion { text: "Hello".to_owned(), model: "m-1".to_owned(), usage, finish: Finish::Stop };
    assert_eq!(completion, expected);
    let request = server.request();
    let head = request.split_once("\r\n\r\n").unwrap().0;
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{head}");
    assert!(head.contains("authorization: Bearer sk-invented"), "{head}");
    let expected = json!({
        "model": "model-0", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 50, "temperature": 0.5,
        "messages": [
            {"role": "system", "content": "Be kind."}, {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"},
        ],
    });
    assert_eq!(body(&request), expected);
}

#[tokio::test]
async fn an_answer_tells_where_it_comes_from() {
    let usage = json!({"prompt_tokens": 4, "completion_tokens": 2, "cost": {"usd": 0.1}});
    let last = json!({"id": "a-2", "choices": [], "usage": usage});
    let first = json!({"id": "a-1", "choices": [{"delta": {"content": "x"}}], "usage": null});
    let script = vec![stream_head(), event(&first), over(), event(&last), Step::Hold];
    let bad = refusal(503, &json!("x"));
    let (first, second) = (Server::playing(vec![bad.clone(), bad]), Server::playing(vec![script, good()]));
    let llm = llm(&[&first.url, &second.url], LIMITS);
    let named: Vec<_> = llm.models().collect();
    assert_eq!(named, [("server-0", "model-0"), ("server-1", "model-1")]);
    let mut answer = llm.stream(request()).await.unwrap();
    assert_eq!((answer.provider(), answer.attempts(), answer.response_id()), ("server-1", 3, Some("a-1")));
    while let Some(delta) = answer.next().await {
        assert_eq!(answer.raw_usage().is_some(), matches!(delta, Ok(Delta::Usage(_))), "known at the end");
    }
    assert_eq!(answer.raw_usage(), Some(&usage));
    let alone = Server::playing(vec![good()]);
    let mut answer = self::llm(&[&alone.url], LIMITS).stream(request()).await.unwrap();
    assert_eq!((answer.provider(), answer.attempts(), answer.response_id()), ("server-0", 1, None));
    while answer.next().await.is_some() {}
    assert_eq!(answer.raw_usage().unwrap()["total_tokens"], 6);
}

#[tokio::test]
async fn only_models_with_eyes_are_shown_images() {
    let image = Image::of_bytes(&b"\x89PNG\r\n\x1a\n..."[..]).unwrap();
    let looking = || ChatRequest {
        messages: vec![
            ChatMessage::text(ChatRole::System, "Look."),
            ChatMessage::text(ChatRole::User, "What is it?").showing([image.clone()]),
        ],
        ..request()
    };
    let (blind, eyes) = (Server::playing(vec![]), Server::playing(vec![good()]));
    let mut endpoints = llm(&[&blind.url, &eyes.url], LIMITS).endpoints.to_vec();
    let none = Llm::new(http::client(), endpoints.clone(), LIMITS);
    assert!(!none.has_vision());
    assert_eq!(none.complete(&looking()).await, Err(LlmError::BadRequest));
    endpoints[1].vision = true;
    let some = Llm::new(http::client(), endpoints, LIMITS);
    assert!(some.has_vision());
    assert_eq!(some.stream(looking()).await.unwrap().provider(), "server-1");
    let expected = json!([
        {"role": "system", "content": "Look."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgouLi4="}},
        ]},
    ]);
    assert_eq!(body(&eyes.request())["messages"], expected);
    assert!(!format!("{:?}", looking()).contains("What"), "{:?}", looking());
    assert!(blind.requests.try_recv().is_err());
}

#[tokio::test]
async fn without_a_model_there_is_no_answer() {
    let none = llm(&[], LIMITS);
    assert!(!none.is_configured());
    assert_eq!(none.complete(&request()).await, Err(LlmError::NotConfigured));
}

#[tokio::test]
async fn the_wait_ends_with_finish_and_count() {
    // The server stays silent after the count, and after a finish without one.
    for (last, estimated) in [(counted(), false), (chunk(": ping\n\n"), true)] {
        let server = Server::playing(vec![vec![stream_head(), says("x"), over(), last, Step::Hold]]);
        let limits = Limits { idle: SHORT, ..LIMITS };
        let completion = llm(&[&server.url], limits).complete(&request()).await.unwrap();
        assert_eq!((completion.text.as_str(), completion.usage.estimated), ("x", estimated));
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let reply = json!({"model": "m", "choices": [{"message": {"content": "Hi"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    let server = Server::answering(&[(200, &reply.to_string())]);
    let completion = llm(&[&server.url], LIMITS).complete(&request()).await.unwrap();
    assert_eq!((completion.text.as_str(), completion.finish), ("Hi", Finish::Length));
}

#[tokio::test]
async fn each_limit_is_its_own() {
    let quiet = vec![stream_head(), chunk(": ping\n\n"), Step::Hold];
    let limits = Limits { connect: Duration::ZERO, first_token: SHORT, ..LIMITS };
    let (error, took) = fails(vec![quiet.clone()], limits).await;
    assert_eq!(error, LlmError::Timeout(TimeoutKind::FirstToken));
    assert!(took >= SHORT && took < LONG / 2, "{took:?}");
    let (error, _) = fails(vec![vec![Step::Hold]], limits).await;
    assert_eq!(error, LlmError::Timeout(TimeoutKind::FirstToken));
    // Signs of life are no answer.
    let pings = std::iter::repeat_n([chunk(": ping\n\n"), Step::Pause(SHORT / 4)], 12).flatten();
    let idle: Vec<Step> = [stream_head(), says("x")].into_iter().chain(pings).chain([Step::Hold]).collect();
    let (error, took) = fails(vec![idle], Limits { idle: SHORT, ..LIMITS }).await;
    assert_eq!(error, LlmError::Timeout(TimeoutKind::Idle));
    assert!(took < SHORT * 3, "{took:?}");
    let (error, _) = fails(vec![quiet], Limits { total: SHORT, ..LIMITS }).await;
    assert_eq!(error, LlmError::Timeout(TimeoutKind::Total));
    let server = Server::playing(vec![vec![stream_head(), says("x"), Step::Hold]]);
    let completion = llm(&[&server.url], Limits { total: SHORT, ..LIMITS }).complete(&request()).await.unwrap();
    assert_eq!((completion.text.as_str(), completion.finish), ("x", Finish::Deadline));
}

#[tokio::test]
async fn nothing_is_tried_again_after_the_first_piece() {
    for cut in [vec![stream_head(), says("x")], vec![stream_head(), says("x"), end()]] {
        let (error, _) = fails(vec![cut, good()], LIMITS).await;
        assert_eq!(error, LlmError::Interrupted { partial: "x".to_owned() });
        assert!(!format!("{error:?} {error}").contains('x'), "{error:?}");
    }
}

#[tokio::test]
async fn a_failure_before_the_first_piece_is_tried_again_once() {
    for bad in
        [vec![], vec![stream_head(), end()], vec![whole(200, "text/event-stream", "")], refusal(500, &json!("x"))]
    {
        let server = Server::playing(vec![bad.clone(), good()]);
        assert_eq!(llm(&[&server.url], LIMITS).complete(&request()).await.unwrap().text, "Hello");
        let (error, took) = fails(vec![bad.clone(), bad, good()], LIMITS).await;
        assert_eq!(error, LlmError::Unavailable);
        assert!(took >= RETRY_PAUSE, "{took:?}");
    }
}

#[tokio::test]
async fn what_will_not_change_is_not_tried_again() {
    for (script, expected) in [
        (refusal(401, &json!({"message": "x"})), LlmError::Auth),
        (refusal(404, &json!("no such model")), LlmError::BadRequest),
        (refusal(400, &json!({"code": "content_filter"})), LlmError::Refused),
        (refusal(429, &json!("slow down")), LlmError::RateLimited { retry_after: None }),
    ] {
        let (error, took) = fails(vec![script, good()], LIMITS).await;
        assert_eq!(error, expected);
        assert!(took < LONG / 2, "{took:?}");
    }
    let limited = Step::Send(b"HTTP/1.1 429 x\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n".to_vec());
    let (error, took) = fails(vec![vec![limited], good()], LIMITS).await;
    assert_eq!(error, LlmError::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    assert!(took < Duration::from_secs(5), "{took:?}");
    let soon =
        Step::Send(b"HTTP/1.1 429 x\r\nretry-after-ms: 100\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec());
    let server = Server::playing(vec![vec![soon], good()]);
    assert_eq!(llm(&[&server.url], LIMITS).complete(&request()).await.unwrap().text, "Hello");
}

#[tokio::test]
async fn the_next_model_answers_for_the_first() {
    for bad in
        [refusal(429, &json!("x")), refusal(401, &json!("x")), refusal(404, &json!("x")), refusal(503, &json!("x"))]
    {
        let first = Server::playing(vec![bad; 2]);
        let second = Server::playing(vec![good()]);
        let answer = llm(&[&first.url, &second.url], LIMITS).stream(request()).await.unwrap();
        assert_eq!(answer.model(), "m-1");
        assert_eq!(body(&second.request())["model"], "model-1");
    }
    let second = Server::playing(vec![good()]);
    let started = Instant::now();
    llm(&[&Server::nobody(), &second.url], LIMITS).complete(&request()).await.unwrap();
    assert!(started.elapsed() < RETRY_PAUSE, "{:?}", started.elapsed());
    let (first, second) = (Server::playing(vec![refusal(401, &json!("x"))]), Server::nobody());
    let error = llm(&[&first.url, &second], LIMITS).complete(&request()).await.unwrap_err();
    assert_eq!(error, LlmError::Unavailable, "what may pass is told, not what will not");
}

#[tokio::test]
async fn a_model_that_keeps_failing_is_left_out_for_a_while() {
    let first = Server::playing(vec![refusal(429, &json!("x")); 4]);
    let second = Server::playing(vec![good(); 5]);
    let llm = llm(&[&first.url, &second.url], LIMITS);
    for _ in 0..5 {
        llm.complete(&request()).await.unwrap();
    }
    assert_eq!(first.requests.try_iter().count(), 3);
    let alone = Server::playing([vec![refusal(429, &json!("x")); 4], vec![good()]].concat());
    let llm = super::Llm::new(http::client(), self::llm(&[&alone.url], LIMITS).endpoints.to_vec(), LIMITS);
    for _ in 0..4 {
        llm.complete(&request()).await.unwrap_err();
    }
    assert!(llm.complete(&request()).await.is_ok(), "the only one is never left out");
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_halved_once() {
    let too_long = || refusal(400, &json!({"type": "exceed_context_size_error", "code": 400}));
    let server = Server::playing(vec![too_long(), good()]);
    llm(&[&server.url], LIMITS).complete(&request()).await.unwrap();
    let requests: Vec<Value> = server.requests.try_iter().map(|request| body(&request)).collect();
    let contents = |body: &Value| -> Vec<String> {
        body["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(contents(&requests[0]), ["Be kind.", "one", "two", "three"]);
    assert_eq!(contents(&requests[1]), ["Be kind.", "two", "three"]);
    let (error, _) = fails(vec![too_long(), too_long(), good()], LIMITS).await;
    assert_eq!(error, LlmError::ContextTooLong);
}

#[tokio::test]
async fn a_parameter_that_a_server_does_not_know_is_left_out_and_remembered() {
    let newer = json!({"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "param": "max_tokens"});
    let strict =
        json!({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}).to_string();
    let server = Server::playing(vec![
        vec![whole(422, "application/json", &strict)],
        refusal(400, &newer),
        refusal(400, &json!({"message": "Unsupported value", "param": "temperature"})),
        good(),
        good(),
    ]);
    let llm = llm(&[&server.url], LIMITS);
    llm.complete(&request()).await.unwrap();
    llm.complete(&request()).await.unwrap();
    let requests: Vec<Value> = server.requests.try_iter().map(|request| body(&request)).collect();
    assert!(requests[0].get("stream_options").is_some() && requests[1].get("stream_options").is_none());
    assert_eq!((requests[2].get("max_tokens"), requests[2].get("max_completion_tokens")), (None, Some(&json!(50))));
    assert_eq!(requests.len(), 5);
    for request in &requests[3..] {
        let fields: Vec<_> = request.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields.len(), 4, "{fields:?}");
    }
    let stubborn = refusal(400, &json!({"message": "max_tokens is not known"}));
    let (error, _) = fails(vec![stubborn; 6], LIMITS).await;
    assert_eq!(error, LlmError::BadRequest);
}

#[tokio::test]
async fn dropping_an_answer_hangs_up() {
    let endless = std::iter::repeat_n([says("x"), Step::Pause(Duration::from_millis(20))], 2000).flatten();
    let script: Vec<Step> = std::iter::once(stream_head()).chain(endless).collect();
    let server = Server::playing(vec![script, vec![]]);
    let mut answer = llm(&[&server.url], LIMITS).stream(request()).await.unwrap();
    assert!(matches!(answer.next().await, Some(Ok(Delta::Text(_)))));
    drop(answer);
    // The server plays one script after the other: it gets to the next one because nobody reads the first.
    let again = http::client().get(&server.url).timeout(Duration::from_secs(15)).send().await;
    assert!(again.is_err());
    assert_eq!(server.requests.try_iter().count(), 2);
}
