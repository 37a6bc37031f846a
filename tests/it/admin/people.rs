//! People and their roles.

use super::{login, patch};
use crate::support::cloud::{ADA, BEN, CLEO, Cloud, DAN, PASSWORD};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn path(cloud: &Cloud, email: &str) -> String {
    format!("/api/admin/users/{}", cloud.user(email).id)
}

async fn me(cloud: &Cloud, token: &str) -> u16 {
    cloud.anonymous(Method::GET, "/api/me").bearer_auth(token).send().await.unwrap().status().as_u16()
}

async fn people(cloud: &Cloud, email: &str) -> Vec<Value> {
    cloud.json("/api/admin/users", email).await["users"].as_array().unwrap().clone()
}

#[tokio::test]
async fn admins_see_their_own_people_without_anything_secret() {
    let cloud = Cloud::start().await;
    let people = people(&cloud, ADA).await;
    let addresses: Vec<_> = people.iter().map(|person| person["email"].as_str().unwrap()).collect();
    assert!(addresses.len() == 4 && addresses.contains(&BEN) && !addresses.contains(&CLEO), "{addresses:?}");
    let expected = BTreeSet::from([
        "id",
        "email",
        "role",
        "name",
        "first_name",
        "last_name",
        "active",
        "email_verified",
        "created_at",
    ]);
    for person in &people {
        let fields: BTreeSet<_> = person.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, expected);
    }
}

#[tokio::test]
async fn a_change_of_role_ends_the_tokens_of_the_old_one_and_a_new_sign_in_has_the_new_one() {
    let cloud = Cloud::start().await;
    let (_, session) = login(&cloud, DAN, PASSWORD).await;
    let old = session["access_token"].as_str().unwrap();
    // A new name changes no access.
    let (status, body) = patch(&cloud, &path(&cloud, DAN), ADA, &json!({"last_name": "Danger"})).await;
    assert_eq!((status, &body["user"]["name"]), (200, &json!("Dan Danger")));
    assert_eq!(me(&cloud, old).await, 200);

    let (status, body) = patch(&cloud, &path(&cloud, DAN), ADA, &json!({"role": "admin"})).await;
    assert_eq!((status, &body["user"]["role"]), (200, &json!("admin")));
    for token in [old, cloud.token(DAN)] {
        assert_eq!(me(&cloud, token).await, 401);
    }
    let (status, session) = login(&cloud, DAN, PASSWORD).await;
    assert_eq!((status, &session["user"]["role"]), (200, &json!("admin")));
    // At once, not from the next second on.
    assert_eq!(me(&cloud, session["access_token"].as_str().unwrap()).await, 200);

    let (_, body) = patch(&cloud, &path(&cloud, DAN), ADA, &json!({"active": false})).await;
    assert_eq!(body["user"]["active"], false);
    assert_eq!(login(&cloud, DAN, PASSWORD).await.0, 401);
    patch(&cloud, &path(&cloud, DAN), ADA, &json!({"active": true})).await;
    assert_eq!(login(&cloud, DAN, PASSWORD).await.0, 200);
    assert_eq!(me(&cloud, old).await, 401);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let cloud = Cloud::start().await;
    for change in [json!({"role": "agent"}), json!({"active": false}), json!({"role": "user", "active": false})] {
        let (status, body) = patch(&cloud, &path(&cloud, CLEO), CLEO, &change).await;
        assert_eq!((status, &body["code"]), (409, &json!("conflict")), "{change}");
    }
    assert_eq!(people(&cloud, CLEO).await[0]["role"], "admin");
    // Of two, one may go; two who take the role from each other at once do not both lose it.
    let demote = json!({"role": "agent"});
    let (bens, adas) = (path(&cloud, BEN), path(&cloud, ADA));
    let both = [patch(&cloud, &bens, ADA, &demote), patch(&cloud, &adas, BEN, &demote)];
    let statuses: Vec<u16> = join_all(both).await.into_iter().map(|answer| answer.0).collect();
    let done = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(done, 1, "{statuses:?}");
    let left = if statuses[0] == 200 { ADA } else { BEN };
    let admins = people(&cloud, left).await.into_iter().filter(|person| person["role"] == "admin").count();
    assert_eq!(admins, 1);
}

#[tokio::test]
async fn people_of_others_are_nobody_and_nonsense_is_refused() {
    let cloud = Cloud::start().await;
    for id in [cloud.user(CLEO).id.as_str(), "nobody", "a%2Fb", "%20"] {
        let (status, body) = patch(&cloud, &format!("/api/admin/users/{id}"), ADA, &json!({"role": "admin"})).await;
        assert_eq!((status, &body["code"]), (404, &json!("not_found")), "{id}");
    }
    for change in [json!({"role": "king"}), json!({"active": 1}), json!({"first_name": "x".repeat(101)}), json!("x")] {
        assert_eq!(patch(&cloud, &path(&cloud, BEN), ADA, &change).await.0, 400, "{change}");
    }
    // Fields that are not to be changed are passed over.
    let change = json!({"email": "x@example.com", "organization_id": "bici-demo", "id": "x", "tokens_valid_after": 0});
    let (status, body) = patch(&cloud, &path(&cloud, BEN), ADA, &change).await;
    assert_eq!((status, &body["user"]["email"]), (200, &json!(BEN)));
}
