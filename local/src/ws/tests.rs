//! Through real sockets, against a function that is a task.

use std::path::PathBuf;
use std::sync::Mutex;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::http::system;
use crate::runtime_api::fake::{Answer, Fake, functions};

const DEADLINE: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A served WebSocket API whose function reports its events and answers by the `token` of the query.
struct Server {
    address: String,
    client: reqwest::Client,
    hub: Hub,
    events: mpsc::UnboundedReceiver<Value>,
    _fake: Fake,
}

impl Server {
    async fn start(time_scale: f64) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let fake = Fake::start("websocket", move |event| {
            let _ = sender.send(event.payload.clone());
            async move { answer(&event.payload) }
        })
        .await;
        let routes = [
            ("$connect", "websocket"),
            ("$disconnect", "websocket"),
            ("$default", "websocket"),
            ("known", "websocket"),
        ];
        let template = Template {
            stage: "v1".to_owned(),
            websocket: Some(WebsocketApi {
                selection: "$request.body.action".to_owned(),
                routes: routes.map(|(key, binary)| (key.to_owned(), binary.to_owned())).into(),
            }),
            ..Template::default()
        };
        let settings = Settings {
            port: 8000,
            data_dir: PathBuf::new(),
            time_scale,
            strict: false,
            bin_dir: None,
            launcher: None,
            chaos: None,
            hold: Vec::new(),
            seed_ports: false,
        };
        let hub = Hub::default();
        let router = client_router(Arc::new(template), functions(&[&fake]), Arc::new(settings), hub.clone())
            .merge(management_router(hub.clone(), "v1"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        system::spawn(crate::http::serve(listener, router, std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, client, hub, events, _fake: fake }
    }

    async fn event(&mut self) -> Value {
        timeout(DEADLINE, self.events.recv()).await.unwrap().unwrap()
    }

    async fn connect(&self, path: &str) -> Result<Socket, Error> {
        timeout(DEADLINE, connect_async(format!("ws://{}{path}", self.address)))
            .await
            .unwrap()
            .map(|(socket, _)| socket)
    }

    /// A connection and its id.
    async fn connected(&mut self) -> (Socket, String) {
        let socket = self.connect("/chat/ws?token=good").await.unwrap();
        let event = self.event().await;
        (socket, event["requestContext"]["connectionId"].as_str().unwrap().to_owned())
    }

    fn management(&self, method: reqwest::Method, id: &str) -> reqwest::RequestBuilder {
        let id = id.replace('=', "%3D");
        self.client.request(method, format!("http://{}/v1/@connections/{id}", self.address))
    }

    async fn post(&self, id: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        self.management(reqwest::Method::POST, id).body(body).send().await.unwrap()
    }
}

fn answer(event: &Value) -> Answer {
    match (event["queryStringParameters"]["token"].as_str(), event["body"].as_str()) {
        (Some("protocol"), _) => Answer::Buffered(
            json!({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat.v1"}}).to_string().into(),
        ),
        (Some("forbidden"), _) => Answer::proxy(403, ""),
        (Some("unauthorized"), _) => Answer::proxy(401, ""),
        (Some("broken"), _) | (_, Some("fail")) => Answer::Error(json!({"errorType": "E", "errorMessage": "M"})),
        _ => Answer::proxy(200, ""),
    }
}

async fn next(socket: &mut Socket) -> Message {
    timeout(DEADLINE, socket.next()).await.unwrap().unwrap().unwrap()
}

async fn closed(socket: &mut Socket) -> CloseFrame {
    match next(socket).await {
        Message::Close(Some(frame)) => frame,
        other => panic!("expected a close frame, got {other:?}"),
    }
}

#[tokio::test]
async fn connect_has_the_event_of_the_gateway() {
    let mut server = Server::start(1.0).await;
    let mut request = format!("ws://{}/chat/ws?token=good&x=1&x=2", server.address).into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://app.example.com".parse().unwrap());
    request.headers_mut().insert("user-agent", "Test/1".parse().unwrap());
    let _socket = connect_async(request).await.unwrap();
    let event = server.event().await;
    assert_eq!(event["queryStringParameters"], json!({"token": "good", "x": "2"}));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"token": ["good"], "x": ["1", "2"]}));
    assert_eq!(event["isBase64Encoded"], false);
    let headers = event["headers"].as_object().unwrap();
    let names: Vec<_> = headers.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "Host",
            "Origin",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "User-Agent",
            "X-Amzn-Trace-Id",
            "X-Forwarded-For",
            "X-Forwarded-Port",
            "X-Forwarded-Proto"
        ]
    );
    assert_eq!(event["multiValueHeaders"]["Origin"], json!(["https://app.example.com"]));
    let context = event["requestContext"].as_object().unwrap();
    let names: Vec<_> = context.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "apiId",
            "connectedAt",
            "connectionId",
            "domainName",
            "eventType",
            "extendedRequestId",
            "identity",
            "messageDirection",
            "requestId",
            "requestTime",
            "requestTimeEpoch",
            "routeKey",
            "stage"
        ]
    );
    assert_eq!(context["routeKey"], "$connect");
    assert_eq!(context["eventType"], "CONNECT");
    assert_eq!(context["identity"], json!({"sourceIp": "127.0.0.1", "userAgent": "Test/1"}));
    let typed: ApiGatewayWebsocketProxyRequest = serde_json::from_value(event.clone()).unwrap();
    assert_eq!(typed.request_context.stage.as_deref(), Some("v1"));
    assert_eq!(typed.request_context.connection_id.as_deref(), context["connectionId"].as_str());
}

#[tokio::test]
async fn connect_can_refuse_the_handshake() {
    let server = Server::start(1.0).await;
    for (token, status) in [("forbidden", 403), ("unauthorized", 401), ("broken", 502)] {
        match server.connect(&format!("/v1?token={token}")).await {
            Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), status, "{token}"),
            other => panic!("{token}: {other:?}"),
        }
    }
    assert!(server.hub.is_empty());
}

#[tokio::test]
async fn the_chosen_subprotocol_is_echoed() {
    let server = Server::start(1.0).await;
    let mut request = format!("ws://{}/chat/ws?token=protocol", server.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat.v1, bearer.x".parse().unwrap());
    let (_socket, response) = connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v1");
}

#[tokio::test]
async fn an_id_is_gone_until_connect_has_returned() {
    let (started, mut starts) = mpsc::unbounded_channel();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let released = Mutex::new(Some(released));
    let fake = Fake::start("websocket", move |event| {
        let released = released.lock().unwrap().take();
        started.send(event.payload["requestContext"]["connectionId"].as_str().unwrap().to_owned()).unwrap();
        async move {
            if let Some(released) = released {
                let _ = released.await;
            }
            Answer::proxy(200, "")
        }
    })
    .await;
    let template = Template {
        stage: "v1".to_owned(),
        websocket: Some(WebsocketApi {
            selection: "$request.body.action".to_owned(),
            routes: [("$connect".to_owned(), "websocket".to_owned())].into(),
        }),
        ..Template::default()
    };
    let settings = Settings {
        port: 8000,
        data_dir: PathBuf::new(),
        time_scale: 1.0,
        strict: false,
        bin_dir: None,
        launcher: None,
        chaos: None,
        hold: Vec::new(),
        seed_ports: false,
    };
    let hub = Hub::default();
    let router = client_router(Arc::new(template), functions(&[&fake]), Arc::new(settings), hub.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/chat/ws", listener.local_addr().unwrap());
    system::spawn(crate::http::serve(listener, router, std::future::pending()));
    let connecting = system::spawn(async move { connect_async(url).await });
    let id = timeout(DEADLINE, starts.recv()).await.unwrap().unwrap();
    assert_eq!(hub.post(&id, Bytes::from_static(b"early")), Err(hub::Refused::Gone));
    release.send(()).unwrap();
    let (mut socket, _) = timeout(DEADLINE, connecting).await.unwrap().unwrap().unwrap();
    assert_eq!(hub.post(&id, Bytes::from_static(b"now")), Ok(()));
    assert_eq!(next(&mut socket).await, Message::text("now"));
}

#[tokio::test]
async fn messages_go_to_their_route_in_order() {
    let mut server = Server::start(1.0).await;
    let (mut socket, id) = server.connected().await;
    let bodies = [r#"{"action":"known"}"#, r#"{"action":"other"}"#, "ping", r#"{"message":"ü"}"#];
    for body in bodies {
        socket.send(Message::text(body)).await.unwrap();
    }
    for (body, route_key) in bodies.into_iter().zip(["known", "$default", "$default", "$default"]) {
        let event = server.event().await;
        assert_eq!(event["body"], body);
        assert_eq!(event["isBase64Encoded"], false);
        assert!(event.get("headers").is_none());
        let context = &event["requestContext"];
        assert_eq!(context["routeKey"], route_key);
        assert_eq!(context["eventType"], "MESSAGE");
        assert_eq!(context["connectionId"], id);
        assert!(context["messageId"].as_str().unwrap().ends_with('='));
        serde_json::from_value::<ApiGatewayWebsocketProxyRequest>(event).unwrap();
    }
    socket.send(Message::binary(vec![0xff])).await.unwrap();
    let event = server.event().await;
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
}

#[tokio::test]
async fn a_route_that_fails_tells_the_client() {
    let mut server = Server::start(1.0).await;
    let (mut socket, id) = server.connected().await;
    socket.send(Message::text("fail")).await.unwrap();
    let told: Value = serde_json::from_str(next(&mut socket).await.to_text().unwrap()).unwrap();
    assert_eq!((&told["message"], &told["connectionId"]), (&json!("Internal server error"), &json!(id)));
    assert_eq!(told["requestId"], server.event().await["requestContext"]["requestId"]);
}

#[tokio::test]
async fn disconnect_says_how_it_ended() {
    let mut server = Server::start(1.0).await;
    let (mut socket, id) = server.connected().await;
    socket.close(None).await.unwrap();
    let event = server.event().await;
    let context = &event["requestContext"];
    assert_eq!((&context["routeKey"], &context["eventType"]), (&json!("$disconnect"), &json!("DISCONNECT")));
    assert_eq!(context["connectionId"], id);
    assert_eq!(context["disconnectStatusCode"], 1005);
    assert_eq!(context["disconnectReason"], "Client-side close frame status not set");
    assert_eq!(event["headers"]["x-restapi"], "");
    serde_json::from_value::<ApiGatewayWebsocketProxyRequest>(event).unwrap();

    let (mut socket, _) = server.connected().await;
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() })).await.unwrap();
    let context = server.event().await["requestContext"].clone();
    assert_eq!((&context["disconnectStatusCode"], &context["disconnectReason"]), (&json!(1000), &json!("bye")));

    let (socket, id) = server.connected().await;
    drop(socket);
    assert_eq!(server.event().await["requestContext"]["disconnectStatusCode"], 1006);
    assert_eq!(server.post(&id, "x").await.status(), 410);
}

#[tokio::test]
async fn connections_can_be_posted_to_described_and_deleted() {
    let mut server = Server::start(1.0).await;
    let (mut socket, id) = server.connected().await;
    let posted = server.post(&id, r#"{"type":"hello"}"#).await;
    assert_eq!((posted.status().as_u16(), posted.content_length()), (200, Some(0)));
    assert_eq!(next(&mut socket).await, Message::text(r#"{"type":"hello"}"#));

    let described = server.management(reqwest::Method::GET, &id).send().await.unwrap();
    let described: Value = serde_json::from_slice(&described.bytes().await.unwrap()).unwrap();
    let (connected, active) = (described["connectedAt"].as_str().unwrap(), described["lastActiveAt"].as_str().unwrap());
    assert!(connected.ends_with('Z') && connected <= active, "{described}");
    assert_eq!(described["identity"]["sourceIp"], "127.0.0.1");

    assert_eq!(server.post(&id, vec![b'x'; MESSAGE_LIMIT]).await.status(), 200);
    assert_eq!(next(&mut socket).await.len(), MESSAGE_LIMIT);
    let refused = server.post(&id, vec![b'x'; MESSAGE_LIMIT + 1]).await;
    assert_eq!(refused.status(), 413);
    assert_eq!(refused.headers()["x-amzn-errortype"], "PayloadTooLargeException");

    assert_eq!(server.management(reqwest::Method::DELETE, &id).send().await.unwrap().status(), 204);
    let gone = server.post(&id, "x").await;
    assert_eq!((gone.status().as_u16(), &gone.headers()["x-amzn-errortype"]), (410, &"GoneException".parse().unwrap()));
    assert_eq!(closed(&mut socket).await.code, CloseCode::Normal);
    let _ = socket.next().await;
    assert_eq!(server.event().await["requestContext"]["disconnectStatusCode"], 1000);
    for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
        assert_eq!(server.management(method, &id).send().await.unwrap().status(), 410);
    }
}

#[tokio::test]
async fn frames_and_messages_that_are_too_large_end_the_connection() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    let mut server = Server::start(1.0).await;
    let (mut socket, _) = server.connected().await;
    socket.send(Message::text("x".repeat(FRAME_LIMIT))).await.unwrap();
    assert_eq!(server.event().await["body"].as_str().unwrap().len(), FRAME_LIMIT);
    socket.send(Message::text("x".repeat(FRAME_LIMIT + 1))).await.unwrap();
    assert_eq!(closed(&mut socket).await.code, CloseCode::Size);
    assert_eq!(server.event().await["requestContext"]["disconnectStatusCode"], 1009);

    let (mut socket, _) = server.connected().await;
    for part in 0..5 {
        let code = OpCode::Data(if part == 0 { Data::Text } else { Data::Continue });
        let frame = Frame::message(vec![b'x'; FRAME_LIMIT], code, false);
        socket.send(Message::Frame(frame)).await.unwrap();
    }
    assert_eq!(closed(&mut socket).await.code, CloseCode::Size);
    assert_eq!(server.event().await["requestContext"]["disconnectStatusCode"], 1009);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    // Ten minutes in 300 ms.
    let mut server = Server::start(2000.0).await;
    let (mut socket, _) = server.connected().await;
    let frame = closed(&mut socket).await;
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "Going away"));
    let _ = socket.next().await;
    let context = server.event().await["requestContext"].clone();
    assert_eq!((&context["disconnectStatusCode"], &context["disconnectReason"]), (&json!(1001), &json!("Going away")));
}

#[tokio::test]
async fn a_busy_connection_ends_with_its_life() {
    // Two hours in 720 ms, ten minutes in 60 ms.
    let mut server = Server::start(10_000.0).await;
    let start = std::time::Instant::now();
    let (mut socket, id) = server.connected().await;
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let frame = loop {
        tokio::select! {
            _ = ticks.tick() => { let _ = server.hub.post(&id, Bytes::from_static(b"tick")); }
            message = timeout(DEADLINE, socket.next()) => {
                if let Message::Close(frame) = message.unwrap().unwrap().unwrap() {
                    break frame.unwrap();
                }
            }
        }
    };
    assert_eq!(frame.code, CloseCode::Away);
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
}
