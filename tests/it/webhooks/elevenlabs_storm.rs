//! News that come many times at once, and a worker that dies over them.

use super::elevenlabs::log;
use super::{STRANGER, STRANGERS_CONVERSATION, conversations, strangers};
use crate::support::cloud::{BICI_NUMBER, CLEO, Cloud};
use crate::support::elevenlabs::Call;
use crate::support::eventually;
use domain::event::{Event, EventBody};
use futures_util::future::join_all;
use serde_json::{Value, json};

const TURNS: usize = 200;

/// The whole call, each turn once and in order, numbered without a gap.
fn complete(log: &[Event], turns: usize) {
    let seqs: Vec<u64> = log.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=turns as u64 + 2).collect::<Vec<_>>());
    assert!(matches!(log[0].body, EventBody::CallInitiated { .. }));
    for (number, event) in log[1..=turns].iter().enumerate() {
        let EventBody::Message { text, .. } = &event.body else { panic!("{:?}", event.body) };
        assert_eq!(*text, format!("turn {number}"));
    }
    assert!(matches!(log[turns + 1].body, EventBody::CallEnded { .. }));
}

async fn at_once(cloud: &Cloud, news: &Value, times: usize) {
    let answers = join_all((0..times).map(|_| cloud.post_call(news))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, vec![200; times]);
}

#[tokio::test]
async fn twenty_deliveries_of_one_call_at_once_are_one_transcript_and_twenty_times_200() {
    let cloud = Cloud::start().await;
    let call = Call::new("conv_storm", STRANGER, BICI_NUMBER);
    at_once(&cloud, &call.clone().of_turns(4).news(), 20).await;
    complete(&log(&cloud, &strangers(&cloud, CLEO).await).await, 4);
    // A long one is appended in parts, and whoever comes first writes each.
    let long = Call { id: "conv_long".to_owned(), from: "+14155550998".to_owned(), ..call }.of_turns(TURNS);
    at_once(&cloud, &long.news(), 20).await;
    let found = conversations(&cloud, "conv_14155550998_", CLEO).await;
    assert_eq!(found.len(), 1);
    complete(&log(&cloud, &found[0]).await, TURNS);
    // One delivery did it; in the inbox the others are none the less.
    let inbox = cloud.json("/api/admin/webhooks?limit=100", CLEO).await;
    let verdicts: Vec<&str> =
        inbox["webhooks"].as_array().unwrap().iter().map(|one| one["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts.len(), 40);
    assert!(verdicts.iter().all(|verdict| ["accepted", "duplicate"].contains(verdict)), "{verdicts:?}");
    // News that come again are no news, also where they have become shorter or longer.
    for turns in [TURNS, 0, TURNS + 50] {
        cloud.call_over(&long.clone().of_turns(turns).news()).await;
        let inbox = cloud.json("/api/admin/webhooks?limit=1", CLEO).await;
        assert_eq!(inbox["webhooks"][0]["verdict"], "duplicate");
        complete(&log(&cloud, &found[0]).await, TURNS);
    }
}

#[tokio::test]
async fn a_worker_that_dies_in_the_middle_is_made_good_by_a_replay() {
    let cloud = Cloud::start().await;
    let news = Call::new("conv_long", STRANGER, BICI_NUMBER).of_turns(TURNS).news();
    cloud.slow_table(60).await;
    let post = cloud.post_call(&news);
    let kill = async {
        eventually("a part of the transcript", || async {
            let found = conversations(&cloud, STRANGERS_CONVERSATION, CLEO).await;
            found.first()?["total_messages"].as_u64().filter(|count| *count > 0)
        })
        .await;
        cloud.kill_function("webhooks").await;
    };
    let (response, ()) = futures_util::future::join(post, kill).await;
    assert!(response.status().is_server_error(), "{}", response.status());
    cloud.slow_table(0).await;
    let torn = log(&cloud, &strangers(&cloud, CLEO).await).await;
    assert!((2..TURNS).contains(&torn.len()), "{} events", torn.len());

    let inbox = cloud.json("/api/admin/webhooks", CLEO).await;
    let entry = &inbox["webhooks"][0];
    assert_eq!((&entry["verdict"], &entry["replayable"]), (&json!("received"), &json!(true)));
    let path = format!("/api/admin/webhooks/{}/replay", entry["id"].as_str().unwrap());
    for verdict in ["accepted", "duplicate"] {
        let replayed = cloud.request(reqwest::Method::POST, &path, CLEO).send().await.unwrap();
        assert_eq!(replayed.status(), 200);
        assert_eq!(replayed.json::<Value>().await.unwrap()["verdict"], verdict);
        complete(&log(&cloud, &strangers(&cloud, CLEO).await).await, TURNS);
    }
    // The provider's own second attempt meets a finished call, once the function is back.
    eventually("the function", || async { (cloud.post_call(&news).await.status() == 200).then_some(()) }).await;
    complete(&log(&cloud, &strangers(&cloud, CLEO).await).await, TURNS);
    let entry = cloud.json("/api/admin/webhooks?limit=100", CLEO).await["webhooks"].as_array().unwrap().last().cloned();
    let entry = entry.unwrap();
    assert_eq!((&entry["verdict"], &entry["replays"]), (&json!("accepted"), &json!(2)));
}
