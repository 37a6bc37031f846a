//! A thousand answers in bad weather (G6): clients leave at any point, ask twice, stop; the model fails, is cut off and
//! stalls; the function is killed again and again. Afterwards every point is where it belongs.

mod books;
mod client;

use super::{pace, says, stalls};
use crate::support::answers_sse::words;
use crate::support::cloud::{ADA, AURORA, BEN, BICI, CLEO, Cloud, DAN, UMA};
use crate::support::eventually;
use books::Books;
use client::Client;
use conversations::chat::end_abandoned;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use std::time::Duration;
use store::now;
use tokio::sync::watch;

/// Answers that were begun to be told.
const STREAMS: usize = 1000;
/// Clients at once.
const CLIENTS: u64 = 40;
/// How long all of it may take. Far above what it takes, because machines are busy.
const PATIENCE: Duration = Duration::from_secs(180);
/// After every so many answers, the function dies.
const KILLED_EVERY: usize = 160;
/// Who asks. Cleo, alone in her organization, has too few points.
const PEOPLE: [&str; 5] = [ADA, BEN, DAN, UMA, CLEO];

/// What the model does to a question with this word in it, and how many of a hundred have it.
const FATES: [(&str, u64); 9] = [
    ("(well)", 55),
    ("(slow)", 20),
    ("(cut)", 6),
    ("(breaks)", 5),
    ("(fails)", 4),
    ("(stalls)", 4),
    ("(throttles)", 2),
    ("(empty)", 2),
    ("(garbage)", 2),
];

const KNOBS: [&str; 12] = [
    "--env",
    "QUESTIONS_PER_MINUTE=100000",
    "--env",
    "LLM_LEASE_SECONDS=3",
    "--env",
    "LLM_SAVE_MS=100",
    "--env",
    "LLM_FIRST_TOKEN_SECONDS=1",
    "--env",
    "LLM_IDLE_SECONDS=0.5",
    "--env",
    "STREAM_PING_SECONDS=1",
];

async fn prepare(cloud: &Cloud) {
    cloud.set_ai(AURORA, |ai| (ai.answers_at_once, ai.tokens_per_point) = (100, 3)).await;
    cloud.set_ai(BICI, |ai| (ai.answers_at_once, ai.tokens_per_point, ai.starting_points) = (100, 1, 2500)).await;
    let fault = |kind: &str| json!({ "kind": kind });
    let after = |kind: &str| json!({"kind": kind, "tokens": 3});
    let plays: [(&str, Vec<Value>); 9] = [
        ("(well)", vec![]),
        ("(slow)", vec![pace(150)]),
        ("(cut)", vec![after("stop_after")]),
        ("(breaks)", vec![after("fail")]),
        ("(fails)", vec![fault("fail")]),
        ("(stalls)", vec![stalls(2)]),
        ("(throttles)", vec![fault("rate_limit")]),
        ("(empty)", vec![fault("empty")]),
        ("(garbage)", vec![fault("garbage")]),
    ];
    for (fate, faults) in plays {
        cloud.model(fate, &[vec![says(&words(12))], faults].concat()).await;
    }
}

/// Kills the function at its times; says how often.
async fn kill(cloud: &Cloud, begun: &watch::Sender<usize>) -> usize {
    let mut kills = 0;
    for at in (KILLED_EVERY..STREAMS).step_by(KILLED_EVERY) {
        begun.subscribe().wait_for(|begun| *begun >= at).await.unwrap();
        cloud.kill_function("llm-stream").await;
        kills += 1;
    }
    kills
}

/// Every exchange gets an outcome: what nobody ends is swept.
async fn settle(cloud: &Cloud) {
    let store = cloud.store().await;
    eventually("the end of all answers", || async {
        Box::pin(end_abandoned(&store, now(), 100)).await.unwrap();
        for email in PEOPLE {
            if !cloud.balance(email).await.running.is_empty() {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_thousand_answers_in_bad_weather_every_point_is_accounted_for() {
    let cloud = Cloud::quick(&KNOBS).await;
    prepare(&cloud).await;
    let begun = watch::Sender::new(0);
    let clients = (0..CLIENTS).map(|seed| Client::new(&cloud, seed, &begun).run());
    let storm = join(join_all(clients), kill(&cloud, &begun));
    // A function that does not come back would be asked for ever.
    let (seen, kills) = tokio::time::timeout(PATIENCE, storm).await.expect("the storm is over in time");
    assert_eq!(kills, (STREAMS - 1) / KILLED_EVERY);
    settle(&cloud).await;

    let mut books = Books::default();
    for email in PEOPLE {
        books.check(&cloud, email).await;
    }
    books.check_clients(&seen.concat());
    books.check_requests(&cloud).await;
    // The weather was bad.
    for (what, least) in [("done", 300), ("stopped", 10), ("interrupted", 30), ("failed", 30), ("paid", 300)] {
        assert!(books.count(what) >= least, "{what}: {:?}", books.counts);
    }
}
