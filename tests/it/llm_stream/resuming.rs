//! Coming back to an answer (G9): from any token on, from elsewhere, several at once, and when its maker has died.

use super::framing::summary;
use super::{pace, says, stalls};
use crate::support::answers_sse::{EVENTS, Told, words};
use crate::support::cloud::{ADA, AURORA, BEN, Cloud, UMA};
use crate::support::control::answer;
use crate::support::eventually;
use crate::support::sse::Sse;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

/// The beginning of an answer, as far as this.
async fn beginning(cloud: &Cloud, question: &str, text: &str) -> (Told, Sse) {
    let mut stream = cloud.asking(UMA, json!({"message": question})).await;
    (Told::until(&mut stream, text).await, stream)
}

#[tokio::test]
async fn whoever_left_at_token_ten_gets_the_eleventh_and_all_that_follow() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Come back", &[says(&words(60)), pace(10)]).await;
    let (first, stream) = beginning(&cloud, "Come back", &words(10)).await;
    drop(stream);
    let (chat, ten) = (first.chat(), first.last());
    let rest = cloud.resumed(UMA, chat, Some(ten)).await;
    rest.assert_follows(ten + 1);
    assert_eq!(first.text() + &rest.text(), words(60));
    assert_eq!((&rest.end()["type"], &rest.end()["content"]), (&json!("complete"), &json!(words(60))));
    let last = rest.last();

    // All was delivered: nothing is left, with and without a number.
    for last in [Some(last), None] {
        assert_eq!(cloud.resume(UMA, chat, last).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    // Everything after any token is still there.
    let query = cloud.get(&format!("/api/stream/interactions/{chat}?after={ten}"), UMA);
    let again = Told::rest(&mut Sse::open(query).await).await;
    again.assert_follows(ten + 1);
    assert_eq!((again.text(), again.end()), (rest.text(), rest.end()));
    assert_eq!(cloud.resumed(UMA, chat, Some(last - 1)).await.0, rest.0[rest.0.len() - 1..]);
    assert_eq!(cloud.resumed(UMA, chat, Some(0)).await.text(), words(60));
    assert_eq!(cloud.asked_model("Come back").await.len(), 1);
}

#[tokio::test]
async fn what_ended_while_one_was_away_is_followed_by_what_runs_now() {
    let cloud = Cloud::quick(&[]).await;
    let first = cloud.told(UMA, json!({"message": "Hello"})).await;
    let last = first.last();
    cloud.model("And now", &[says(&words(9)), stalls(3)]).await;
    let mut running = cloud.asking(UMA, json!({"message": "And now", "interaction_id": first.chat()})).await;
    running.until("token").await;
    let mut resumed = Sse::open(cloud.resume(UMA, first.chat(), Some(last))).await;
    let metadata = resumed.next().await.unwrap();
    assert_eq!((metadata.name(), metadata.id), ("metadata", Some(EVENTS)));
    assert_eq!(cloud.stop(UMA, first.chat()).await.0, 202);
    let told = Told([vec![metadata], Told::rest(&mut resumed).await.0].concat());
    assert_eq!(told.assert_whole(2), words(3));
}

#[tokio::test]
async fn many_viewers_see_one_answer_each_from_where_they_are() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Everybody look", &[says(&words(60)), pace(10)]).await;
    let (first, mut asker) = beginning(&cloud, "Everybody look", &words(10)).await;
    let chat = first.chat();
    let viewers = [0, 1, 2, 3, 4, 5].map(async |last| {
        let told = cloud.resumed(UMA, chat, (last > 0).then_some(last)).await;
        if last == 0 {
            assert_eq!(told.assert_whole(1), words(60));
        } else {
            told.assert_follows(last + 1);
        }
        told.end().clone()
    });
    let (rest, ends) = futures_util::join!(Told::rest(&mut asker), join_all(viewers));
    rest.assert_follows(first.last() + 1);
    assert!(ends.iter().all(|end| end == rest.end()), "{ends:?}");
    assert_eq!(cloud.asked_model("Everybody look").await.len(), 1);
}

#[tokio::test]
async fn a_viewer_who_does_not_read_holds_nothing_up_and_misses_nothing() {
    let cloud = Cloud::quick(&[]).await;
    // Far more than all buffers between them hold.
    let text = "Grüße aus dem Maschinenraum. ".repeat(30_000);
    cloud.set_ai(AURORA, |ai| ai.max_tokens = 200_000).await;
    cloud.model("Take your time", &[says(&text)]).await;
    let mut lazy = cloud.asking(UMA, json!({"message": "Take your time", "max_tokens": 200_000})).await;
    let metadata = lazy.next().await.unwrap();
    // The answer ends, and is paid, though nobody reads.
    cloud.nothing_under_way(UMA).await;
    assert_eq!(cloud.ledger(UMA).await.len(), 2);
    let told = Told([vec![metadata], Told::rest(&mut lazy).await.0].concat());
    assert!(told.assert_whole(1) == text, "{} bytes: {}", text.len(), summary(told.end()));
}

/// The function's process dies: another one shows what is there, and ends the answer once its maker must be dead.
#[tokio::test]
async fn an_answer_whose_maker_died_ends_as_far_as_it_came_for_nothing() {
    let cloud = Cloud::quick(&["--env", "LLM_LEASE_SECONDS=2", "--env", "LLM_SAVE_MS=20"]).await;
    cloud.model("Do not die", &[says(&words(30)), pace(10), stalls(12)]).await;
    let (first, mut stream) = beginning(&cloud, "Do not die", &words(12)).await;
    let chat = first.chat().to_owned();
    // Everything that was seen is kept by now, because others can see it.
    Sse::open(cloud.resume(UMA, &chat, Some(first.last() - 1))).await.until("token").await;
    cloud.kill_function("llm-stream").await;
    while stream.next().await.is_some() {}

    let rest = eventually("the function again", || async {
        let response = cloud.resume(UMA, &chat, Some(1)).send().await.unwrap();
        (response.status() == 200).then_some(response)
    });
    let rest = Told::rest(&mut Sse::of(rest.await)).await;
    rest.assert_follows(2);
    let known = first.0[1].data["content"].as_str().unwrap();
    assert_eq!(known.to_owned() + &rest.text(), words(12));
    rest.assert_failed("llm_interrupted");
    assert_eq!((&rest.end()["partial"], &rest.end()["points_cost"]), (&json!(true), &json!(0)));

    // Nothing is paid or held, and the chat goes on.
    let balance = cloud.balance(UMA).await;
    assert_eq!((balance.held, balance.spent, cloud.ledger(UMA).await.len()), (0, 0, 1));
    let next = cloud.told(UMA, json!({"message": "And now?", "interaction_id": chat})).await;
    next.assert_whole(2);
    assert_eq!(next.end()["type"], "complete");
}

/// The same without anybody who looks: the next question finds it.
#[tokio::test]
async fn a_question_after_an_answer_whose_maker_died_is_answered() {
    let cloud = Cloud::quick(&["--env", "LLM_LEASE_SECONDS=1"]).await;
    cloud.model("Do not die", &[says(&words(30)), stalls(3)]).await;
    let (first, stream) = beginning(&cloud, "Do not die", &words(3)).await;
    cloud.kill_function("llm-stream").await;
    drop(stream);
    let body = json!({"message": "And now?", "interaction_id": first.chat()});
    let next = eventually("an answer", || async {
        // While its maker may be alive, the answer is under way.
        let response = cloud.ask(UMA, &body).send().await.unwrap();
        match response.status().as_u16() {
            200 => Some(response),
            409 | 500..=599 => None,
            other => panic!("{other}"),
        }
    });
    Told::rest(&mut Sse::of(next.await)).await.assert_whole(2);
}

#[tokio::test]
async fn a_resume_shows_only_ones_own_chats_and_takes_tickets() {
    let cloud = Cloud::quick(&[]).await;
    let told = cloud.told(UMA, json!({"message": "Hello"})).await;
    let path = format!("/api/stream/interactions/{}", told.chat());
    for email in [ADA, BEN, crate::support::cloud::CLEO] {
        for request in [cloud.get(&path, email), cloud.request(Method::POST, &format!("{path}/stop"), email)] {
            let (status, body) = answer(request).await;
            assert_eq!((status, &body["detail"]), (404, &json!("Interaction not found")), "{email}");
        }
    }
    for id in ["0f1e2d3c-0000-4000-8000-000000000000", "no%20id", "%F0%9F%91%8D"] {
        let (status, body) = answer(cloud.get(&format!("/api/stream/interactions/{id}"), UMA)).await;
        assert_eq!((status, &body["detail"]), (404, &json!("Interaction not found")), "{id}");
    }
    let request = cloud.request(Method::POST, "/api/stream/ticket", UMA).json(&json!({ "path": path }));
    let ticket = answer(request).await.1["ticket"].as_str().unwrap().to_owned();
    let request = cloud.anonymous(Method::GET, &format!("{path}?after=0&ticket={ticket}"));
    let shown = Told::rest(&mut Sse::open(request.timeout(Duration::from_secs(30))).await).await;
    shown.assert_follows(1);
    assert_eq!((shown.text(), shown.end()), (told.text(), told.end()));
}
