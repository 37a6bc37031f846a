//! Whoever may not see any more, sees no more (G13); the answer goes on.

use super::{pace, says};
use crate::support::answers_sse::{ASK, Told, words};
use crate::support::cloud::{Cloud, UMA};
use crate::support::sse::Sse;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use std::time::{Duration, Instant};

/// Within this an open stream ends when its viewer's access does.
const SOON: Duration = Duration::from_secs(2);

async fn log_out(cloud: &Cloud, token: &str) -> Instant {
    let since = Instant::now();
    let response = cloud.anonymous(Method::POST, "/logout").bearer_auth(token).send().await.unwrap();
    assert_eq!(response.status(), 200);
    since
}

/// The stream's last word is that its token is worth nothing any more, soon after that.
async fn assert_refused(stream: &mut Sse, since: Instant) {
    let error = stream.until("error").await;
    let elapsed = since.elapsed();
    assert!(elapsed < SOON, "it went on for {elapsed:?}");
    assert_eq!((&error.data["code"], error.id), (&json!("invalid_token"), None));
    assert!(error.data["error"].is_string() && error.data["timestamp"].is_f64(), "{error:?}");
}

#[tokio::test]
async fn a_sign_out_ends_the_streams_of_its_token_and_not_the_answer() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Keep talking", &[says(&words(300)), pace(15)]).await;
    let token = cloud.mint(UMA, 600).token;
    let with = |request: RequestBuilder| request.bearer_auth(token.expose());
    let ask = with(cloud.anonymous(Method::POST, ASK)).json(&json!({"message": "Keep talking"}));
    let mut asker = Sse::open(ask).await;
    let chat = asker.until("metadata").await.data["interaction_id"].as_str().unwrap().to_owned();
    let path = format!("/api/stream/interactions/{chat}");
    let mut viewer = Sse::open(with(cloud.anonymous(Method::GET, &path))).await;
    viewer.until("token").await;
    let mut other = Sse::open(cloud.resume(UMA, &chat, None)).await;
    let metadata = other.next().await.unwrap();

    let since = log_out(&cloud, token.expose()).await;
    assert_refused(&mut viewer, since).await;
    assert_refused(&mut asker, since).await;
    // Not a word more, although the answer goes on.
    assert_eq!(asker.next().await, None);
    assert_eq!(viewer.next().await, None);
    assert_eq!(with(cloud.anonymous(Method::GET, &path)).send().await.unwrap().status(), 401);

    let told = Told([vec![metadata], Told::rest(&mut other).await.0].concat());
    assert_eq!((told.assert_whole(1), &told.end()["finish"]), (words(300), &json!("stop")));
    assert_eq!(cloud.balance(UMA).await.spent, told.end()["points_cost"].as_u64().unwrap());
    assert_eq!(cloud.ledger(UMA).await.len(), 2);
}

/// A model that is never silent is no way around it.
#[tokio::test]
async fn an_answer_that_never_pauses_ends_for_a_viewer_all_the_same() {
    let cloud = Cloud::quick(&[]).await;
    cloud.set_ai(&cloud.user(UMA).organization_id, |ai| ai.max_tokens = 200_000).await;
    cloud.model("Never stop", &[says(&words(6000)), pace(1)]).await;
    let token = cloud.mint(UMA, 600).token;
    let ask = cloud.anonymous(Method::POST, ASK).bearer_auth(token.expose());
    let mut stream = Sse::open(ask.json(&json!({"message": "Never stop", "max_tokens": 200_000}))).await;
    let chat = stream.until("metadata").await.data["interaction_id"].as_str().unwrap().to_owned();
    let since = log_out(&cloud, token.expose()).await;
    assert_refused(&mut stream, since).await;
    assert_eq!(cloud.stop(UMA, &chat).await.0, 202);
    assert_eq!(stream.next().await, None);
}
