//! Through the router, with a post-call webhook of our own behind it.

use super::*;
use crate::http::system;
use crate::settings::Settings;
use crate::stand_ins::callbacks;
use ::http::{HeaderMap, Request, StatusCode};
use axum::body::Body;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

struct Stage {
    elevenlabs: ElevenLabs,
    webhooks: mpsc::UnboundedReceiver<(String, String)>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn start() -> Self {
        let (sender, webhooks) = mpsc::unbounded_channel();
        let hook = post(async move |headers: HeaderMap, body: String| {
            sender.send((headers[signature::HEADER].to_str().unwrap().to_owned(), body)).unwrap();
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route(POST_CALL_PATH, hook);
        system::spawn(crate::http::serve(listener, router, std::future::pending()));

        let folder = tempfile::tempdir().unwrap();
        let secrets = [
            ("ELEVENLABS_API_KEY", "key"),
            ("ELEVENLABS_POST_CALL_WEBHOOK_SECRET", "wsec_1"),
            ("TWILIO_PHONE_NUMBER", "+14155550199"),
        ];
        let context = Context {
            data_dir: folder.path(),
            secrets: &secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            base: &base,
            public_base: "https://example.test",
            settings: &Arc::new(Settings {
                port: 0,
                data_dir: folder.path().to_owned(),
                time_scale: 100.0,
                strict: false,
                bin_dir: None,
                launcher: None,
                chaos: None,
                hold: Vec::new(),
                seed_ports: false,
            }),
        };
        let elevenlabs = ElevenLabs::open(&context, callbacks::client().unwrap());
        Self { elevenlabs, webhooks, _folder: folder }
    }

    async fn call(&self, key: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post("/elevenlabs/v1/convai/twilio/outbound-call").header("xi-api-key", key);
        answer(self.elevenlabs.api().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap()).await
    }

    async fn get(&self, id: &str) -> (StatusCode, Value) {
        let uri = format!("/elevenlabs/v1/convai/conversations/{id}");
        let request = Request::get(uri).header("xi-api-key", "key").body(Body::empty()).unwrap();
        answer(self.elevenlabs.api().oneshot(request).await.unwrap()).await
    }

    async fn fault(&self, kind: &str) {
        let request = Request::post("/local/elevenlabs/faults").header("content-type", "application/json");
        let request = request.body(Body::from(json!({"kind": kind, "times": 1}).to_string())).unwrap();
        assert_eq!(self.elevenlabs.view().oneshot(request).await.unwrap().status(), StatusCode::OK);
    }

    /// The next webhook, its signature checked.
    async fn webhook(&mut self) -> Value {
        let (given, body) = self.webhooks.recv().await.unwrap();
        let seconds = given.split(['=', ',']).nth(1).unwrap().parse().unwrap();
        assert_eq!(given, signature::sign(&body, seconds, &Secret::new("wsec_1")));
        serde_json::from_str(&body).unwrap()
    }
}

async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

fn wanted() -> Value {
    json!({
        "agent_id": "agent_1", "agent_phone_number_id": "phnum_1", "to_number": "+14155550142",
        "conversation_initiation_client_data": {"user_id": "lead_1", "dynamic_variables": {
            "organization_id": "bici-demo", "customer_name": "Ann", "has_conversation_history": "true",
        }},
    })
}

#[tokio::test]
async fn a_call_is_taken_and_reported_with_what_the_agent_was_told() {
    let mut stage = Stage::start().await;
    let (status, placed) = stage.call("key", wanted()).await;
    assert_eq!((status, &placed["success"]), (StatusCode::OK, &json!(true)));
    assert!(placed["callSid"].as_str().unwrap().starts_with("CA"), "{placed}");

    let webhook = stage.webhook().await;
    let data = &webhook["data"];
    assert_eq!((&webhook["type"], &data["status"]), (&json!("post_call_transcription"), &json!("done")));
    assert_eq!(data["conversation_id"], placed["conversation_id"]);
    let variables = &data["conversation_initiation_client_data"]["dynamic_variables"];
    assert_eq!((&variables["customer_name"], &variables["system__call_sid"]), (&json!("Ann"), &placed["callSid"]));
    let line = &data["metadata"]["phone_call"];
    assert_eq!((&line["direction"], &line["agent_number"]), (&json!("outbound"), &json!("+14165550120")));
    assert_eq!((data["transcript"].as_array().unwrap().len(), &data["user_id"]), (4, &json!("lead_1")));
    assert_eq!(stage.get(placed["conversation_id"].as_str().unwrap()).await.1, *data);
    assert_eq!(stage.get("conv_x").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_elevenlabs_refuses_is_refused_in_its_shapes() {
    let stage = Stage::start().await;
    let (status, error) = stage.call("wrong", wanted()).await;
    let expected = json!({"detail": {"status": "invalid_api_key", "message": "Invalid API key"}});
    assert_eq!((status, error), (StatusCode::UNAUTHORIZED, expected));
    let mut incomplete = wanted();
    incomplete["to_number"].take();
    let (status, error) = stage.call("key", incomplete).await;
    let expected = json!({"detail": [{"loc": ["body", "to_number"], "msg": "Field required", "type": "missing"}]});
    assert_eq!((status, error), (StatusCode::UNPROCESSABLE_ENTITY, expected));
}

#[tokio::test]
async fn faults_are_played() {
    let mut stage = Stage::start().await;
    for (kind, status) in [("fail", 500), ("rate_limit", 429)] {
        stage.fault(kind).await;
        assert_eq!(stage.call("key", wanted()).await.0.as_u16(), status);
    }
    stage.fault("success_false").await;
    let (status, placed) = stage.call("key", wanted()).await;
    assert_eq!((status, &placed["success"], &placed["callSid"]), (StatusCode::OK, &json!(false), &json!(null)));
    stage.fault("timeout").await;
    assert_eq!(stage.call("key", wanted()).await.1, json!(null));
    stage.fault("no_webhook").await;
    stage.call("key", wanted()).await;
    stage.fault("busy").await;
    let (_, placed) = stage.call("key", wanted()).await;
    let webhook = stage.webhook().await;
    assert_eq!(
        (&webhook["type"], &webhook["data"]["failure_reason"]),
        (&json!("call_initiation_failure"), &json!("busy"))
    );
    assert_eq!(webhook["data"]["metadata"]["body"]["CallSid"], placed["callSid"]);
    assert!(stage.webhooks.try_recv().is_err());
}
