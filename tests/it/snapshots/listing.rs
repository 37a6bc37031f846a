//! `GET /api/conversations` and `GET /get-active-calls`.

use super::refused;
use crate::support::backstage::{ended, taken_over_by};
use crate::support::cloud::{
    ADA, AURORA, AURORA_NUMBER, BEN, BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, DAN, ENDED, LIVE, TAKEN, UMA,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn ids(cloud: &Cloud, query: &str, email: &str) -> BTreeSet<String> {
    let listing = cloud.json(&format!("/api/conversations?limit=100&{query}"), email).await;
    assert_eq!((&listing["success"], &listing["next_cursor"]), (&json!(true), &json!(null)));
    ids_of(&listing).into_iter().collect()
}

fn ids_of(listing: &Value) -> Vec<String> {
    let all = listing["conversations"].as_array().unwrap();
    all.iter().map(|one| one["conversation_id"].as_str().unwrap().to_owned()).collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

#[tokio::test]
async fn filters_narrow_the_list_and_the_access_rule_does_first() {
    let cloud = Cloud::silent().await;
    let open = "conv_123";
    for (query, ada, ben) in [
        ("", &[LIVE, open, TAKEN, ENDED][..], &[LIVE, open, ENDED][..]),
        ("status=ACTIVE", &[LIVE, open], &[LIVE, open]),
        ("status=TAKEN_OVER", &[TAKEN], &[]),
        ("status=ENDED", &[ENDED], &[ENDED]),
        ("urgency=CRITICAL", &[LIVE], &[LIVE]),
        ("urgency=HIGH", &[TAKEN], &[]),
        ("medium=Chat", &[open], &[open]),
        ("medium=Voice&status=ACTIVE", &[LIVE], &[LIVE]),
        ("medium=SMS", &[], &[]),
        ("medium=Chat&urgency=CRITICAL", &[], &[]),
    ] {
        assert_eq!(ids(&cloud, query, ADA).await, set(ada), "Ada: {query}");
        assert_eq!(ids(&cloud, query, BEN).await, set(ben), "Ben: {query}");
        assert_eq!(ids(&cloud, query, DAN).await, set(ben), "Dan: {query}");
    }
    assert_eq!(ids(&cloud, "", CLEO).await, set(&[BICI_LIVE]));
    let forbidden = (StatusCode::FORBIDDEN, json!("forbidden"));
    assert_eq!(refused(&cloud, "/api/conversations", UMA).await, forbidden);

    // It follows what happens.
    cloud.append(AURORA, LIVE, taken_over_by("admin_ben")).await;
    assert_eq!(ids(&cloud, "status=TAKEN_OVER", BEN).await, set(&[LIVE]));
    assert_eq!(ids(&cloud, "status=ACTIVE", ADA).await, set(&[open]));
    cloud.append(AURORA, open, ended()).await;
    assert_eq!(ids(&cloud, "status=ENDED", ADA).await, set(&[ENDED, open]));
}

#[tokio::test]
async fn a_listed_conversation_says_what_the_snapshot_says_without_its_messages() {
    let cloud = Cloud::silent().await;
    let mut listing = cloud.json("/api/conversations?urgency=CRITICAL", ADA).await;
    let listed = listing["conversations"][0].take();
    let snapshot = cloud.snapshot(LIVE, ADA).await;
    for (name, value) in listed.as_object().unwrap() {
        assert_eq!(&snapshot[name], value, "{name}");
    }
    let missing: Vec<_> = snapshot.as_object().unwrap().keys().filter(|name| listed.get(*name).is_none()).collect();
    assert_eq!(missing, ["messages"]);
}

#[tokio::test]
async fn active_calls_are_the_going_on_conversations_unless_asked_otherwise() {
    let cloud = Cloud::silent().await;
    let calls = cloud.json("/get-active-calls", ADA).await;
    assert_eq!(ids_of(&calls).into_iter().collect::<BTreeSet<_>>(), set(&[LIVE, "conv_123"]));
    let calls = cloud.json("/get-active-calls?status=TAKEN_OVER&limit=1", ADA).await;
    assert_eq!(ids_of(&calls), [TAKEN]);
}

/// G28: whatever begins, ends or changes hands between two pages, a conversation that was there is listed once.
#[tokio::test]
async fn pages_neither_skip_nor_repeat_when_the_list_changes_between_them() {
    let cloud = Cloud::silent().await;
    let number = |n: u32| format!("+1415555{:04}", 2000 + n);
    for n in 0..7 {
        cloud.text(&number(n), BICI_NUMBER, "hello").await;
    }
    let there = ids(&cloud, "", CLEO).await;
    assert_eq!(there.len(), 8);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for page in 0_u32.. {
        assert!(page < 9, "the pages do not end");
        let listing = cloud.json(&format!("/api/conversations?limit=2{cursor}"), CLEO).await;
        let ids = ids_of(&listing);
        assert!(ids.len() <= 2);
        // A newer one begins, one that was listed ends, and so does one that was not.
        cloud.text(&number(100 + page), BICI_NUMBER, "me too").await;
        let listed = ids.first().cloned();
        seen.extend(ids);
        let waiting = there.iter().find(|id| !seen.contains(id) && *id != BICI_LIVE).cloned();
        for id in [listed, waiting].into_iter().flatten().collect::<BTreeSet<_>>() {
            if cloud.snapshot(&id, CLEO).await["status"] != "ENDED" {
                cloud.append(BICI, &id, ended()).await;
            }
        }
        match listing["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let once: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(once.len(), seen.len(), "listed twice");
    assert_eq!(once, there);
}

#[tokio::test]
async fn what_cannot_be_a_filter_a_limit_or_a_cursor_is_a_bad_request() {
    let cloud = Cloud::silent().await;
    for query in [
        "status=active",
        "status=",
        "status=GONE",
        "urgency=urgent",
        "medium=Fax",
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1e2",
        "cursor=",
        "cursor=%00",
        "cursor=***",
        "cursor=_w",
        "limit=99999999999999999999",
    ] {
        for path in ["/api/conversations", "/get-active-calls"] {
            let answer = refused(&cloud, &format!("{path}?{query}"), ADA).await;
            assert_eq!(answer, (StatusCode::BAD_REQUEST, json!("invalid_request")), "{path}?{query}");
        }
    }
    for query in ["limit=1", "limit=100", "unknown=1"] {
        cloud.json(&format!("/api/conversations?{query}"), ADA).await;
    }
    // A cursor is a place, not a right: one of another organization opens nothing there.
    for n in 0..2 {
        cloud.text(&format!("+1415555300{n}"), AURORA_NUMBER, "hello").await;
    }
    let page = cloud.json("/api/conversations?limit=1", ADA).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let foreign = cloud.json(&format!("/api/conversations?cursor={cursor}"), CLEO).await;
    assert!(ids_of(&foreign).iter().all(|id| id == BICI_LIVE), "{foreign}");
}
