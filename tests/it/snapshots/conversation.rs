//! `GET /api/conversation/{conversation_id}`.

use super::refused;
use crate::support::backstage::{ended, said};
use crate::support::cloud::{
    ADA, AURORA, BEN, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, ENDED, LIVE, SHARED_CONTACT, SHARED_PHONE, TAKEN,
};
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn a_snapshot_has_every_field_of_the_contract_with_null_where_there_is_none() {
    let cloud = Cloud::silent().await;
    let response = cloud.get(&format!("/api/conversation/{LIVE}"), ADA).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "private, no-cache");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["success"], true);
    let mut live = body["conversation"].clone();
    let messages = live["messages"].take();
    assert_eq!(
        live,
        json!({
            "conversation_id": LIVE, "call_id": "call_919325590143_20251003_115804", "worker_id": "worker_919325590143",
            "mobile_no": "+919325590143", "urgency": "CRITICAL", "status": "ACTIVE", "medium": "Voice",
            "timestamp": "2025-10-03T17:28:04+05:30", "updated_at": "2025-10-03T17:28:04+05:30",
            "messages": null, "total_messages": 4, "admin_id": null, "seq": 5,
        })
    );
    assert_eq!(messages.as_array().unwrap().len(), 4);
    assert_eq!(
        messages[1],
        json!({
            "message_id": "msg_919325590143_20251003_115804_0002", "role": "assistant",
            "content": "I am alerting the response team. Is anybody hurt?",
            "timestamp": "2025-10-03T17:28:04+05:30", "sources": "", "seq": 3, "actor": "assistant",
        })
    );
    // No call, and another zone.
    let text = cloud.snapshot(BICI_LIVE, CLEO).await;
    assert_eq!((&text["call_id"], &text["admin_id"], &text["medium"]), (&json!(null), &json!(null), &json!("SMS")));
    assert!(text.as_object().unwrap().contains_key("call_id"));
    let zone = text["timestamp"].as_str().unwrap();
    assert!(zone.ends_with("-04:00") || zone.ends_with("-05:00"), "Toronto: {zone}");
}

#[tokio::test]
async fn ended_and_taken_over_conversations_are_served_to_whom_they_belong() {
    let cloud = Cloud::silent().await;
    let over = cloud.snapshot(ENDED, BEN).await;
    assert_eq!((&over["status"], &over["seq"], &over["admin_id"]), (&json!("ENDED"), &json!(4), &json!(null)));
    assert_eq!(over["ended_at"], over["updated_at"]);
    assert_eq!(over["messages"].as_array().unwrap().len(), 2);
    let taken = cloud.snapshot(TAKEN, ADA).await;
    assert_eq!((&taken["status"], &taken["admin_id"]), (&json!("TAKEN_OVER"), &json!("admin_ada")));
    let path = format!("/api/conversation/{TAKEN}");
    assert_eq!(refused(&cloud, &path, BEN).await, (StatusCode::FORBIDDEN, json!("taken_over")));
    // Over for good, and still Ada's.
    cloud.append(AURORA, TAKEN, ended()).await;
    assert_eq!(cloud.snapshot(TAKEN, ADA).await["status"], "ENDED");
    assert_eq!(refused(&cloud, &path, BEN).await, (StatusCode::FORBIDDEN, json!("taken_over")));
}

#[tokio::test]
async fn since_seq_gives_only_what_came_after() {
    let cloud = Cloud::silent().await;
    let since = |seq: u64| {
        let path = format!("/api/conversation/{LIVE}?since_seq={seq}");
        let cloud = &cloud;
        async move { cloud.json(&path, ADA).await["conversation"].take() }
    };
    let numbers = |snapshot: &Value| -> Vec<u64> {
        snapshot["messages"].as_array().unwrap().iter().map(|message| message["seq"].as_u64().unwrap()).collect()
    };
    // A number beyond the log is of another history: it starts over.
    for (seq, expected) in [(0, vec![2, 3, 4, 5]), (3, vec![4, 5]), (5, vec![]), (6, vec![2, 3, 4, 5])] {
        let snapshot = since(seq).await;
        assert_eq!(numbers(&snapshot), expected, "since {seq}");
        assert_eq!((&snapshot["total_messages"], &snapshot["seq"]), (&json!(4), &json!(5)));
    }
    assert_eq!(numbers(&since(u64::MAX).await), [2, 3, 4, 5]);
    for bad in ["-1", "x", "1.5", "99999999999999999999"] {
        let path = format!("/api/conversation/{LIVE}?since_seq={bad}");
        assert_eq!(refused(&cloud, &path, ADA).await, (StatusCode::BAD_REQUEST, json!("invalid_request")), "{bad}");
    }
}

#[tokio::test]
async fn an_etag_holds_until_something_happens() {
    let cloud = Cloud::silent().await;
    let path = format!("/api/conversation/{LIVE}");
    let get = |path: &str, known: &str| cloud.get(path, ADA).header("if-none-match", known).send();
    let first = cloud.get(&path, ADA).send().await.unwrap();
    let etag = first.headers()["etag"].to_str().unwrap().to_owned();
    for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let again = get(&path, &known).await.unwrap();
        assert_eq!((again.status(), again.headers()["etag"].to_str().unwrap()), (StatusCode::NOT_MODIFIED, &*etag));
        assert!(again.bytes().await.unwrap().is_empty());
    }
    for unknown in ["\"other\"", "nonsense", ""] {
        assert_eq!(get(&path, unknown).await.unwrap().status(), 200, "{unknown}");
    }
    // Another part of the conversation is another text.
    assert_eq!(get(&format!("{path}?since_seq=2"), &etag).await.unwrap().status(), 200);

    cloud.append(AURORA, LIVE, said("More smoke")).await;
    let changed = get(&path, &etag).await.unwrap();
    assert_eq!(changed.status(), 200);
    assert_ne!(changed.headers()["etag"], etag.as_str());
    // A validator is no way around the access rule, and none for what is not there.
    let path = format!("/api/conversation/{TAKEN}");
    let refused = cloud.get(&path, BEN).header("if-none-match", "*").send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let missing = cloud.get("/api/conversation/conv_1", BEN).header("if-none-match", "*").send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_is_anothers_is_forbidden() {
    let cloud = Cloud::silent().await;
    for id in ["conv_404", "a%2Fb", "%20", "x%23y", "%00", "..%2F..%2Fhealth"] {
        let path = format!("/api/conversation/{id}");
        assert_eq!(refused(&cloud, &path, ADA).await, (StatusCode::NOT_FOUND, json!("not_found")), "{id}");
    }
    let path = format!("/api/conversation/{BICI_LIVE}");
    assert_eq!(refused(&cloud, &path, ADA).await, (StatusCode::FORBIDDEN, json!("other_organization")));
}

/// G12: a snapshot taken while messages come in, and a stream from its number on, are the whole log, each event once.
#[tokio::test]
async fn a_snapshot_and_the_stream_from_its_number_have_no_gap_and_no_overlap() {
    let cloud = Cloud::silent().await;
    let texts: Vec<String> = (0..12).map(|n| format!("message {n}")).collect();
    let write = join_all(texts.iter().map(|text| cloud.text(SHARED_PHONE, BICI_NUMBER, text)));
    let read = async {
        let mut seen = Vec::new();
        let mut snapshot = Value::Null;
        // Taken in the middle of it.
        while snapshot["seq"].as_u64().unwrap_or_default() < 5 {
            snapshot = cloud.snapshot(BICI_LIVE, CLEO).await;
        }
        seen.extend(snapshot["messages"].as_array().unwrap().iter().map(|message| message["seq"].as_u64().unwrap()));
        let seq = snapshot["seq"].as_u64().unwrap();
        let path = format!("/api/conversation/{BICI_LIVE}/stream?since_seq={seq}");
        let mut stream = crate::support::sse::Sse::open(cloud.get(&path, CLEO)).await;
        while seen.last() != Some(&14) {
            let block = stream.next().await.unwrap();
            assert_eq!(block.name(), "new_messages", "nothing is told again");
            seen.extend(block.seqs());
        }
        seen
    };
    let ((), seen) = tokio::join!(async { drop(write.await) }, read);
    assert_eq!(seen, (1..=14).collect::<Vec<_>>());
    let listed = cloud.json(&format!("/api/admin/contacts/{SHARED_CONTACT}"), CLEO).await;
    assert_eq!(listed["contact"]["mobile_no"], SHARED_PHONE);
}
