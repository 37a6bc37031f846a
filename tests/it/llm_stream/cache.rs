//! Answers given again (C12): to the same question of the same organization, for nothing, where nothing personal is in it.

use super::{says, stalls};
use crate::support::answers_sse::{Told, words};
use crate::support::cloud::{ADA, AURORA, CLEO, Cloud, DAN, UMA};
use reqwest::Method;
use serde_json::{Value, json};

const QUESTION: &str = "What is a switchboard?";

async fn ask(cloud: &Cloud, email: &str, body: Value) -> Told {
    let told = cloud.told(email, body).await;
    told.assert_whole(1);
    assert_eq!(told.metadata()["cached"], told.end()["cached"]);
    told
}

fn is_cached(told: &Told) -> bool {
    told.end()["cached"] == true
}

#[tokio::test]
async fn the_same_question_again_is_answered_the_same_for_nothing() {
    let cloud = Cloud::quick(&[]).await;
    let text = "A board  with\nswitches, 👍 und Grüße.";
    cloud.model(QUESTION, &[says(text)]).await;
    let first = ask(&cloud, UMA, json!({"message": QUESTION})).await;
    assert!(!is_cached(&first));
    let spent = cloud.balance(UMA).await.spent;

    for email in [UMA, ADA] {
        let again = ask(&cloud, email, json!({"message": format!(" {QUESTION}\n")})).await;
        assert!(is_cached(&again), "{email}");
        assert_eq!((again.text().as_str(), &again.end()["finish"]), (text, &json!("stop")));
        assert_eq!((&again.end()["points_cost"], &again.end()["tokens_used"]), (&json!(0), &json!(0)));
        assert_eq!((&again.end()["model"], again.tokens().count()), (&first.end()["model"], text.split(' ').count()));
        assert_ne!(again.chat(), first.chat());
        // It is told again from any token on, and kept like any other.
        let rest = cloud.resumed(email, again.chat(), Some(2)).await;
        rest.assert_follows(3);
        assert_eq!(rest.0, again.0[3..]);
        let (status, whole) = cloud.ask_json(email, &json!({"message": QUESTION})).await;
        assert_eq!((status, &whole["content"], &whole["cached"]), (200, &json!(text), &json!(true)));
        // A chat that began with it goes on, with the model.
        let next = cloud.told(email, json!({"message": QUESTION, "interaction_id": again.chat()})).await;
        next.assert_whole(2);
        assert!(!is_cached(&next), "in a chat that goes on");
    }
    let spent_by_uma = cloud.balance(UMA).await.spent - spent;
    assert!(spent_by_uma > 0, "the chat that went on");
    assert_eq!(cloud.ledger(UMA).await.len(), 3);
    assert_eq!(cloud.asked_model(QUESTION).await.len(), 3);
}

#[tokio::test]
async fn what_is_personal_or_not_wished_or_of_others_is_asked_anew() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model(QUESTION, &[says("A board.")]).await;
    assert!(!is_cached(&ask(&cloud, UMA, json!({"message": QUESTION})).await));
    for (email, body) in [
        (CLEO, json!({"message": QUESTION})),
        (UMA, json!({"message": QUESTION, "cache": false})),
        (UMA, json!({"message": QUESTION, "max_tokens": 77})),
        (UMA, json!({"message": format!("{QUESTION}?")})),
    ] {
        assert!(!is_cached(&ask(&cloud, email, body.clone()).await), "{email} {body}");
    }
    let profile = cloud.request(Method::PATCH, "/api/me", DAN).json(&json!({"profile": {"age": 30}}));
    assert_eq!(profile.send().await.unwrap().status(), 200);
    for _ in 0..2 {
        assert!(!is_cached(&ask(&cloud, DAN, json!({"message": QUESTION})).await), "with a profile");
    }
    // What an organization tells the model is part of the question; and it may want none of this.
    cloud.set_ai(AURORA, |ai| ai.instructions = Some("Be brief.".to_owned())).await;
    assert!(!is_cached(&ask(&cloud, UMA, json!({"message": QUESTION})).await), "with other instructions");
    assert!(is_cached(&ask(&cloud, UMA, json!({"message": QUESTION})).await));
    cloud.set_ai(AURORA, |ai| ai.cache = false).await;
    assert!(!is_cached(&ask(&cloud, UMA, json!({"message": QUESTION})).await), "where it is off");
}

#[tokio::test]
async fn what_was_stopped_cut_or_broken_is_not_given_again() {
    let cloud = Cloud::quick(&[]).await;
    let ways = [
        ("To be stopped", stalls(3)),
        ("To be broken", json!({"kind": "stop_after", "tokens": 3})),
        ("To be cut", json!(null)),
    ];
    for (question, fault) in ways {
        cloud.model(question, &[says(&words(9))]).await;
        if fault.is_object() {
            cloud.model(question, std::slice::from_ref(&fault)).await;
        }
        let body = json!({"message": question, "max_tokens": 5});
        let mut stream = cloud.asking(UMA, body.clone()).await;
        let metadata = stream.next().await.unwrap();
        if question == "To be stopped" {
            stream.until("token").await;
            assert_eq!(cloud.stop(UMA, metadata.data["interaction_id"].as_str().unwrap()).await.0, 202);
        }
        assert_ne!(Told::rest(&mut stream).await.end()["finish"], "stop");
        cloud.no_faults("llm").await;
        cloud.model(question, &[says("Now.")]).await;
        let again = ask(&cloud, UMA, body).await;
        assert_eq!((is_cached(&again), again.text().as_str()), (false, "Now."), "{question}");
    }
}

/// An answer of the cache needs no points, and counts as no answer under way.
#[tokio::test]
async fn whoever_has_no_points_left_may_still_have_what_is_there() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model(QUESTION, &[says("A board.")]).await;
    ask(&cloud, UMA, json!({"message": QUESTION})).await;
    cloud.set_ai(AURORA, |ai| ai.starting_points = 0).await;
    assert_eq!(cloud.ask_json(DAN, &json!({"message": "Anything else?"})).await.0, 402);
    assert!(is_cached(&ask(&cloud, DAN, json!({"message": QUESTION})).await));
    let balance = cloud.balance(DAN).await;
    assert_eq!((balance.available, balance.held, balance.spent), (0, 0, 0));
}
