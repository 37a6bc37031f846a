//! Access that ends, ends the open stream (A18, A21, G13).

use super::{last_words, rest};
use crate::support::backstage::{handed_back_by, said, taken_over_by};
use crate::support::cloud::{ADA, AURORA, BEN, Cloud, DAN, LIVE};
use crate::support::sse::{Block, Sse};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Instant;

/// The contact of the live conversation.
const LEAD: &str = "worker_919325590143";

/// Both streams of the live conversation, opened.
async fn both(cloud: &Cloud, token: &str) -> [Sse; 2] {
    let open = async |path: String| {
        let mut stream = Sse::open(cloud.anonymous(Method::GET, &path).bearer_auth(token)).await;
        stream.next().await.unwrap();
        stream
    };
    [
        open(format!("/api/conversation/{LIVE}/stream")).await,
        open(format!("/api/stream/conversation/{LEAD}?load=true")).await,
    ]
}

/// Both have ended with this error by now.
async fn ended_with(streams: &mut [Sse; 2], since: Instant, code: &str) {
    let [named, unnamed] = streams;
    let (named, unnamed) = (last_words(named, since).await, last_words(unnamed, since).await);
    assert_eq!((named.event.as_deref(), named.id, unnamed.id), (Some("error"), None, None));
    assert_eq!((&named.data["conversation_id"], &unnamed.data["type"]), (&json!(LIVE), &json!("error")));
    assert_eq!(unnamed.data["organizationId"], AURORA);
    for Block { data, .. } in [named, unnamed] {
        assert_eq!(data["code"], code);
        assert!(data["error"].is_string() && data["hint"].is_string());
    }
}

async fn status(cloud: &Cloud, token: &str) -> (u16, Value) {
    let path = format!("/api/conversation/{LIVE}/stream");
    let response = cloud.anonymous(Method::GET, &path).bearer_auth(token).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json::<Value>().await.unwrap()["code"].take())
}

#[tokio::test]
async fn a_sign_out_ends_the_streams_of_its_token_and_of_no_other() {
    let cloud = Cloud::silent().await;
    let leaving = cloud.mint(ADA, 600).token;
    let mut streams = both(&cloud, leaving.expose()).await;
    let mut staying = cloud.stream(LIVE, ADA, Some(5)).await;
    let since = Instant::now();
    let response = cloud.anonymous(Method::POST, "/logout").bearer_auth(leaving.expose()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    ended_with(&mut streams, since, "invalid_token").await;
    assert_eq!(status(&cloud, leaving.expose()).await, (401, json!("invalid_token")));
    cloud.append(AURORA, LIVE, said("still here")).await;
    assert_eq!(staying.next().await.unwrap().seqs(), [6]);
}

#[tokio::test]
async fn a_revoked_token_ends_its_streams() {
    let cloud = Cloud::silent().await;
    let issued = cloud.mint(ADA, 600);
    let mut streams = both(&cloud, issued.token.expose()).await;
    let since = Instant::now();
    cloud.store().await.revoke(&issued.claims.jti, issued.claims.exp).await.unwrap();
    ended_with(&mut streams, since, "invalid_token").await;
}

#[tokio::test]
async fn a_token_that_expires_ends_its_streams() {
    let cloud = Cloud::silent().await;
    let issued = cloud.mint(ADA, 4);
    let mut streams = both(&cloud, issued.token.expose()).await;
    for stream in &mut streams {
        let last = rest(stream).await.into_iter().last().unwrap();
        assert_eq!((last.name(), &last.data["code"]), ("error", &json!("invalid_token")));
    }
    let over = store::now().seconds() - issued.claims.exp;
    assert!((0..=3).contains(&over), "{over} s after the end of the token");
    assert_eq!(status(&cloud, issued.token.expose()).await.0, 401);
}

#[tokio::test]
async fn a_person_who_is_deactivated_or_changes_role_reads_no_more() {
    let cloud = Cloud::silent().await;
    for (email, change) in [(DAN, json!({"role": "user"})), (BEN, json!({"active": false}))] {
        let mut streams = both(&cloud, cloud.token(email)).await;
        let since = Instant::now();
        let path = format!("/api/admin/users/{}", cloud.user(email).id);
        let response = cloud.request(Method::PATCH, &path, ADA).json(&change).send().await.unwrap();
        assert_eq!(response.status(), 200, "{change}");
        ended_with(&mut streams, since, "invalid_token").await;
        assert_eq!(status(&cloud, cloud.token(email)).await, (401, json!("invalid_token")));
    }
}

#[tokio::test]
async fn a_takeover_ends_the_streams_of_all_but_whoever_took_over() {
    let cloud = Cloud::silent().await;
    let mut ben = both(&cloud, cloud.token(BEN)).await;
    let mut dan = both(&cloud, cloud.token(DAN)).await;
    let [mut ada, mut adas_contact] = both(&cloud, cloud.token(ADA)).await;
    let since = Instant::now();
    cloud.append(AURORA, LIVE, taken_over_by("admin_ada")).await;
    cloud.append(AURORA, LIVE, said("only for Ada")).await;
    ended_with(&mut ben, since, "taken_over").await;
    ended_with(&mut dan, since, "taken_over").await;
    assert_eq!(status(&cloud, cloud.token(BEN)).await, (403, json!("taken_over")));
    for stream in [&mut ada, &mut adas_contact] {
        stream.until("human_control_started").await;
    }
    assert_eq!(ada.until("new_messages").await.data["messages"][0]["content"], "only for Ada");
    assert_eq!(adas_contact.until("message").await.data["message"], "only for Ada");

    // Handed back, it is everybody's again, with all that happened.
    cloud.append(AURORA, LIVE, handed_back_by("admin_ada", None)).await;
    let mut ben = cloud.stream(LIVE, BEN, Some(5)).await;
    assert_eq!(ben.until("new_messages").await.seqs(), [7]);
}

#[tokio::test]
async fn nothing_said_after_a_takeover_reaches_whoever_lost_the_conversation() {
    let cloud = Cloud::silent().await;
    for round in 0..3 {
        let [mut named, mut unnamed] = both(&cloud, cloud.token(BEN)).await;
        cloud.append(AURORA, LIVE, said(&format!("open {round}"))).await;
        cloud.append(AURORA, LIVE, taken_over_by("admin_ada")).await;
        cloud.append(AURORA, LIVE, said(&format!("secret {round}"))).await;
        for stream in [&mut named, &mut unnamed] {
            let blocks = rest(stream).await;
            assert_eq!(blocks.last().unwrap().data["code"], "taken_over");
            assert!(!blocks.iter().any(|block| block.data.to_string().contains("secret")), "{blocks:?}");
        }
        cloud.append(AURORA, LIVE, handed_back_by("admin_ada", None)).await;
    }
}
