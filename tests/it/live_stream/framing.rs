//! Framing to the byte, because the seeds' parsers are exact (U11, A26, B02).

use super::raw::Raw;
use super::rest;
use crate::support::backstage::said;
use crate::support::cloud::{ADA, AURORA, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, LIVE, SHARED_CONTACT, SHARED_PHONE};
use serde_json::Value;

/// Three of each within a second.
const QUICK: [&str; 4] = ["--env", "STREAM_HEARTBEAT_SECONDS=0.3", "--env", "STREAM_PING_SECONDS=0.2"];

/// Checks a stream's blocks one by one; gives their kinds, as the first field of each.
fn kinds(text: &str, named: bool) -> Vec<String> {
    assert!(text.is_ascii() && !text.contains('\r'));
    let complete = text.rsplit_once("\n\n").unwrap().0;
    let check = |block: &str| {
        let fields: Vec<(&str, &str)> = block.lines().map(|line| line.split_once(": ").unwrap()).collect();
        let names: Vec<&str> = fields.iter().map(|field| field.0).collect();
        let data = |at: usize| serde_json::from_str::<Value>(fields[at].1).unwrap();
        match (named, names.as_slice()) {
            (_, ["" | "retry"]) => {}
            (true, ["event", "data"] | ["event", "data", "id"]) => assert!(data(1).is_object()),
            (false, ["data"] | ["data", "id"]) => assert_eq!(data(0)["organizationId"], "bici-demo"),
            other => panic!("{other:?}"),
        }
        if names.last() == Some(&"id") {
            assert!(fields.last().unwrap().1.bytes().all(|byte| byte.is_ascii_digit()));
        }
        match fields[0] {
            ("data", _) => data(0)["type"].as_str().unwrap().to_owned(),
            (_, value) => value.to_owned(),
        }
    };
    complete.split("\n\n").map(check).collect()
}

#[tokio::test]
async fn seed_as_stream_is_named_blocks_of_event_data_and_id() {
    let cloud = Cloud::silent().await;
    let request = cloud.get(&format!("/api/conversation/{LIVE}/stream"), ADA).header("accept", "text/event-stream");
    let mut stream = Raw::open(request).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert!(stream.header("cache-control").contains("no-cache"));
    assert_eq!(stream.header("x-accel-buffering"), "no");
    assert!(!stream.header("x-request-id").is_empty());
    let text = stream.until("event: initial").await;
    assert!(text.starts_with(": connected\n\nevent: initial\ndata: {"), "{text}");
    assert!(text.ends_with("}\nid: 5\n\n"), "{text}");

    cloud.append(AURORA, LIVE, said("Straße \u{1f525}\nnext line")).await;
    let text = stream.until("event: new_messages").await;
    let (_, block) = text.split_once("id: 5\n\n").unwrap();
    assert!(block.starts_with("event: new_messages\ndata: {") && block.ends_with("}\nid: 6\n\n"), "{block}");
    assert!(block.contains(r"Stra\u00dfe \ud83d\udd25\nnext line"), "{block}");
    assert_eq!(kinds(text, true), ["connected", "initial", "new_messages"]);
}

#[tokio::test]
async fn seed_bs_stream_is_unnamed_blocks_each_with_its_organization() {
    let cloud = Cloud::silent_with(&QUICK).await;
    let path = format!("/api/stream/conversation/{SHARED_CONTACT}?load=true&organizationId=bici-demo");
    let mut stream = Raw::open(cloud.get(&path, CLEO)).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    let text = stream.until("conversation_history").await;
    assert!(text.starts_with(": connected\n\ndata: {\"type\":\"conversation_history\","), "{text}");
    assert!(text.contains("}\nid: 2\n\n"), "{text}");
    cloud.text(SHARED_PHONE, BICI_NUMBER, "Grüße").await;
    assert!(stream.until("sms_received").await.contains(r#""message":"Gr\u00fc\u00dfe""#));
    stream.until("heartbeat").await;
    let response = cloud.request(reqwest::Method::POST, "/logout", CLEO).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let text = stream.until("\"type\":\"error\"").await;
    let kinds = kinds(text, false);
    for kind in ["conversation_history", "sms_received", "heartbeat", "error"] {
        assert!(kinds.contains(&kind.to_owned()), "{kind} in {kinds:?}");
    }
    assert!(!text.contains("event:"));
}

#[tokio::test]
async fn heartbeats_and_pings_come_in_their_own_time_and_are_small() {
    let cloud = Cloud::silent_with(&QUICK).await;
    let mut stream = cloud.stream(LIVE, ADA, None).await;
    assert_eq!(stream.next().await.unwrap().name(), "initial");
    for _ in 0..3 {
        let block = stream.next().await.unwrap();
        assert_eq!((block.event.as_deref(), block.id), (Some("heartbeat"), None));
        assert_eq!(block.data["status"], "connected");
        let timestamp = block.data["timestamp"].as_str().unwrap();
        assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
        // A27: about 50 bytes.
        let size = block.data.to_string().len();
        assert!(size <= 64, "{size} bytes");
    }
    assert_eq!(stream.comments[0], "connected");
    assert!(stream.comments.len() > 1 && stream.comments[1..].iter().all(|comment| comment == "ping"));
}

#[tokio::test]
async fn a_lease_ends_with_the_time_to_wait_and_the_client_goes_on_from_there() {
    let cloud = Cloud::silent_with(&["--env", "STREAM_LEASE_SECONDS=1"]).await;
    for path in [format!("/api/conversation/{BICI_LIVE}/stream"), format!("/api/stream/conversation/{SHARED_CONTACT}")]
    {
        let mut stream = crate::support::sse::Sse::open(cloud.get(&path, CLEO)).await;
        let blocks = rest(&mut stream).await;
        let last = blocks.last().unwrap();
        assert_eq!((last.retry, last.id, &last.event), (Some(1000), None, &None));
        assert!(blocks.iter().rev().skip(1).all(|block| block.retry.is_none()));
    }
    // What came in between is first of what the next stream says.
    cloud.text(SHARED_PHONE, BICI_NUMBER, "in between").await;
    let mut stream = cloud.stream(BICI_LIVE, CLEO, Some(2)).await;
    let block = stream.next().await.unwrap();
    assert_eq!((block.name(), block.seqs()), ("new_messages", vec![3]));
}
