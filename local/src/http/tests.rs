//! Through real sockets, against functions that are tasks.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout as within;

use super::*;
use crate::runtime_api::fake::{Answer, Event, Fake, functions, spec};
use crate::runtime_api::{REQUEST_LIMIT as EVENT_LIMIT, Spec};
use crate::template::Cors;

const DEADLINE: Duration = Duration::from_secs(10);

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        port: 8000,
        data_dir: std::path::PathBuf::new(),
        time_scale: 1.0,
        strict: false,
        bin_dir: None,
        launcher: None,
        chaos: None,
        hold: Vec::new(),
        seed_ports: false,
    })
}

fn route(method: &str, path: &str, mode: Mode) -> Route {
    Route {
        function: "fake".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        mode,
        timeout: Duration::from_secs(29),
    }
}

fn template() -> Template {
    Template {
        stage: "v1".to_owned(),
        routes: vec![
            route("POST", "/echo/{id}", Mode::Buffered),
            route("GET", "/echo/{id}", Mode::Buffered),
            route("GET", "/stream", Mode::Streaming),
        ],
        cors: Cors {
            allow_origin: "*".to_owned(),
            allow_methods: "GET,POST,OPTIONS".to_owned(),
            allow_headers: "Authorization,Content-Type".to_owned(),
            max_age: "600".to_owned(),
        },
        binary_media_types: vec!["application/pdf".to_owned(), "multipart/form-data".to_owned()],
        ..Template::default()
    }
}

struct Server {
    base: String,
    client: reqwest::Client,
    _fake: Fake,
}

impl Server {
    async fn start(template: Template, settings: Arc<Settings>, fake: Fake) -> Self {
        let router = gateway(Arc::new(template), functions(&[&fake]), settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        system::spawn(serve(listener, router, std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base, client, _fake: fake }
    }

    async fn with<F>(handler: impl Fn(Event) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::start(template(), settings(), Fake::start("fake", handler).await).await
    }

    /// Answers with the event it got.
    async fn echo() -> Self {
        Self::with(|event| std::future::ready(Answer::proxy(200, &event.payload.to_string()))).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

async fn message(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_event_is_that_of_the_rest_api() {
    let server = Server::echo().await;
    let response = server
        .client
        .post(server.url("/v1/echo/%2B1%20555?a=1&b=x%20y&a=2"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", "abc=")
        .header("user-agent", "TwilioProxy/1.1")
        .header("host", "abc123.example.com:8000")
        .header("x-amzn-trace-id", "Root=1-656f1b2c-0123456789abcdef01234567")
        .body("Body=Gr%C3%BC%C3%9Fe&From=%2B14017122661")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let request_id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let text = response.text().await.unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    let context = event["requestContext"].as_object_mut().unwrap();
    assert_eq!(context["requestId"], request_id);
    let epoch = context["requestTimeEpoch"].as_u64().unwrap();
    assert_eq!(context["requestTime"], system::log_time(epoch));
    for volatile in ["requestId", "extendedRequestId", "requestTime", "requestTimeEpoch"] {
        context.remove(volatile).unwrap();
    }
    let expected = json!({
        "resource": "/echo/{id}",
        "path": "/echo/%2B1%20555",
        "httpMethod": "POST",
        "headers": {
            "Accept": "*/*",
            "Content-Length": "40",
            "Content-Type": "application/x-www-form-urlencoded",
            "Host": "abc123.example.com:8000",
            "User-Agent": "TwilioProxy/1.1",
            "X-Amzn-Trace-Id": "Root=1-656f1b2c-0123456789abcdef01234567",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": "8000",
            "X-Forwarded-Proto": "http",
            "X-Twilio-Signature": "abc=",
        },
        "multiValueHeaders": {
            "Accept": ["*/*"],
            "Content-Length": ["40"],
            "Content-Type": ["application/x-www-form-urlencoded"],
            "Host": ["abc123.example.com:8000"],
            "User-Agent": ["TwilioProxy/1.1"],
            "X-Amzn-Trace-Id": ["Root=1-656f1b2c-0123456789abcdef01234567"],
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Port": ["8000"],
            "X-Forwarded-Proto": ["http"],
            "X-Twilio-Signature": ["abc="],
        },
        "queryStringParameters": {"a": "2", "b": "x y"},
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["x y"]},
        "pathParameters": {"id": "+1 555"},
        "stageVariables": null,
        "requestContext": {
            "resourceId": "local",
            "resourcePath": "/echo/{id}",
            "httpMethod": "POST",
            "path": "/v1/echo/%2B1%20555",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "v1",
            "domainPrefix": "abc123",
            "identity": {
                "cognitoIdentityPoolId": null,
                "accountId": null,
                "cognitoIdentityId": null,
                "caller": null,
                "sourceIp": "127.0.0.1",
                "principalOrgId": null,
                "accessKey": null,
                "cognitoAuthenticationType": null,
                "cognitoAuthenticationProvider": null,
                "userArn": null,
                "userAgent": "TwilioProxy/1.1",
                "user": null,
            },
            "domainName": "abc123.example.com",
            "deploymentId": "local",
            "apiId": "local",
        },
        "body": "Body=Gr%C3%BC%C3%9Fe&From=%2B14017122661",
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);

    use lambda_http::RequestExt;
    let request = lambda_http::request::from_str(&text).unwrap();
    assert_eq!(request.raw_http_path(), "/echo/%2B1%20555");
    assert_eq!(request.path_parameters().first("id"), Some("+1 555"));
    assert_eq!(request.query_string_parameters().all("a"), Some(vec!["1", "2"]));
    assert_eq!(request.headers()["x-twilio-signature"], "abc=");
    assert_eq!(request.body().as_ref(), b"Body=Gr%C3%BC%C3%9Fe&From=%2B14017122661");
}

#[tokio::test]
async fn binary_bodies_become_base64() {
    let server = Server::echo().await;
    for (content_type, body, expected, encoded) in [
        ("application/pdf", b"%PDF-1.7".to_vec(), "JVBERi0xLjc=", true),
        ("multipart/form-data; boundary=x", b"--x--".to_vec(), "LS14LS0=", true),
        ("application/octet-stream", vec![0xff, 0xfe], "//4=", true),
        ("application/json", "\"ü\"".as_bytes().to_vec(), "\"ü\"", false),
    ] {
        let request = server.client.post(server.url("/echo/1")).header("content-type", content_type).body(body);
        let text = request.send().await.unwrap().text().await.unwrap();
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(expected), &json!(encoded)), "{content_type}");
    }
    let text = server.client.get(server.url("/echo/1")).send().await.unwrap().text().await.unwrap();
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&event["body"], &event["queryStringParameters"]), (&Value::Null, &Value::Null));
    assert_eq!(event["requestContext"]["path"], "/echo/1");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_as_the_gateway_does() {
    let server = Server::echo().await;
    for request in [
        server.client.get(server.url("/nothing")),
        server.client.delete(server.url("/echo/1")),
        server.client.get(server.url("/v2/echo/1")),
        server.client.request(reqwest::Method::OPTIONS, server.url("/nothing")),
    ] {
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("x-amzn-requestid"));
        assert_eq!(message(response).await, (403, "Missing Authentication Token".to_owned()));
    }
}

#[tokio::test]
async fn preflight_is_answered_on_every_known_path() {
    let server = Server::echo().await;
    for path in ["/echo/1", "/v1/stream"] {
        let response = server.client.request(reqwest::Method::OPTIONS, server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert_eq!(response.headers()["access-control-allow-methods"], "GET,POST,OPTIONS");
        assert_eq!(response.headers()["access-control-allow-headers"], "Authorization,Content-Type");
        assert_eq!(response.headers()["access-control-max-age"], "600");
    }
}

#[tokio::test]
async fn answers_are_passed_on() {
    let answer = json!({
        "statusCode": 201,
        "headers": {"x-one": "1"},
        "multiValueHeaders": {"set-cookie": ["a=b", "c=d"], "content-type": ["application/octet-stream"]},
        "body": "//4=",
        "isBase64Encoded": true,
    });
    let server = Server::with(move |_| std::future::ready(Answer::Buffered(answer.to_string().into()))).await;
    let response = server.client.get(server.url("/echo/1")).send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-one"], "1");
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(response.bytes().await.unwrap(), vec![0xff, 0xfe]);
}

#[tokio::test]
async fn failures_of_the_function_are_502() {
    let server = Server::with(|event| {
        std::future::ready(match event.payload["pathParameters"]["id"].as_str() {
            Some("error") => Answer::Error(json!({"errorType": "E", "errorMessage": "secret"})),
            Some("prelude") => Answer::Raw("{\"statusCode\":200}\0\0\0\0\0\0\0\0x".into()),
            _ => Answer::Buffered("{\"not\":\"a response\"}".into()),
        })
    })
    .await;
    for id in ["error", "prelude", "malformed"] {
        let response = server.client.get(server.url(&format!("/echo/{id}"))).send().await.unwrap();
        assert_eq!(message(response).await, (502, "Internal server error".to_owned()), "{id}");
    }
}

#[tokio::test]
async fn an_integration_that_takes_too_long_is_504() {
    let mut template = template();
    for route in &mut template.routes {
        route.timeout = Duration::from_millis(60);
    }
    let fake = Fake::start("fake", async |_| Answer::Silence).await;
    let server = Server::start(template, settings(), fake).await;
    for path in ["/echo/1", "/stream"] {
        let response = within(DEADLINE, server.client.get(server.url(path)).send()).await.unwrap().unwrap();
        assert_eq!(message(response).await, (504, "Endpoint request timed out".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_function_without_time_left_is_504_too() {
    let spec = Spec { timeout: Duration::from_millis(50), ..spec("fake") };
    let server = Server::start(template(), settings(), Fake::with(spec, 1, async |_| Answer::Silence).await).await;
    let response = server.client.get(server.url("/echo/1")).send().await.unwrap();
    assert_eq!(message(response).await, (504, "Endpoint request timed out".to_owned()));
}

#[test]
fn a_time_scale_leaves_invocations_some_time() {
    let at = |time_scale, seconds| {
        let settings = Settings { time_scale, ..(*settings()).clone() };
        invocation_limit(&settings, Duration::from_secs(seconds)).as_secs()
    };
    assert_eq!((at(1.0, 29), at(1.0, 2)), (29, 2));
    assert_eq!((at(1000.0, 29), at(1000.0, 2)), (3, 2));
    assert_eq!((at(100.0, 900), at(1000.0, 900)), (9, 3));
}

#[tokio::test]
async fn requests_have_the_limits_of_gateway_and_lambda() {
    let server = Server::with(|_| std::future::ready(Answer::proxy(200, "taken"))).await;
    let post = |length: usize| server.client.post(server.url("/echo/1")).body(vec![b'x'; length]).send();
    assert_eq!(message(post(REQUEST_LIMIT + 1).await.unwrap()).await, (413, "Request Too Long".to_owned()));
    assert_eq!(message(post(EVENT_LIMIT).await.unwrap()).await, (413, "Request Too Long".to_owned()));
    assert_eq!(post(EVENT_LIMIT - 10_000).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_stream_passes_through_as_it_is_written() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let server = Server::with(move |_| {
        let chunks = receiver.lock().unwrap().take().unwrap();
        let prelude = json!({"statusCode": 203, "headers": {"content-type": "text/event-stream"}});
        std::future::ready(Answer::Streaming(prelude, chunks))
    })
    .await;
    let response = within(DEADLINE, server.client.get(server.url("/stream")).send()).await.unwrap().unwrap();
    assert_eq!(response.status(), 203);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.bytes_stream();
    for event in ["event: token\ndata: {}\n\n", ": ping\n\n"] {
        sender.send(Bytes::from_static(event.as_bytes())).unwrap();
        assert_eq!(within(DEADLINE, body.next()).await.unwrap().unwrap().unwrap(), event);
    }
    drop(sender);
    assert!(within(DEADLINE, body.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_silent_stream_is_cut() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let fake = Fake::start("fake", move |_| {
        let chunks = receiver.lock().unwrap().take().unwrap();
        std::future::ready(Answer::Streaming(json!({"statusCode": 200}), chunks))
    })
    .await;
    let mut template = template();
    for route in &mut template.routes {
        route.timeout = STREAM_LIMIT;
    }
    // Five minutes in 100 ms.
    let settings = Arc::new(Settings { time_scale: 3000.0, ..(*settings()).clone() });
    let server = Server::start(template, settings, fake).await;
    let response = within(DEADLINE, server.client.get(server.url("/stream")).send()).await.unwrap().unwrap();
    assert!(within(DEADLINE, response.bytes()).await.unwrap().is_err(), "an abrupt end is an error to the client");
    drop(sender);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::echo().await;
    let mut socket = tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    for _ in 0..3 {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        socket.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"Token\"}") {
            let mut part = [0; 1024];
            let read = within(DEADLINE, socket.read(&mut part)).await.unwrap().unwrap();
            assert_ne!(read, 0, "the connection was closed");
            answer.extend_from_slice(&part[..read]);
        }
    }
}
