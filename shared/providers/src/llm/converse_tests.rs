use super::super::{Answer, ChatMessage, ChatRequest, ChatRole, Limits, Llm, ModelServer, Usage};
use super::*;
use crate::http;
use crate::media::Image;
use crate::server_tests::{Server, Step, answer, chunk, end, head};
use crate::wire_tests::{credentials, http_client};
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Region};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use domain::secret::Secret;
use futures_util::StreamExt;
use serde_json::Value;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);
const LIMITS: Limits = Limits { connect: SHORT, first_token: LONG, idle: LONG, total: LONG };
const MODEL: &str = "maker.model-v1:0";

fn endpoint(url: &str) -> Endpoint {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(credentials())
        .http_client(http_client())
        .build();
    let server = ModelServer::Bedrock(Client::from_conf(config));
    Endpoint { name: "bedrock".to_owned(), model: MODEL.to_owned(), vision: true, server }
}

fn llm(url: &str, limits: Limits) -> Llm {
    Llm::new(http::client(), vec![endpoint(url)], limits)
}

fn ask(messages: Vec<ChatMessage>) -> ChatRequest {
    ChatRequest { messages, max_tokens: 50, temperature: Some(0.5) }
}

fn request() -> ChatRequest {
    ask(vec![ChatMessage::text(ChatRole::System, "Be kind."), ChatMessage::text(ChatRole::User, "one")])
}

fn frame(kind: &str, name: &str, payload: &Value) -> Step {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let message = Message::new(payload.to_string())
        .add_header(Header::new(":content-type", text("application/json")))
        .add_header(Header::new(format!(":{kind}-type"), text(name)))
        .add_header(Header::new(":message-type", text(kind)));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    chunk(bytes)
}

fn event(name: &str, payload: &Value) -> Step {
    frame("event", name, payload)
}

fn delta(delta: &Value) -> Step {
    event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": delta, "p": "abcdef"}))
}

fn says(text: &str) -> Step {
    delta(&json!({ "text": text }))
}

fn stop(reason: &str) -> Step {
    event("messageStop", &json!({ "stopReason": reason }))
}

fn metadata() -> Step {
    let usage = json!({"inputTokens": 4, "outputTokens": 2, "totalTokens": 6, "cacheReadInputTokens": 3});
    event("metadata", &json!({"usage": usage, "metrics": {"latencyMs": 7}}))
}

fn stream_head() -> Step {
    let head = "HTTP/1.1 200 x\r\nconnection: close\r\ncontent-type: application/vnd.amazon.eventstream\r\n";
    Step::Send(format!("{head}x-amzn-requestid: id-1\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes())
}

fn start() -> Vec<Step> {
    // The second is what the SDK cannot read.
    let block = event("contentBlockStart", &json!({"contentBlockIndex": 0, "start": {}}));
    vec![stream_head(), event("messageStart", &json!({"role": "assistant"})), block]
}

fn good() -> Vec<Step> {
    let over = event("contentBlockStop", &json!({"contentBlockIndex": 0}));
    let rest = [says("Hel"), says("lo"), over, stop("end_turn"), metadata(), end()];
    start().into_iter().chain(rest).collect()
}

fn refusal(status: u16, name: &str, message: &str) -> Vec<Step> {
    let body = json!({ "message": message }).to_string();
    let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\nx-amzn-errortype: {name}:http://x/\r\n");
    vec![Step::Send(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())]
}

async fn fails(script: Vec<Vec<Step>>, limits: Limits) -> LlmError {
    let server = Server::playing(script);
    llm(&server.url, limits).complete(&request()).await.unwrap_err()
}

async fn rest(answer: &mut Answer) -> Vec<Result<Delta, LlmError>> {
    let mut pieces = Vec::new();
    while let Some(piece) = answer.next().await {
        pieces.push(piece);
    }
    pieces
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn an_answer_is_read_to_its_count() {
    let thinks = delta(&json!({"reasoningContent": {"text": "hm"}}));
    let signed = delta(&json!({"reasoningContent": {"signature": "x"}}));
    let script = [start(), vec![thinks, signed], good().split_off(3)].concat();
    let server = Server::playing(vec![script]);
    let mut answer = llm(&server.url, LIMITS).stream(request()).await.unwrap();
    assert_eq!((answer.provider(), answer.model(), answer.attempts()), ("bedrock", MODEL, 1));
    assert_eq!(answer.response_id(), Some("id-1"));
    let usage = Usage { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6, estimated: false };
    let text = |text: &str| Ok(Delta::Text(text.to_owned()));
    let thought = Ok(Delta::Reasoning("hm".to_owned()));
    let expected = [thought, text("Hel"), text("lo"), Ok(Delta::Finish(Finish::Stop)), Ok(Delta::Usage(usage))];
    assert_eq!(rest(&mut answer).await, expected);
    let raw = json!({"inputTokens": 4, "outputTokens": 2, "totalTokens": 6, "cacheReadInputTokens": 3});
    assert_eq!(answer.raw_usage(), Some(&raw));
    let request = server.request();
    assert!(request.starts_with("POST /model/maker.model-v1%3A0/converse-stream HTTP/1.1"), "{request}");
    assert!(request.contains("authorization: AWS4-HMAC-SHA256 Credential="), "{request}");
    let expected = json!({
        "system": [{"text": "Be kind."}],
        "messages": [{"role": "user", "content": [{"text": "one"}]}],
        "inferenceConfig": {"maxTokens": 50, "temperature": 0.5},
    });
    assert_eq!(body(&request), expected);
}

#[tokio::test]
async fn people_and_model_take_turns() {
    let image = Image::of_bytes(&b"\xff\xd8\xff..."[..]).unwrap();
    let text = ChatMessage::text;
    let server = Server::playing(vec![good()]);
    let request = ask(vec![
        text(ChatRole::Assistant, "Hi!"),
        text(ChatRole::User, "one"),
        text(ChatRole::Assistant, " \n"),
        text(ChatRole::User, "two").showing([image]),
        text(ChatRole::System, "Be brief."),
    ]);
    llm(&server.url, LIMITS).complete(&request).await.unwrap();
    let sent = body(&server.request());
    let image = json!({"image": {"format": "jpeg", "source": {"bytes": "/9j/Li4u"}}});
    let expected = json!([
        {"role": "user", "content": [{"text": "(nothing yet)"}]},
        {"role": "assistant", "content": [{"text": "Hi!"}]},
        {"role": "user", "content": [{"text": "one"}, {"text": "two"}, image]},
    ]);
    assert_eq!((&sent["messages"], &sent["system"]), (&expected, &json!([{"text": "Be brief."}])));
}

#[tokio::test]
async fn every_reason_to_stop_is_known() {
    for (reason, expected) in [
        ("end_turn", Ok(Finish::Stop)),
        ("stop_sequence", Ok(Finish::Stop)),
        ("max_tokens", Ok(Finish::Length)),
        ("model_context_window_exceeded", Ok(Finish::Length)),
        ("content_filtered", Err(LlmError::Refused)),
        ("guardrail_intervened", Err(LlmError::Refused)),
        ("malformed_model_output", Err(LlmError::Interrupted { partial: "x".to_owned() })),
        ("tool_use", Ok(Finish::Other)),
        ("a_new_one", Ok(Finish::Other)),
    ] {
        let script = [start(), vec![says("x"), stop(reason), metadata(), end()]].concat();
        let server = Server::playing(vec![script]);
        let answer = llm(&server.url, LIMITS).complete(&request()).await;
        assert_eq!(answer.map(|completion| completion.finish), expected, "{reason}");
    }
}

#[tokio::test]
async fn what_breaks_off_is_not_whole() {
    let cut = LlmError::Interrupted { partial: "x".to_owned() };
    let Step::Send(whole) = says("never seen") else { unreachable!() };
    let mut broken = whole.clone();
    let last = broken.len() - 5;
    broken[last] ^= 1;
    for after in [
        vec![],
        vec![end()],
        vec![Step::Send(whole[..whole.len() / 2].to_vec())],
        vec![Step::Send(broken)],
        vec![delta(&json!({})), stop("end_turn"), metadata(), end()],
        vec![frame("error", "x", &json!({})), end()],
        vec![frame("exception", "modelStreamErrorException", &json!({"message": "x"})), end()],
        vec![frame("exception", "ThrottlingException", &json!({"message": "x"})), end()],
    ] {
        let script = [start(), vec![says("x")], after].concat();
        assert_eq!(fails(vec![script, good()], LIMITS).await, cut);
    }
}

#[tokio::test]
async fn an_exception_before_the_first_piece_has_its_class() {
    let limited = LlmError::RateLimited { retry_after: None };
    for (name, message, expected) in [
        ("throttlingException", "slow down", limited.clone()),
        ("ThrottlingException", "slow down", limited),
        ("validationException", "no", LlmError::BadRequest),
        ("ValidationException", "Input is too long for requested model.", LlmError::ContextTooLong),
        ("internalServerException", "x", LlmError::Unavailable),
        ("ServiceUnavailableException", "x", LlmError::Unavailable),
        ("modelStreamErrorException", "x", LlmError::Unavailable),
        ("aNewException", "x", LlmError::Unavailable),
    ] {
        let script = [start(), vec![frame("exception", name, &json!({ "message": message })), end()]].concat();
        assert_eq!(fails(vec![script.clone(), script], LIMITS).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_refusal_has_its_class_and_is_repeated_by_us_only() {
    let limited = LlmError::RateLimited { retry_after: None };
    for (status, name, message, expected, asked) in [
        (429, "ThrottlingException", "x", limited.clone(), 1),
        (429, "", "x", limited.clone(), 1),
        (400, "ServiceQuotaExceededException", "x", limited, 1),
        (403, "AccessDeniedException", "x", LlmError::Auth, 1),
        (403, "ExpiredTokenException", "x", LlmError::Auth, 1),
        (404, "ResourceNotFoundException", "x", LlmError::BadRequest, 1),
        (400, "ValidationException", "x", LlmError::BadRequest, 1),
        (400, "ValidationException", "prompt is too long: 9 tokens > 8 maximum", LlmError::ContextTooLong, 1),
        (429, "ModelNotReadyException", "x", LlmError::Unavailable, 2),
        (424, "ModelErrorException", "x", LlmError::Unavailable, 2),
        (503, "ServiceUnavailableException", "x", LlmError::Unavailable, 2),
        (500, "", "", LlmError::Unavailable, 2),
    ] {
        let server = Server::playing(vec![refusal(status, name, message); 4]);
        let error = llm(&server.url, LIMITS).complete(&request()).await.unwrap_err();
        assert_eq!((error, server.requests.try_iter().count()), (expected, asked), "{status} {name} {message}");
    }
    let later = "HTTP/1.1 429 x\r\nretry-after: 7\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let later = vec![Step::Send(later.as_bytes().to_vec())];
    assert_eq!(fails(vec![later], LIMITS).await, LlmError::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(fails(vec![vec![]; 4], LIMITS).await, LlmError::Unavailable);
}

#[tokio::test]
async fn the_next_model_answers_for_bedrock() {
    let says = json!({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]});
    let next = || vec![head(200, "text/event-stream"), chunk(format!("data: {says}\n\n")), end()];
    let throttled = [start(), vec![frame("exception", "throttlingException", &json!({"message": "x"})), end()]];
    for script in [refusal(429, "ThrottlingException", "x"), throttled.concat()] {
        let (first, second) = (Server::playing(vec![script]), Server::playing(vec![next()]));
        let other = Endpoint::openai("fallback", format!("{}/v1", second.url), Secret::new(""), "m");
        let both = Llm::new(http::client(), vec![endpoint(&first.url), other], LIMITS);
        let answer = both.stream(request()).await.unwrap();
        assert_eq!((answer.provider(), answer.attempts()), ("fallback", 2));
    }
    let second = Server::playing(vec![next()]);
    let other = Endpoint::openai("fallback", format!("{}/v1", second.url), Secret::new(""), "m");
    let both = Llm::new(http::client(), vec![endpoint(&Server::nobody()), other], LIMITS);
    assert_eq!(both.stream(request()).await.unwrap().attempts(), 2, "who is not there is not asked twice");
}

#[tokio::test]
async fn a_model_that_takes_no_temperature_gets_none() {
    let refused = refusal(400, "ValidationException", "`temperature` is deprecated for this model.");
    let server = Server::playing(vec![refused, good(), good()]);
    let llm = llm(&server.url, LIMITS);
    for _ in 0..2 {
        assert_eq!(llm.complete(&request()).await.unwrap().text, "Hello");
    }
    let sent: Vec<Value> =
        server.requests.try_iter().map(|request| body(&request)["inferenceConfig"].clone()).collect();
    let without = json!({"maxTokens": 50});
    assert_eq!(sent, [json!({"maxTokens": 50, "temperature": 0.5}), without.clone(), without]);
}

#[tokio::test]
async fn our_limits_hold() {
    let first = Limits { connect: Duration::ZERO, first_token: SHORT, ..LIMITS };
    let first_token = LlmError::Timeout(TimeoutKind::FirstToken);
    assert_eq!(fails(vec![vec![Step::Hold]], first).await, first_token);
    assert_eq!(fails(vec![[start(), vec![Step::Hold]].concat()], first).await, first_token);
    let idle = Limits { idle: SHORT, ..LIMITS };
    let silent = [start(), vec![says("x"), Step::Hold]].concat();
    assert_eq!(fails(vec![silent], idle).await, LlmError::Timeout(TimeoutKind::Idle));
    // The count that does not come is guessed.
    let script = [start(), vec![says("x"), stop("end_turn"), Step::Hold]].concat();
    let server = Server::playing(vec![script]);
    let completion = llm(&server.url, idle).complete(&request()).await.unwrap();
    assert_eq!((completion.text.as_str(), completion.usage.estimated), ("x", true));
}

#[tokio::test]
async fn dropping_an_answer_hangs_up() {
    let endless = std::iter::repeat_n([says("x"), Step::Pause(Duration::from_millis(20))], 2000).flatten();
    let server = Server::playing(vec![start().into_iter().chain(endless).collect(), vec![]]);
    let mut answer = llm(&server.url, LIMITS).stream(request()).await.unwrap();
    assert!(matches!(answer.next().await, Some(Ok(Delta::Text(_)))));
    drop(answer);
    // The server plays one script after the other: it gets to the next one because nobody reads the first.
    let again = http::client().get(&server.url).timeout(Duration::from_secs(15)).send().await;
    assert!(again.is_err());
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_none() {
    let page = vec![answer(200, "text/html", "<html>It works!</html>")];
    assert_eq!(fails(vec![page.clone(), page], LIMITS).await, LlmError::Unavailable);
}
