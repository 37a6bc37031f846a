//! Through the router, with a status webhook of our own behind it.

use super::*;
use crate::http::system;
use crate::settings::Settings;
use crate::stand_ins::callbacks;
use ::http::Request;
use axum::body::Body;
use providers::twilio::signature::{self, SignedRequest, SigningKeys};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "token-of-the-test";

struct Stage {
    twilio: Twilio,
    base: String,
    callbacks: mpsc::UnboundedReceiver<(String, String)>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn start() -> Self {
        let (sender, callbacks) = mpsc::unbounded_channel();
        let hook = post(async move |headers: HeaderMap, body: String| {
            let signature = headers["x-twilio-signature"].to_str().unwrap().to_owned();
            sender.send((signature, body)).unwrap();
            StatusCode::NO_CONTENT
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/status", hook);
        system::spawn(crate::http::serve(listener, router, std::future::pending()));

        let folder = tempfile::tempdir().unwrap();
        let secrets = [("TWILIO_ACCOUNT_SID", ACCOUNT), ("TWILIO_AUTH_TOKEN", TOKEN)];
        let context = Context {
            data_dir: folder.path(),
            secrets: &secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            base: &base,
            public_base: "http://127.0.0.1:1",
            settings: &Arc::new(Settings {
                port: 0,
                data_dir: folder.path().to_owned(),
                time_scale: 6000.0,
                strict: false,
                bin_dir: None,
                launcher: None,
                chaos: None,
                hold: Vec::new(),
                seed_ports: false,
            }),
        };
        let twilio = Twilio::open(&context, callbacks::client().unwrap());
        Self { twilio, base, callbacks, _folder: folder }
    }

    async fn send(&self, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        self.send_as(ACCOUNT, TOKEN, fields).await
    }

    async fn send_as(&self, account: &str, token: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("To", "+14155550142"), ("From", "+14165550120"), ("Body", "Hello")]).extend_pairs(fields);
        let request = Request::post(format!("/twilio/2010-04-01/Accounts/{account}/Messages.json"));
        self.call(request.body(Body::from(form.finish())).unwrap(), account, token).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let uri = format!("/twilio/2010-04-01/Accounts/{ACCOUNT}/{path}");
        self.call(Request::get(uri).body(Body::empty()).unwrap(), ACCOUNT, TOKEN).await
    }

    async fn call(&self, mut request: Request<Body>, account: &str, token: &str) -> (StatusCode, Value) {
        let basic = format!("Basic {}", STANDARD.encode(format!("{account}:{token}")));
        request.headers_mut().insert(header::AUTHORIZATION, basic.parse().unwrap());
        answer(self.twilio.api().oneshot(request).await.unwrap()).await
    }

    async fn fault(&self, fault: Value) {
        self.control("POST", "faults", fault).await;
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(format!("/local/twilio/{path}"));
        let request = request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
        answer(self.twilio.view().oneshot(request).await.unwrap()).await
    }
}

async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn a_message_is_taken_and_told_of_with_valid_signatures() {
    let mut stage = Stage::start().await;
    // The public address cannot be reached from here; it is what is signed all the same.
    let url = "http://127.0.0.1:1/status";
    let (status, message) = stage.send(&[("StatusCallback", &format!("{url}#rc=3"))]).await;
    assert_eq!(
        (status, &message["status"], &message["num_segments"]),
        (StatusCode::CREATED, &json!("queued"), &json!("1"))
    );
    assert!(message["date_created"].as_str().unwrap().ends_with(" +0000"), "{message}");

    let keys = SigningKeys { auth_tokens: vec![Secret::new(TOKEN)], shared_keys: BTreeMap::new() };
    for expected in ["queued", "sent", "delivered"] {
        let (given, body) = stage.callbacks.recv().await.unwrap();
        let request = SignedRequest {
            method: "POST",
            url,
            content_type: Some("application/x-www-form-urlencoded"),
            body: body.as_bytes(),
            signature: Some(&given),
            settings: None,
        };
        signature::verify(&request, &keys).unwrap();
        assert!(body.contains(&format!("MessageStatus={expected}")), "{body}");
    }
    let sid = message["sid"].as_str().unwrap();
    assert_eq!(stage.get(&format!("Messages/{sid}.json")).await.1["status"], "delivered");
    let (_, seen) = stage.control("GET", "messages", json!(null)).await;
    assert_eq!((&seen[0]["sid"], &seen[0]["body"]), (&json!(sid), &json!("Hello")));
}

#[tokio::test]
async fn what_twilio_refuses_is_refused_with_its_codes() {
    let stage = Stage::start().await;
    let long = "x".repeat(1601);
    let cases: [(&[(&str, &str)], u32); 7] = [
        (&[("To", "")], 21604),
        (&[("To", "12")], 21211),
        (&[("From", "")], 21603),
        (&[("From", "+14155550142")], 21266),
        (&[("Body", "")], 21602),
        (&[("Body", &long)], 21617),
        (&[("StatusCallback", "status")], 21609),
    ];
    for (fields, code) in cases {
        let (status, error) = stage.send(fields).await;
        assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!(code)), "{error}");
    }
    let (status, error) = stage.send_as(ACCOUNT, "wrong", &[]).await;
    let expected = json!({
        "code": 20003, "message": "Authenticate", "status": 401,
        "more_info": "https://www.twilio.com/docs/errors/20003",
    });
    assert_eq!((status, error), (StatusCode::UNAUTHORIZED, expected));

    let account = json!({"account_sid": "AC2", "auth_token": "own"});
    assert_eq!(stage.send_as("AC2", "own", &[]).await.0, StatusCode::UNAUTHORIZED);
    stage.control("POST", "accounts", account).await;
    assert_eq!(stage.send_as("AC2", "own", &[]).await.0, StatusCode::CREATED);
    assert_eq!(stage.get("Messages.json").await.1["messages"], json!([]));
}

#[tokio::test]
async fn messages_are_found_by_number_and_time_page_by_page() {
    let stage = Stage::start().await;
    for body in ["1", "2", "3"] {
        stage.send(&[("Body", body)]).await;
    }
    stage.send(&[("To", "+14155550143")]).await;
    let bodies = |page: &Value| -> Vec<String> {
        page["messages"].as_array().unwrap().iter().map(|one| one["body"].as_str().unwrap().to_owned()).collect()
    };
    let now = jiff::Timestamp::now();
    let day = |days: i64| (now + jiff::SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%d").to_string();
    let query = format!("To=%2B14155550142&From=%2B14165550120&PageSize=2&DateSent%3E={}", day(-1));
    let (_, page) = stage.get(&format!("Messages.json?{query}")).await;
    assert_eq!(bodies(&page), ["3", "2"]);
    let next = page["next_page_uri"].as_str().unwrap().split_once(ACCOUNT).unwrap().1.trim_start_matches('/');
    assert_eq!(bodies(&stage.get(next).await.1), ["1"]);
    assert_eq!(bodies(&stage.get(&format!("Messages.json?DateSent%3E={}", day(0))).await.1).len(), 4);
    assert!(bodies(&stage.get(&format!("Messages.json?DateSent%3E={}", day(2))).await.1).is_empty());
    assert!(bodies(&stage.get(&format!("Messages.json?DateSent%3C={}", day(-2))).await.1).is_empty());
    assert_eq!(stage.get("Messages.json?DateSent=soon").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(stage.get("Messages/SM0.json").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn faults_are_played() {
    let mut stage = Stage::start().await;
    let callback = format!("{}/status", stage.base);
    stage.fault(json!({"kind": "rate_limit", "times": 1})).await;
    stage.fault(json!({"kind": "fail", "times": 1})).await;
    stage.fault(json!({"kind": "opted_out", "number": "+14155550199"})).await;
    assert_eq!(stage.send(&[]).await.1["code"], 20429);
    assert_eq!(stage.send(&[]).await.1["code"], 20500);
    assert_eq!(stage.send(&[("To", "+14155550199")]).await.1["code"], 21610);
    assert_eq!(stage.get("Messages.json").await.1["messages"], json!([]));

    // Neither is answered; only the second is sent.
    stage.fault(json!({"kind": "timeout", "times": 1})).await;
    stage.send(&[("Body", "silence")]).await;
    stage.fault(json!({"kind": "drop_response", "times": 1})).await;
    assert_eq!(stage.send(&[("Body", "lost")]).await.1, json!(null));
    let (_, list) = stage.get("Messages.json").await;
    assert_eq!((list["messages"].as_array().unwrap().len(), &list["messages"][0]["body"]), (1, &json!("lost")));

    stage.fault(json!({"kind": "no_callbacks", "times": 1})).await;
    stage.send(&[("StatusCallback", &callback)]).await;
    stage.fault(json!({"kind": "undelivered", "times": 1})).await;
    stage.send(&[("StatusCallback", &callback)]).await;
    let mut last = String::new();
    for _ in 0..3 {
        last = stage.callbacks.recv().await.unwrap().1;
    }
    assert!(last.contains("undelivered") && last.contains("ErrorCode=30003"), "{last}");
}
