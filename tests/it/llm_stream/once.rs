//! A question is asked once, however often it comes (C08, G6), and answered as JSON where that is wanted (C19).

use super::{pace, says, stalls};
use crate::support::answers_sse::{EVENTS, Told, words};
use crate::support::cloud::{ADA, CLEO, Cloud, UMA};
use crate::support::control::{answer, assert_refused};
use crate::support::sse::Sse;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

#[tokio::test]
async fn twenty_questions_at_once_under_one_key_are_one_answer_twenty_times() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("Only once", &[says(&words(30)), pace(5)]).await;
    let body = json!({"message": "Only once"});
    let ask = async || {
        let request = cloud.ask(UMA, &body).header("idempotency-key", "k-1");
        Told::rest(&mut Sse::open(request).await).await
    };
    let json = async || {
        answer(cloud.ask(UMA, &body).header("idempotency-key", "k-1").header("accept", "application/json")).await
    };
    let (told, whole) = join(join_all((0..15).map(|_| ask())), join_all((0..5).map(|_| json()))).await;
    for one in &told {
        assert_eq!(one.assert_whole(1), words(30));
        assert_eq!((one.metadata(), one.end()), (told[0].metadata(), told[0].end()));
    }
    for (status, body) in &whole {
        assert_eq!(
            (*status, &body["content"], &body["message_id"]),
            (200, &json!(words(30)), &told[0].end()["message_id"])
        );
    }
    assert_eq!(cloud.asked_model("Only once").await.len(), 1);
    assert_eq!(cloud.ledger(UMA).await.len(), 2);

    // Later it is the same still, for whoever asked, and for the same question.
    assert_eq!(ask().await.end(), told[0].end());
    let other = |body: Value| cloud.ask(UMA, &body).header("idempotency-key", "k-1");
    let chat = told[0].chat();
    for body in [
        json!({"message": "Another"}),
        json!({"message": "Only once", "max_tokens": 6}),
        json!({"message": "Only once", "interaction_id": chat}),
    ] {
        assert_refused(&answer(other(body)).await, 409, "conflict");
    }
    let theirs =
        answer(cloud.ask(ADA, &body).header("idempotency-key", "k-1").header("accept", "application/json")).await;
    assert_ne!(theirs.1["message_id"], told[0].end()["message_id"]);
}

#[tokio::test]
async fn a_key_is_of_visible_ascii_and_not_long() {
    let cloud = Cloud::quick(&[]).await;
    let status = async |key: &[u8]| {
        let request = cloud.ask(UMA, &json!({"message": "Hello"})).header("accept", "application/json");
        answer(request.header("idempotency-key", key)).await
    };
    for key in [&b""[..], b"a b", "ä".as_bytes(), &[b'k'; 129]] {
        assert_refused(&status(key).await, 400, "invalid_request");
    }
    assert_eq!(status(&[b'k'; 128]).await.0, 200);
}

/// Of many questions in one chat without a key, one is asked at a time.
#[tokio::test]
async fn of_ten_questions_at_once_in_a_chat_one_is_answered() {
    let cloud = Cloud::quick(&[]).await;
    let chat = cloud.told(UMA, json!({"message": "Hello"})).await.chat().to_owned();
    cloud.model("Me first", &[says(&words(9)), stalls(3)]).await;
    let body = json!({"message": "Me first", "interaction_id": chat});
    let answers = join_all((0..10).map(|_| cloud.ask(UMA, &body).send())).await;
    let mut streams = Vec::new();
    for answer in answers {
        let answer = answer.unwrap();
        match answer.status().as_u16() {
            200 => streams.push(Sse::of(answer)),
            409 => assert_eq!(answer.json::<Value>().await.unwrap()["code"], "answer_in_progress"),
            other => panic!("{other}"),
        }
    }
    let [stream] = streams.as_mut_slice() else { panic!("{} streams", streams.len()) };
    assert_eq!(cloud.stop(UMA, &chat).await.0, 202);
    assert_eq!(Told::rest(stream).await.assert_whole(2), words(3));
    assert_eq!(cloud.asked_model("Me first").await.len(), 1);
}

#[tokio::test]
async fn whoever_wants_json_gets_the_last_event_with_what_the_first_one_says() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("As JSON", &[says("42, 👍.")]).await;
    let (status, first) = cloud.ask_json(UMA, &json!({"message": "As JSON"})).await;
    assert_eq!((status, &first["type"], &first["content"]), (200, &json!("complete"), &json!("42, 👍.")));
    let user = &cloud.user(UMA).id;
    assert_eq!((&first["is_new_interaction"], &first["user_id"]), (&json!(true), &json!(user)));
    for field in ["tokens_used", "points_cost", "response_time_ms"] {
        assert!(first[field].is_u64(), "{field} of {first}");
    }
    assert!(first["timestamp"].is_f64() && first["message_id"].is_string() && first["finish"] == "stop", "{first}");
    // The stream of the same exchange ends with the same.
    let chat = first["interaction_id"].as_str().unwrap();
    let told = cloud.resumed(UMA, chat, Some(0)).await;
    for (name, value) in told.end().as_object().unwrap() {
        assert_eq!(&first[name], value, "{name}");
    }
    let (_, second) = cloud.ask_json(UMA, &json!({"message": "As JSON", "interaction_id": chat})).await;
    assert_eq!(second["is_new_interaction"], false);
    let told = cloud.resumed(UMA, chat, Some(EVENTS)).await;
    assert_eq!(told.end()["message_id"], second["message_id"]);

    // Of the two, a stream is wanted more; the GET answers the same.
    let both = cloud.ask(UMA, &json!({"message": "As JSON"})).header("accept", "application/json, text/event-stream");
    assert_eq!(both.send().await.unwrap().headers()["content-type"], "text/event-stream");
    let (status, simple) =
        answer(cloud.simple(CLEO, &[("message", "As JSON")]).header("accept", "application/json")).await;
    assert_eq!((status, &simple["content"]), (200, &json!("42, 👍.")));
}
