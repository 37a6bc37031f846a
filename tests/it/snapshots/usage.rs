//! `GET /api/usage` and `GET /api/usage/organization` (C11, E31).

use super::refused;
use crate::support::chats::{Person, RESERVED, STARTING_POINTS, outcome};
use crate::support::cloud::{ADA, BEN, CLEO, Cloud, DAN, UMA};
use domain::chat::{Ending, Failure, Outcome};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::now;

const OWN: &str = "/api/usage";
const ALL: &str = "/api/usage/organization";

/// Days are UTC's, and a test may run at midnight: what two days together hold.
fn sum(days: &Value, field: &str) -> u64 {
    days.as_array().unwrap().iter().map(|day| day[field].as_u64().unwrap()).sum()
}

/// An answer that ended so many days ago.
fn ended(days_ago: i64, points: u64, response_time_ms: u64) -> Outcome {
    let ended_at = now().plus_seconds(-86_400 * days_ago);
    Outcome { ended_at, response_time_ms, ..outcome("4", points) }
}

async fn answered(person: &Person, outcome: Outcome) {
    let question = person.ask("chat", "hello").await;
    person.end(&question, outcome).await;
}

#[tokio::test]
async fn people_see_their_points_and_what_they_used_them_for() {
    let cloud = Cloud::silent().await;
    let fresh = cloud.json(OWN, UMA).await;
    let organization = cloud.json("/api/admin/organization", ADA).await;
    assert_eq!(fresh["balance"], organization["organization"]["ai"]["starting_points"], "before the first question");
    assert_eq!((&fresh["held"], &fresh["ledger"]), (&json!(0), &json!([])));

    let uma = Person::of(&cloud, UMA).await;
    answered(&uma, ended(0, 5, 100)).await;
    let failed = Ending::Failed(Failure::Timeout);
    answered(&uma, Outcome { ending: failed, ..ended(0, 0, 300) }).await;
    answered(&uma, ended(40, 7, 900)).await;
    let chat = uma.chat_or_new("chat", "").await;
    let mut again = uma.asking(&chat, "hello");
    (again.maker, again.question.reserve.points) = (None, 0);
    again.outcome = Some(Outcome { cached: true, ..ended(0, 0, 20) });
    uma.tenant.ask(&again).await.unwrap();
    let open = uma.ask("chat", "one more").await;
    answered(&Person::of(&cloud, DAN).await, ended(0, 9, 100)).await;

    let usage = cloud.json(OWN, UMA).await;
    let left = STARTING_POINTS - 12;
    assert_eq!((&usage["balance"], &usage["held"]), (&json!(left), &json!(RESERVED)));
    assert_eq!(usage["available"], json!(left - RESERVED));
    let days = &usage["days"];
    assert_eq!(days.as_array().unwrap().len(), 30);
    let totals = ["exchanges", "failed", "cached", "tokens_used", "points"].map(|field| sum(days, field));
    assert_eq!(totals, [3, 1, 1, 150, 5]);
    let used: Vec<&Value> = days.as_array().unwrap().iter().filter(|day| day["exchanges"] != 0).collect();
    let dates: Vec<&str> = days.as_array().unwrap().iter().map(|day| day["date"].as_str().unwrap()).collect();
    assert!(dates.is_sorted() && dates.iter().all(|date| date.len() == 10), "{dates:?}");
    let ms: u64 =
        used.iter().map(|day| day["response_time_ms_avg"].as_u64().unwrap() * day["exchanges"].as_u64().unwrap()).sum();
    assert_eq!(ms, 420);
    assert!(days[0]["response_time_ms_avg"].is_null() && days[0]["points"] == 0);
    assert_eq!(sum(&cloud.json("/api/usage?days=90", UMA).await["days"], "points"), 12);
    assert_eq!(cloud.json("/api/usage?days=1", UMA).await["days"].as_array().unwrap().len(), 1);

    // The newest first, except that one pretends to be older.
    let ledger = usage["ledger"].as_array().unwrap();
    let points: Vec<i64> = ledger.iter().map(|entry| entry["points"].as_i64().unwrap()).collect();
    assert_eq!(points, [-5, i64::try_from(STARTING_POINTS).unwrap(), -7]);
    assert_eq!((&ledger[1]["kind"], &ledger[0]["kind"]), (&json!("grant"), &json!("answer")));
    assert_eq!((&ledger[0]["session_id"], &ledger[0]["tokens_used"]), (&json!("chat"), &json!(150)));
    assert!(ledger[0]["message_id"].is_string() && ledger[0]["at"].as_str().unwrap().ends_with('Z'));
    uma.end(&open, outcome("hi", 1)).await;
    assert_eq!(cloud.json(OWN, UMA).await["held"], 0);
}

#[tokio::test]
async fn an_organizations_use_is_told_by_person_and_by_day() {
    let cloud = Cloud::silent().await;
    let none = cloud.json(ALL, ADA).await;
    assert_eq!((&none["users"], &none["total"]["exchanges"]), (&json!([]), &json!(0)));
    assert!(none["total"]["response_time_ms_avg"].is_null() && none.get("points_cap").is_none());
    for (email, points, count) in [(UMA, 5, 3), (DAN, 40, 1), (CLEO, 99, 1)] {
        let person = Person::of(&cloud, email).await;
        for _ in 0..count {
            answered(&person, ended(0, points, 250)).await;
        }
        answered(&person, ended(60, 1, 250)).await;
    }
    // Somebody who is not of the organization any more.
    let gone = Person::new(cloud.tenant(&cloud.user(ADA).organization_id).await, "gone").await;
    let question = gone.ask("gones", "hello").await;
    gone.end(&question, ended(0, 2, 250)).await;

    let usage = cloud.json(ALL, ADA).await;
    let total = &usage["total"];
    assert_eq!((&total["exchanges"], &total["points"], &total["tokens_used"]), (&json!(5), &json!(57), &json!(1710)));
    assert_eq!(total["response_time_ms_avg"], 250);
    assert_eq!((sum(&usage["days"], "points"), sum(&usage["days"], "exchanges")), (57, 5));
    let users: Vec<_> = usage["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| {
            (user["email"].clone(), user["name"].is_string(), user["points"].clone(), user["exchanges"].clone())
        })
        .collect();
    let expected = [
        (json!(DAN), true, json!(40), json!(1)),
        (json!(UMA), true, json!(15), json!(3)),
        (json!(null), false, json!(2), json!(1)),
    ];
    assert_eq!(users, expected);
    assert_eq!(usage["users"][2]["user_id"], "gone");
    assert_eq!(cloud.json(&format!("{ALL}?days=90"), ADA).await["total"]["points"], 59);
    assert_eq!(cloud.json(ALL, CLEO).await["total"]["points"], 99);

    // With a limit, how far it is used.
    let change = json!({"ai": {"monthly_points": 500}});
    let patch = cloud.request(Method::PATCH, "/api/admin/organization", ADA).json(&change);
    assert_eq!(patch.send().await.unwrap().status(), 200);
    let uma = Person::of(&cloud, UMA).await;
    let chat = uma.chat_or_new("capped", "hello").await;
    let mut asking = uma.asking(&chat, "hello");
    asking.monthly_points = Some(500);
    asking.question.reserve.month = Some(now().month());
    uma.tenant.ask(&asking).await.unwrap();
    let month = now().month();
    let cap = json!({"month": format!("{}-{}", &month[..4], &month[4..]), "limit": 500, "used": RESERVED});
    assert_eq!(cloud.json(ALL, ADA).await["points_cap"], cap);
}

#[tokio::test]
async fn who_may_not_see_it_does_not() {
    let cloud = Cloud::silent().await;
    for email in [UMA, DAN] {
        assert_eq!(refused(&cloud, ALL, email).await, (StatusCode::FORBIDDEN, json!("forbidden")), "{email}");
        cloud.json(OWN, email).await;
    }
    cloud.json(ALL, BEN).await;
    for path in [OWN, ALL] {
        for query in ["days=0", "days=91", "days=-1", "days=x"] {
            let answer = refused(&cloud, &format!("{path}?{query}"), ADA).await;
            assert_eq!(answer, (StatusCode::BAD_REQUEST, json!("invalid_request")), "{path}?{query}");
        }
        assert_eq!(cloud.anonymous(Method::GET, path).send().await.unwrap().status(), 401);
    }
}
