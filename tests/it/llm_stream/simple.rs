//! A question by `GET` and the POST of seed C's polyfill, both sent again by clients that do not know that it costs (C08,
//! C14): never a second request to the model, and never a second price.

use super::{pace, says, stalls};
use crate::support::answers_sse::{EVENTS, Told, words};
use crate::support::cloud::{ADA, Cloud, UMA};
use crate::support::control::{answer, assert_refused};
use crate::support::sse::Sse;
use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

const QUESTION: &str = "What takes a while?";
const QUERY: [(&str, &str); 1] = [("message", QUESTION)];

/// Reads the beginning of a stream, and leaves.
async fn beginning(request: RequestBuilder) -> Told {
    Told::until(&mut Sse::open(request).await, &words(10)).await
}

/// One request to the model, one exchange, one price.
async fn assert_asked_once(cloud: &Cloud) {
    assert_eq!(cloud.asked_model(QUESTION).await.len(), 1);
    cloud.nothing_under_way(UMA).await;
    assert_eq!(cloud.ledger(UMA).await.len(), 2, "the start and one answer");
}

#[tokio::test]
async fn an_event_source_that_comes_again_gets_the_rest_and_then_nothing() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model(QUESTION, &[says(&words(40)), pace(15)]).await;
    let first = beginning(cloud.simple(UMA, &QUERY)).await;
    let again = cloud.simple(UMA, &QUERY).header("last-event-id", first.last());
    let rest = Told::rest(&mut Sse::open(again).await).await;
    rest.assert_follows(first.last() + 1);
    assert_eq!(first.text() + &rest.text(), words(40));
    assert_eq!(rest.end()["content"], words(40));

    // What an EventSource does at the end of any answer: 204 is what makes it stop.
    let again = cloud.simple(UMA, &QUERY).header("last-event-id", rest.last()).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
    // Of what is not known, 204 as well: it would come for ever.
    let other = cloud.simple(UMA, &[("message", "Never asked")]).header("last-event-id", "3").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::NO_CONTENT);
    // Somebody else's question of the same words is theirs.
    let other = cloud.simple(ADA, &QUERY).header("last-event-id", "3").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::NO_CONTENT);
    assert_asked_once(&cloud).await;
}

#[tokio::test]
async fn in_a_chat_that_goes_on_it_is_the_same() {
    let cloud = Cloud::quick(&[]).await;
    let chat = cloud.told(ADA, json!({"message": "Hello"})).await.chat().to_owned();
    cloud.model(QUESTION, &[says(&words(30)), pace(15)]).await;
    let query = [("message", QUESTION), ("interaction_id", chat.as_str())];
    let first = beginning(cloud.simple(ADA, &query)).await;
    assert!(first.last() > EVENTS);
    let again = cloud.simple(ADA, &query).header("last-event-id", first.last());
    let rest = Told::rest(&mut Sse::open(again).await).await;
    rest.assert_follows(first.last() + 1);
    assert_eq!(first.text() + &rest.text(), words(30));
    let end = rest.last();
    let again = cloud.simple(ADA, &query).header("last-event-id", end).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
    assert_eq!(cloud.prompts_with(QUESTION).await.len(), 1);

    // Another answer of the chat is none of its business.
    cloud.model("Something else", &[says(&words(9)), stalls(3)]).await;
    let mut other = cloud.asking(ADA, json!({"message": "Something else", "interaction_id": chat})).await;
    other.until("token").await;
    let again = cloud.simple(ADA, &query).header("last-event-id", end).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
    assert_eq!(cloud.stop(ADA, &chat).await.0, 202);
}

#[tokio::test]
async fn whoever_lost_even_the_first_event_is_shown_the_answer_under_way() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model(QUESTION, &[says(&words(20)), stalls(10)]).await;
    let first = beginning(cloud.simple(UMA, &QUERY)).await;
    let again = join_all((0..5).map(|_| async {
        let mut stream = Sse::open(cloud.simple(UMA, &QUERY)).await;
        let mut blocks = vec![stream.next().await.unwrap()];
        blocks.push(stream.until("token").await);
        (blocks, stream)
    }))
    .await;
    assert_eq!(cloud.stop(UMA, first.chat()).await.0, 202);
    for (blocks, mut stream) in again {
        let told = Told([blocks, Told::rest(&mut stream).await.0].concat());
        assert_eq!(told.metadata(), first.metadata());
        assert_eq!((told.assert_whole(1), &told.end()["finish"]), (words(10), &json!("stopped")));
    }
    assert_asked_once(&cloud).await;

    // Once it is over, the same words are another question.
    let new = cloud.simple(UMA, &QUERY).send().await.unwrap();
    let new = Sse::of(new).until("metadata").await.data;
    assert_ne!(new["message_id"], first.metadata()["message_id"]);
    assert_eq!(cloud.stop(UMA, new["interaction_id"].as_str().unwrap()).await.0, 202);
}

#[tokio::test]
async fn a_key_in_the_query_stands_for_one_exchange() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model(QUESTION, &[says(&words(9))]).await;
    let query = [QUERY[0], ("key", "k-1")];
    let first = Told::rest(&mut Sse::open(cloud.simple(UMA, &query)).await).await;
    let again = Told::rest(&mut Sse::open(cloud.simple(UMA, &query)).await).await;
    assert_eq!((again.assert_whole(1), again.metadata()), (first.assert_whole(1), first.metadata()));
    let other = answer(cloud.simple(UMA, &[("message", "Another"), ("key", "k-1")])).await;
    assert_refused(&other, 409, "conflict");
    assert_refused(&answer(cloud.simple(UMA, &[QUERY[0], ("key", "")])).await, 400, "invalid_request");
    assert_asked_once(&cloud).await;
}

/// React Native's polyfill posts its question again whenever a connection ends, even after the last event.
#[tokio::test]
async fn a_post_that_comes_again_with_what_it_has_gets_the_rest_and_always_an_end() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model(QUESTION, &[says(&words(40)), pace(15)]).await;
    let body = json!({"message": QUESTION, "interaction_id": null, "max_tokens": 5000});
    let first = beginning(cloud.ask(UMA, &body)).await;
    let again = cloud.ask(UMA, &body).header("last-event-id", first.last());
    let rest = Told::rest(&mut Sse::open(again).await).await;
    rest.assert_follows(first.last() + 1);
    assert_eq!(first.text() + &rest.text(), words(40));
    let end = rest.0.last().unwrap().clone();
    for _ in 0..2 {
        let mut again = Sse::open(cloud.ask(UMA, &body).header("last-event-id", end.id.unwrap())).await;
        assert_eq!(Told::rest(&mut again).await.0, std::slice::from_ref(&end));
    }
    assert_asked_once(&cloud).await;
}

#[tokio::test]
async fn a_ticket_asks_once() {
    let cloud = Cloud::quick(&[]).await;
    let request = cloud.request(Method::POST, "/api/stream/ticket", UMA);
    let (_, body) = answer(request.json(&json!({"path": "/api/stream/stream-simple"}))).await;
    let ticket = body["ticket"].as_str().unwrap().to_owned();
    let open = || {
        let request = cloud.anonymous(Method::GET, "/api/stream/stream-simple");
        request.query(&[("message", QUESTION), ("ticket", &ticket)])
    };
    let told = Told::rest(&mut Sse::open(open()).await).await;
    told.assert_whole(1);
    assert_eq!(told.metadata()["user_id"], cloud.user(UMA).id);
    assert_eq!(open().send().await.unwrap().status(), 401);
    assert_asked_once(&cloud).await;
}
