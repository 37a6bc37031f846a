//! `GET` and `PATCH /api/me`: what people say of themselves (E15).

use super::{me, session};
use crate::support::cloud::{ADA, Cloud, UMA};
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};

async fn patch(cloud: &Cloud, email: &str, body: &Value) -> (u16, Value) {
    let response = cloud.request(Method::PATCH, "/api/me", email).json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn people_change_their_names_and_what_the_model_is_told_of_them() {
    let cloud = Cloud::start().await;
    let (_, before) = me(&cloud, cloud.token(UMA)).await;
    let mut user = before["user"].clone();
    assert_eq!(user["profile"], json!({}));
    let profile = json!({"age": 30, "fitness_level": "beginner", "weight kg": 61.5, "injured": false, "whole": -7});
    for (change, fields) in [
        (json!({"first_name": " Uma "}), json!({"first_name": "Uma"})),
        (json!({"profile": profile}), json!({"profile": profile})),
        (json!({"last_name": "Okafor"}), json!({"last_name": "Okafor", "name": "Uma Okafor"})),
        (json!({}), json!({})),
        (json!({"email": "x@example.com", "role": "admin", "active": false, "id": "x"}), json!({})),
        (json!({"profile": {"age": 31}}), json!({"profile": {"age": 31}})),
        (json!({"first_name": "", "profile": null}), json!({"first_name": "", "name": "Okafor", "profile": {}})),
    ] {
        for (name, value) in fields.as_object().unwrap() {
            user[name] = value.clone();
        }
        if fields.get("first_name").is_some() && fields.get("name").is_none() {
            let last = user["last_name"].as_str().unwrap();
            user["name"] = json!(format!("{} {last}", user["first_name"].as_str().unwrap()).trim());
        }
        let (status, body) = patch(&cloud, UMA, &change).await;
        assert_eq!((status, &body["user"]), (200, &user), "{change}");
        assert_eq!(me(&cloud, cloud.token(UMA)).await.1["user"], user);
    }
    for bad in [
        json!({"first_name": "a\nb"}),
        json!({"last_name": "x".repeat(101)}),
        json!({"first_name": 7}),
        json!({"profile": {"a.b": 1}, "first_name": "Good"}),
        json!({"profile": {"a": "x".repeat(201)}}),
        json!({"profile": {"a": {"b": 1}}}),
        json!({"profile": {"a": 1e300}}),
        json!({"profile": (0..21).map(|n| (format!("e{n}"), json!(n))).collect::<serde_json::Map<_, _>>()}),
    ] {
        let (status, body) = patch(&cloud, UMA, &bad).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_request")), "{bad}");
    }
    assert_eq!(me(&cloud, cloud.token(UMA)).await.1["user"], user);
}

#[tokio::test]
async fn a_change_needs_a_token_and_by_cookie_its_proof() {
    let cloud = Cloud::start().await;
    let (token, csrf) = session(&cloud, UMA).await;
    let request = || cloud.anonymous(Method::PATCH, "/api/me").json(&json!({"first_name": "U"}));
    assert_eq!(request().send().await.unwrap().status(), 401);
    let by_cookie = || request().header("cookie", format!("switchboard_session={token}"));
    assert_eq!(by_cookie().send().await.unwrap().status(), 403);
    assert_eq!(by_cookie().header("x-csrf-token", &csrf).send().await.unwrap().status(), 200);
}

/// Whoever changes a name does not undo what an admin changes meanwhile, nor the other way round.
#[tokio::test]
async fn changes_of_oneself_and_by_an_admin_do_not_undo_each_other() {
    let cloud = Cloud::start().await;
    let path = format!("/api/admin/users/{}", cloud.user(UMA).id);
    let admins = json!({"last_name": "by an admin"});
    for round in 0..5 {
        let own = json!({"first_name": format!("U{round}"), "profile": {"round": round}});
        let by_admin = cloud.request(Method::PATCH, &path, ADA).json(&admins).send();
        let (own_answer, admins_answer) = join(patch(&cloud, UMA, &own), by_admin).await;
        assert_eq!((own_answer.0, admins_answer.unwrap().status().as_u16()), (200, 200));
        let user = me(&cloud, cloud.token(UMA)).await.1["user"].take();
        assert_eq!((&user["first_name"], &user["last_name"]), (&own["first_name"], &admins["last_name"]));
        assert_eq!(user["profile"]["round"], round);
    }
    // Whoever was put out cannot change anything any more.
    let out = cloud.request(Method::PATCH, &path, ADA).json(&json!({"active": false})).send().await.unwrap();
    assert_eq!(out.status(), 200);
    assert_eq!(patch(&cloud, UMA, &json!({"first_name": "Back"})).await.0, 401);
    let tenant = cloud.tenant(&cloud.user(UMA).organization_id).await;
    let id = domain::ids::UserId::parse(&cloud.user(UMA).id).unwrap();
    let change = store::OwnChange { first_name: Some("Back".to_owned()), ..store::OwnChange::default() };
    assert!(tenant.change_own(&id, &change).await.unwrap().is_none());
    assert_eq!(tenant.user(&id).await.unwrap().unwrap().first_name, "U4");
}
