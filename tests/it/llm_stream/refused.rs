//! Questions that are not asked: refused before the stream begins, each with its code, and nothing is set aside for them.

use super::{pace, says, stalls};
use crate::support::answers_sse::{ASK, Told, words};
use crate::support::cloud::{ADA, AURORA, BICI, CLEO, Cloud, DAN, UMA};
use crate::support::control::{answer, assert_refused};
use crate::support::sse::Sse;
use domain::points::price;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_no_question_is_told_so() {
    let cloud = Cloud::quick(&[]).await;
    let at_most = "ä".repeat(32_000);
    let file = |url: &str| json!({"message": "Look", "media_files": [{"id": "1", "url": url}]});
    let many: Vec<Value> =
        (0..11).map(|id| json!({"id": id.to_string(), "url": "https://files.example/a.png"})).collect();
    for body in [
        json!({}),
        json!({"message": ""}),
        json!({"message": " \n\t "}),
        json!({"message": null}),
        json!({"message": 7}),
        json!({"message": "x", "max_tokens": "many"}),
        json!({"message": "x", "media_files": {}}),
        json!({"message": "x", "interaction_id": 5}),
        json!([]),
        file("http://files.example/a.png"),
        file("https://127.0.0.1/a.png"),
        file("https://169.254.169.254/latest/meta-data"),
        file("no url"),
        json!({"message": "Look", "media_files": many}),
    ] {
        assert_refused(&cloud.ask_json(UMA, &body).await, 400, "invalid_request");
    }
    let (_, body) = cloud.ask_json(UMA, &json!({"message": " "})).await;
    assert_eq!(body["detail"], "message must not be empty");
    let plain = cloud.request(Method::POST, ASK, UMA).header("content-type", "application/json").body("{");
    assert_refused(&answer(plain).await, 400, "invalid_request");
    assert_refused(&answer(cloud.simple(UMA, &[])).await, 400, "invalid_request");

    let long = json!({"message": format!("{at_most}ä")});
    assert_refused(&cloud.ask_json(UMA, &long).await, 413, "payload_too_large");
    let large = json!({"message": "x", "more": "x".repeat(1 << 20)});
    assert_refused(&cloud.ask_json(UMA, &large).await, 413, "payload_too_large");
    // What has room is asked; space around it does not count.
    cloud.model("ä", &[says("So much.")]).await;
    assert_eq!(cloud.ask_json(UMA, &json!({"message": format!("  {at_most}\n")})).await.0, 200);
    assert_eq!((cloud.balance(UMA).await.held, cloud.ledger(UMA).await.len()), (0, 2));
}

#[tokio::test]
async fn strangers_and_other_peoples_chats_get_nowhere() {
    let cloud = Cloud::quick(&[]).await;
    let body = json!({"message": "Hello"});
    let nobody = answer(cloud.anonymous(Method::POST, ASK).json(&body)).await;
    assert_refused(&nobody, 401, "missing_token");
    let wrong = answer(cloud.anonymous(Method::POST, ASK).bearer_auth("x.y.z").json(&body)).await;
    assert_refused(&wrong, 401, "invalid_token");

    let chat = cloud.told(UMA, body).await.chat().to_owned();
    for (email, id) in [(ADA, chat.as_str()), (CLEO, &chat), (UMA, "0f1e2d3c-0000-4000-8000-000000000000"), (UMA, "#")]
    {
        let refused = cloud.ask_json(email, &json!({"message": "Mine?", "interaction_id": id})).await;
        assert_refused(&refused, 404, "not_found");
        assert_eq!(refused.1["detail"], "Interaction not found");
        let refused = answer(cloud.simple(email, &[("message", "Mine?"), ("interaction_id", id)])).await;
        assert_refused(&refused, 404, "not_found");
    }
    assert!(cloud.prompts_with("Mine?").await.is_empty());
}

#[tokio::test]
async fn without_points_nothing_is_asked_and_points_that_run_out_end_an_answer() {
    let cloud = Cloud::quick(&[]).await;
    cloud.set_ai(AURORA, |ai| (ai.tokens_per_point, ai.starting_points) = (1, 300)).await;
    cloud.model("At length", &[says(&words(200)), pace(1)]).await;
    let told = cloud.told(DAN, json!({"message": "At length"})).await;
    let text = told.assert_whole(1);
    told.assert_failed("points_exhausted");
    assert!(!text.is_empty() && words(200).starts_with(&text) && text.len() < words(150).len(), "{text}");
    // What was delivered is paid, exactly, and all of it could be.
    let cost = told.end()["points_cost"].as_u64().unwrap();
    assert_eq!((&told.end()["partial"], told.end()["tokens_used"].as_u64()), (&json!(true), Some(cost)));
    let balance = cloud.balance(DAN).await;
    assert_eq!((balance.available, balance.held, balance.spent), (300 - cost, 0, cost));
    assert_eq!(cloud.ledger(DAN).await.len(), 2);
    assert!(balance.available < 20, "{balance:?}");

    let refused = cloud.ask_json(DAN, &json!({"message": "More"})).await;
    assert_refused(&refused, 402, "points_exhausted");
    let refused = cloud.ask_json(DAN, &json!({"message": "More", "interaction_id": told.chat()})).await;
    assert_refused(&refused, 402, "points_exhausted");
    assert!(cloud.prompts_with("More").await.is_empty());
    assert_eq!(cloud.balance(DAN).await, balance);
}

/// What comes at once is cut finely enough that what can be paid is told.
#[tokio::test]
async fn points_that_run_out_in_a_burst_leave_what_they_could_pay() {
    let cloud = Cloud::quick(&[]).await;
    cloud.set_ai(AURORA, |ai| (ai.tokens_per_point, ai.starting_points) = (1, 300)).await;
    cloud.model("In a burst", &[says(&words(800)), pace(0)]).await;
    let told = cloud.told(DAN, json!({"message": "In a burst"})).await;
    told.assert_whole(1);
    told.assert_failed("points_exhausted");
    let balance = cloud.balance(DAN).await;
    assert!(told.text().len() > 100 && balance.available < 40, "{} bytes, {balance:?}", told.text().len());
    cloud.ledger(DAN).await;
}

#[tokio::test]
async fn the_points_of_an_organizations_month_are_of_all_its_people() {
    let cloud = Cloud::quick(&[]).await;
    cloud.set_ai(AURORA, |ai| (ai.tokens_per_point, ai.monthly_points, ai.cache) = (1, Some(500), false)).await;
    let mut refused = 0;
    for email in [ADA, DAN, UMA, ADA, DAN, UMA, ADA, DAN] {
        let (status, body) = cloud.ask_json(email, &json!({"message": "Hello", "max_tokens": 100})).await;
        match status {
            200 => {}
            402 => refused += 1,
            other => panic!("{other}: {body}"),
        }
    }
    let mut spent = 0;
    for email in [ADA, DAN, UMA] {
        cloud.ledger(email).await;
        spent += cloud.balance(email).await.spent;
    }
    assert!(spent > 100 && spent <= 500 && refused > 0, "{spent} {refused}");
    let tenant = cloud.tenant(AURORA).await;
    let month = store::now().month();
    assert_eq!(tenant.points_of_month(&month).await.unwrap(), spent);
    assert_eq!(cloud.ask_json(CLEO, &json!({"message": "Hello"})).await.0, 200, "another organization");
}

#[tokio::test]
async fn answers_at_once_and_questions_in_a_minute_have_their_limits() {
    let cloud = Cloud::quick(&["--env", "QUESTIONS_PER_MINUTE=6"]).await;
    cloud.set_ai(BICI, |ai| ai.answers_at_once = 2).await;
    cloud.model("Wait", &[says(&words(9)), stalls(2)]).await;
    let mut streams = join_all((0..2).map(|_| cloud.asking(CLEO, json!({"message": "Wait"})))).await;
    let chats = join_all(streams.iter_mut().map(|stream| async { stream.next().await.unwrap() })).await;
    let limited = async |email: &str| {
        let response = cloud.ask(email, &json!({"message": "Me too"})).send().await.unwrap();
        assert_eq!(response.status(), 429);
        let wait: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "rate_limited");
    };
    limited(CLEO).await;
    let chat = chats[0].data["interaction_id"].as_str().unwrap();
    assert_eq!(cloud.stop(CLEO, chat).await.0, 202);
    Told::rest(&mut streams[0]).await;
    // One that is over makes room for another.
    assert_eq!(cloud.ask_json(CLEO, &json!({"message": "Me too"})).await.0, 200);
    assert_eq!(cloud.balance(CLEO).await.running.len(), 1);

    for _ in 0..6 {
        let request = cloud.ask(UMA, &json!({"message": "Hello"})).header("accept", "application/json");
        assert_eq!(answer(request.header("idempotency-key", "k")).await.0, 200, "one question, six times");
    }
    for _ in 0..5 {
        assert_eq!(cloud.ask_json(UMA, &json!({"message": "Hello"})).await.0, 200);
    }
    limited(UMA).await;
    let again = cloud.ask(UMA, &json!({"message": "Hello"})).header("idempotency-key", "k");
    Told::rest(&mut Sse::open(again).await).await.assert_whole(1);
}

#[tokio::test]
async fn the_longest_answer_is_what_is_wished_and_allowed() {
    let cloud = Cloud::quick(&[]).await;
    cloud.set_ai(AURORA, |ai| (ai.max_tokens, ai.cache) = (8000, false)).await;
    cloud.model("How long", &[says(&words(20))]).await;
    for (wished, expected) in
        [(json!(null), 5000), (json!(0), 1), (json!(-5), 1), (json!(7), 7), (json!(1e15 as u64), 8000)]
    {
        let question = format!("How long, {wished}?");
        let (status, body) = cloud.ask_json(UMA, &json!({"message": question, "max_tokens": wished})).await;
        assert_eq!(status, 200, "{body}");
        let request = &cloud.asked_model(&question).await[0];
        assert_eq!(request["max_tokens"], expected, "{wished}");
        let finish = if expected < 20 { "length" } else { "stop" };
        assert_eq!((&body["finish"], &body["content"]), (&json!(finish), &json!(words(20.min(expected)))), "{wished}");
        // The set-aside of a longer answer than there was is given back.
        assert_eq!(body["points_cost"], price(body["tokens_used"].as_u64().unwrap(), 30));
    }
    assert_eq!(cloud.balance(UMA).await.held, 0);
}

#[tokio::test]
async fn without_a_model_nothing_is_asked() {
    let cloud = Cloud::with(&["--env", "LLM_BASE_URL="]).await;
    assert_refused(&cloud.ask_json(UMA, &json!({"message": "Hello"})).await, 503, "llm_not_configured");
    assert_refused(&answer(cloud.ask(UMA, &json!({"message": "Hello"}))).await, 503, "llm_not_configured");
    assert_refused(&answer(cloud.simple(UMA, &[("message", "Hello")])).await, 503, "llm_not_configured");
    let message = json!({"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hello"}]});
    let chat = cloud.request(Method::POST, "/api/chat", UMA).json(&json!({"id": "c", "messages": [message]}));
    assert_refused(&answer(chat).await, 503, "llm_not_configured");
    let health = answer(cloud.anonymous(Method::GET, "/api/stream/health?deep=1")).await;
    assert_eq!(health.1["llm"], json!({"configured": false, "models": []}));
}
