use super::frame::{Blocks, Frame};
use super::*;
use axum::Router;
use axum::body::Body;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::Message;
use axum::routing::{any, get, post};
use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::broadcast;

fn cloud(extra: &serde_json::Value) -> Running {
    let mut info = json!({
        "base_url": "http://x", "public_base_url": "http://x", "websocket_url": "ws://x",
        "organizations": [
            {"id": "other", "name": "O", "phone_number": "+1"},
            {"id": "bici-demo", "name": "BICI", "phone_number": "+2"},
        ],
        "users": [{"email": "cleo@bici.example", "role": "admin", "organization_id": "bici-demo", "token": "t"}],
        "contacts": [{"id": "lead_7", "phone_number": "+14155550142", "organization_id": "bici-demo"}],
        "twilio": {"account_sid": "AC1", "auth_token": "t"},
        "elevenlabs": {"initiation_headers": {}, "post_call_secret": "s", "agent_id": "a"},
    });
    info.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(info).unwrap()
}

#[test]
fn the_cast_is_that_of_seed_b() {
    let cloud = cloud(&json!({}));
    let cast = Cast::of(&cloud, "+14155550142").unwrap();
    assert_eq!(
        (cast.lead_id.as_str(), cast.agent_name.as_str(), cast.organization.id.as_str()),
        ("lead_7", "Cleo", "bici-demo")
    );
    assert_eq!(Cast::of(&cloud, "+14165550199").unwrap().lead_id, "worker_14165550199");
}

#[test]
fn without_people_there_is_no_demo() {
    assert!(matches!(Cast::of(&cloud(&json!({"users": []})), "+1"), Err(Error::NoDemoData)));
}

#[test]
fn joint_frames_are_taken_apart() {
    let frames =
        Frame::read(r#"{"type":"events","events":[{"type":"sms_received","message":"a"},{"type":"sms_sent"}]}"#);
    assert_eq!(frames.iter().map(|frame| frame.kind.as_str()).collect::<Vec<_>>(), ["sms_received", "sms_sent"]);
    assert!(Frame::read("not json").is_empty());
}

/// A cloud that only broadcasts what each request is to cause; `wrong` is put in the place of the AI's answer.
async fn fake(wrong: Option<&'static str>) -> Running {
    let (frames, _) = broadcast::channel::<String>(64);
    let says = |kinds: &'static [&'static str]| {
        let frames = frames.clone();
        post(async move || {
            for kind in kinds {
                let kind = wrong.filter(|_| *kind == "sms_sent").unwrap_or(kind);
                let _ = frames.send(json!({"type": kind, "message": "text"}).to_string());
            }
            "{}"
        })
    };
    let (sse, socket) = (frames.clone(), frames.clone());
    let sse = get(async move || {
        let live = stream::unfold(sse.subscribe(), async |mut live| Some((live.recv().await.ok()?, live)));
        let history = stream::iter([json!({"type": "conversation_history", "messages": []}).to_string()]);
        Body::from_stream(history.chain(live).map(|frame| Ok::<_, std::io::Error>(format!("data: {frame}\n\n"))))
    });
    let websocket = any(async move |upgrade: WebSocketUpgrade| {
        let mut live = socket.subscribe();
        upgrade.on_upgrade(async move |mut socket| {
            let subscribe = socket.recv().await.unwrap().unwrap();
            assert!(subscribe.to_text().unwrap().contains("lead_7"));
            socket.send(Message::text(r#"{"type":"subscribed"}"#)).await.unwrap();
            while let Ok(frame) = live.recv().await {
                let _ = socket.send(Message::text(frame)).await;
            }
        })
    });
    let control = "/api/conversations/human-control";
    let router = Router::new()
        .route("/api/stream/conversation/lead_7", sse)
        .route("/chat/ws", websocket)
        .route("/api/webhooks/twilio/sms/incoming", says(&["sms_received", "sms_sent"]))
        .route(&format!("{control}/status/{{number}}"), get(async || r#"{"under_human_control":true}"#))
        .route(&format!("{control}/join"), says(&["human_control_started"]))
        .route(&format!("{control}/send-message"), says(&["human_message_sent"]))
        .route(&format!("{control}/leave"), says(&["human_control_ended"]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    crate::http::system::spawn(crate::http::serve(listener, router, std::future::pending()));
    let urls = [("base_url", "http"), ("websocket_url", "ws")];
    let mut info = json!({});
    for (name, scheme) in urls {
        info[name] = format!("{scheme}://{address}{}", if scheme == "ws" { "/chat/ws" } else { "" }).into();
    }
    cloud(&info)
}

#[tokio::test]
async fn the_five_steps_are_seen_over_both_transports() {
    Box::pin(steps(&fake(None).await, "+14155550142")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_fails_the_demo() {
    let error = Box::pin(steps(&fake(Some("sms_lost")).await, "+14155550142")).await.unwrap_err();
    assert_eq!(error.to_string(), "sms_sent did not come over SSE within 30 seconds");
}

proptest! {
    #[test]
    fn blocks_are_the_same_wherever_a_chunk_ends(cuts in prop::collection::vec(1_usize..12, 1..40)) {
        let stream = "data: {\"a\":\"é\"}\nid: 1\n\n: ping\n\ndata: x\ndata: y\n\n".as_bytes();
        let mut blocks = Blocks::default();
        let (mut data, mut rest) = (Vec::new(), stream);
        for cut in cuts.into_iter().cycle() {
            let (chunk, more) = rest.split_at(cut.min(rest.len()));
            data.extend(blocks.push(chunk));
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(data, ["{\"a\":\"é\"}", "x\ny"]);
    }
}
