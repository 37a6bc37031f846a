//! Stopping an answer, from wherever (G9): it ends at once, and what was delivered is kept and paid.

use super::{pace, says, stalls};
use crate::support::answers_sse::{Told, words};
use crate::support::cloud::{Cloud, UMA};
use crate::support::control::assert_refused;
use crate::support::eventually;
use crate::support::sse::Sse;
use domain::points::price;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Within this an answer ends that was told to stop, at least once of several times: the machine may be busy.
const SOON: Duration = Duration::from_secs(1);

/// Stops a chat's answer from another connection than that of its stream; what the stream said from then on, and for how
/// long.
async fn stop(cloud: &Cloud, chat: &str, stream: &mut Sse) -> (Told, Duration) {
    let since = Instant::now();
    let (status, body) = cloud.stop(UMA, chat).await;
    assert_eq!((status, &body["stopping"]), (202, &json!(true)), "{body}");
    let rest = Told::rest(stream).await;
    let elapsed = since.elapsed();
    assert_eq!((&rest.end()["type"], &rest.end()["finish"]), (&json!("complete"), &json!("stopped")));
    assert_eq!(rest.end()["message_id"], body["message_id"]);
    (rest, elapsed)
}

/// The only request for the model with this in it was left before its end.
async fn assert_hung_up(cloud: &Cloud, part: &str) {
    let outcomes: Vec<Value> = cloud.asked_model(part).await.iter().map(|request| request["outcome"].clone()).collect();
    assert_eq!(outcomes, ["left"]);
}

async fn asking(cloud: &Cloud, body: Value) -> (Sse, Vec<crate::support::sse::Block>, String) {
    let mut stream = cloud.asking(UMA, body).await;
    let metadata = stream.next().await.unwrap();
    let chat = metadata.data["interaction_id"].as_str().unwrap().to_owned();
    (stream, vec![metadata], chat)
}

#[tokio::test]
async fn an_answer_stops_in_its_middle_with_what_was_said_until_then() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Stop me", &[says(&words(500)), pace(10)]).await;
    let (mut stream, mut blocks, chat) = asking(&cloud, json!({"message": "Stop me"})).await;
    while blocks.len() < 8 {
        blocks.push(stream.next().await.unwrap());
    }
    blocks.extend(stop(&cloud, &chat, &mut stream).await.0.0);
    let told = Told(blocks);
    let text = told.assert_whole(1);
    assert!(words(500).starts_with(&text) && text.len() < words(200).len(), "{text}");
    assert_hung_up(&cloud, "Stop me").await;

    // Paid is what was delivered, and that is what the ledger says.
    let end = told.end();
    let tokens = end["tokens_used"].as_u64().unwrap();
    assert!(tokens > 0 && tokens <= text.len() as u64 && end["usage_estimated"] == true, "{end}");
    let cost = price(tokens, 30);
    assert_eq!(end["points_cost"], cost);
    let (balance, ledger) = (cloud.balance(UMA).await, cloud.ledger(UMA).await);
    assert_eq!((balance.held, balance.spent), (0, cost));
    assert_eq!(
        ledger.iter().map(|entry| entry.points).filter(|points| *points < 0).collect::<Vec<_>>(),
        [-(cost as i64)]
    );

    // It is kept, as far as it came, and nothing is under way any more.
    assert_eq!(cloud.resumed(UMA, &chat, Some(0)).await.text(), text);
    for _ in 0..2 {
        let (status, body) = cloud.stop(UMA, &chat).await;
        assert_eq!((status, body), (200, json!({"stopping": false})));
    }
}

#[tokio::test]
async fn an_answer_stops_before_its_first_word_and_while_it_stalls() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Say nothing", &[says("Nothing."), json!({"kind": "delay", "delay_ms": 60_000})]).await;
    cloud.model("Begin", &[says(&words(9)), stalls(0)]).await;
    cloud.model("Stall", &[says(&words(9)), stalls(3)]).await;
    let mut fastest = Duration::MAX;
    for (question, text) in [("Say nothing", String::new()), ("Begin", String::new()), ("Stall", words(3))] {
        let (mut stream, mut blocks, chat) = asking(&cloud, json!({ "message": question })).await;
        if !text.is_empty() {
            blocks.push(stream.until("token").await);
        }
        // The model is at it.
        eventually("the request", || async { cloud.prompts_with(question).await.first().cloned() }).await;
        let (rest, elapsed) = stop(&cloud, &chat, &mut stream).await;
        fastest = fastest.min(elapsed);
        let told = Told([blocks, rest.0].concat());
        assert_eq!(told.assert_whole(1), text, "{question}");
        let cost = u64::from(!text.is_empty());
        assert_eq!(told.end()["points_cost"], cost, "{question}");
        assert_hung_up(&cloud, question).await;
    }
    assert!(fastest < SOON, "they went on for {fastest:?} and more");
    let balance = cloud.balance(UMA).await;
    assert_eq!((balance.held, balance.spent, balance.running.len()), (0, 1, 0));
    cloud.ledger(UMA).await;
}

#[tokio::test]
async fn the_question_after_a_stop_need_not_wait_and_knows_what_was_said() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Stop me", &[says(&words(500)), pace(10)]).await;
    let (mut stream, _, chat) = asking(&cloud, json!({"message": "Stop me"})).await;
    stream.until("token").await;
    assert_eq!(cloud.stop(UMA, &chat).await.0, 202);
    let next = cloud.told(UMA, json!({"message": "Something else", "interaction_id": chat})).await;
    next.assert_whole(2);
    assert_eq!(next.end()["finish"], "stop");
    assert_eq!(Told::rest(&mut stream).await.end()["finish"], "stopped");
    let prompt = &cloud.asked_model("Something else").await[0]["messages"];
    let said = prompt[2]["content"].as_str().unwrap();
    assert!(said.starts_with("word1 ") && said.ends_with(" [broken off]"), "{said}");
}

#[tokio::test]
async fn without_a_stop_a_second_question_has_to_wait() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Go on", &[says(&words(9)), stalls(3)]).await;
    let (mut stream, _, chat) = asking(&cloud, json!({"message": "Go on"})).await;
    stream.until("token").await;
    let refused = cloud.ask_json(UMA, &json!({"message": "Me too", "interaction_id": chat})).await;
    assert_refused(&refused, 409, "answer_in_progress");
    // One of another chat need not.
    cloud.told(UMA, json!({"message": "Me too"})).await.assert_whole(1);
    stop(&cloud, &chat, &mut stream).await;
    assert_eq!(cloud.prompts_with("Me too").await.len(), 1);
}

/// Two who stop it at once are both told so; it ends once.
#[tokio::test]
async fn two_stops_at_once_are_one() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Stop me", &[says(&words(9)), stalls(3)]).await;
    let (mut stream, mut blocks, chat) = asking(&cloud, json!({"message": "Stop me"})).await;
    blocks.push(stream.until("token").await);
    let (one, two) = futures_util::join!(cloud.stop(UMA, &chat), cloud.stop(UMA, &chat));
    assert!(one.0 == 202 || two.0 == 202, "{one:?} {two:?}");
    let told = Told([blocks, Told::rest(&mut stream).await.0].concat());
    assert_eq!(told.assert_whole(1), words(3));
    assert_eq!(cloud.ledger(UMA).await.len(), 2);
}
