//! Seed A: `initial`, then only what is new, until the end.

use super::rest;
use crate::support::backstage::{ended, handed_back_by, said, taken_over_by};
use crate::support::cloud::{ADA, AURORA, BEN, BICI_LIVE, Cloud, ENDED, LIVE, TAKEN, UMA};
use crate::support::sse::Sse;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

fn names(blocks: &[crate::support::sse::Block]) -> Vec<&str> {
    blocks.iter().map(crate::support::sse::Block::name).collect()
}

async fn with_last_event_id(cloud: &Cloud, id: &str, query: &str, last: &[u8]) -> Response {
    let value = reqwest::header::HeaderValue::from_bytes(last).unwrap();
    let path = format!("/api/conversation/{id}/stream{query}");
    cloud.get(&path, ADA).header("accept", "text/event-stream").header("last-event-id", value).send().await.unwrap()
}

#[tokio::test]
async fn the_first_block_is_the_snapshot_and_the_others_are_news_only() {
    let cloud = Cloud::silent().await;
    let mut stream = cloud.stream(LIVE, ADA, None).await;
    let initial = stream.next().await.unwrap();
    assert_eq!((initial.event.as_deref(), initial.id), (Some("initial"), Some(5)));
    assert_eq!(initial.data, cloud.snapshot(LIVE, ADA).await);

    for n in 0..3_u64 {
        cloud.append(AURORA, LIVE, said(&format!("news {n}"))).await;
        let news = stream.next().await.unwrap();
        assert_eq!((news.event.as_deref(), news.id), (Some("new_messages"), Some(6 + n)));
        assert_eq!((&news.data["conversation_id"], &news.data["total_messages"]), (&json!(LIVE), &json!(5 + n)));
        assert_eq!(news.data["messages"].as_array().unwrap().len(), 1);
        let message = cloud.snapshot(LIVE, ADA).await["messages"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(news.data["messages"][0], message);
    }
    // What is no message has a name of its own; the reading admin takes over and hands back.
    cloud.append(AURORA, LIVE, taken_over_by("admin_ada")).await;
    let block = stream.next().await.unwrap();
    assert_eq!(
        (block.name(), block.id, &block.data["status"]),
        ("human_control_started", Some(9), &json!("TAKEN_OVER"))
    );
    assert_eq!(block.data["agentId"], "admin_ada");
    cloud.append(AURORA, LIVE, handed_back_by("admin_ada", Some("calm again"))).await;
    let block = stream.next().await.unwrap();
    assert_eq!((block.name(), block.id, &block.data["admin_id"]), ("human_control_ended", Some(10), &json!(null)));
}

#[tokio::test]
async fn a_reconnect_gets_what_it_missed_and_no_initial() {
    let cloud = Cloud::silent().await;
    let mut stream = cloud.stream(LIVE, ADA, Some(3)).await;
    let block = stream.next().await.unwrap();
    assert_eq!((block.name(), block.seqs(), block.id), ("new_messages", vec![4, 5], Some(5)));
    let mut up_to_date = cloud.stream(LIVE, ADA, Some(5)).await;
    cloud.append(AURORA, LIVE, said("news")).await;
    for stream in [&mut stream, &mut up_to_date] {
        assert_eq!(stream.next().await.unwrap().seqs(), [6]);
    }
    // From before the first message: the call's start is an event too.
    let mut stream = cloud.stream(LIVE, ADA, Some(0)).await;
    assert_eq!(stream.next().await.unwrap().name(), "call_initiated");
    assert_eq!(stream.next().await.unwrap().seqs(), [2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_number_that_is_not_of_this_log_starts_over() {
    let cloud = Cloud::silent().await;
    for last in [&b"6"[..], b"999999999999999999", b"99999999999999999999", b"-1", b"+3", b"3.0", b"abc", b"\xff\xfe"] {
        let response = with_last_event_id(&cloud, LIVE, "", last).await;
        assert_eq!(response.status(), 200);
        let mut stream = Sse::of(response);
        assert_eq!(stream.next().await.unwrap().name(), "initial", "{last:?}");
    }
    // Nonsense in the header leaves the query's number, and a good header wins over it.
    for (last, seqs) in [(&b"nonsense"[..], vec![5]), (b"3", vec![4, 5])] {
        let mut stream = Sse::of(with_last_event_id(&cloud, LIVE, "?since_seq=4", last).await);
        assert_eq!(stream.next().await.unwrap().seqs(), seqs);
    }
}

#[tokio::test]
async fn the_end_of_a_conversation_ends_its_stream_for_good() {
    let cloud = Cloud::silent().await;
    let mut stream = cloud.stream(LIVE, ADA, None).await;
    assert_eq!(stream.next().await.unwrap().name(), "initial");
    cloud.append(AURORA, LIVE, said("goodbye")).await;
    cloud.append(AURORA, LIVE, ended()).await;
    let blocks = rest(&mut stream).await;
    assert_eq!(names(&blocks), ["new_messages", "conversation_ended", "ended"]);
    let last = blocks.last().unwrap();
    assert_eq!(last.data, json!({"message": "Conversation has ended", "conversation_id": LIVE}));
    assert_eq!(last.id, Some(7));
    // 204 is the only answer that an EventSource takes for an end.
    let response = with_last_event_id(&cloud, LIVE, "", b"7").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(response.bytes().await.unwrap().is_empty());
    assert_eq!(with_last_event_id(&cloud, LIVE, "?since_seq=7", b"").await.status(), StatusCode::NO_CONTENT);
    // Whoever missed the end still gets it.
    let blocks = rest(&mut cloud.stream(LIVE, ADA, Some(6)).await).await;
    assert_eq!(names(&blocks), ["conversation_ended", "ended"]);
}

#[tokio::test]
async fn an_ended_conversation_is_told_whole_and_then_ends() {
    let cloud = Cloud::silent().await;
    for email in [ADA, BEN] {
        let mut stream = cloud.stream(ENDED, email, None).await;
        let blocks = rest(&mut stream).await;
        assert_eq!(names(&blocks), ["initial", "ended"]);
        assert_eq!(blocks[0].data, cloud.snapshot(ENDED, email).await);
    }
}

#[tokio::test]
async fn a_stream_that_may_not_be_opened_is_refused_before_it_begins() {
    let cloud = Cloud::silent().await;
    let refusal = |id: &'static str, email: Option<&'static str>| {
        let path = format!("/api/conversation/{id}/stream");
        let request = match email {
            Some(email) => cloud.get(&path, email),
            None => cloud.anonymous(Method::GET, &path),
        };
        async move {
            let response = request.header("accept", "text/event-stream").send().await.unwrap();
            assert_eq!(response.headers()["content-type"], "application/json");
            let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
            let status = response.status().as_u16();
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["request_id"], id);
            (status, body["code"].as_str().unwrap().to_owned())
        }
    };
    for (id, email, status, code) in [
        (LIVE, None, 401, "missing_token"),
        (LIVE, Some(UMA), 403, "forbidden"),
        (TAKEN, Some(BEN), 403, "taken_over"),
        (BICI_LIVE, Some(ADA), 403, "other_organization"),
        ("conv_404", Some(ADA), 404, "not_found"),
    ] {
        assert_eq!(refusal(id, email).await, (status, code.to_owned()), "{id} as {email:?}");
    }
}
