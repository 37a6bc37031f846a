//! `POST /login`.

use super::{GRACE, cookies, credentials, login, me, send};
use crate::support::backstage::person;
use crate::support::cloud::{ADA, AURORA, BEN, Cloud, DAN, PASSWORD, UMA};
use domain::secret::Secret;
use domain::user::{Email, Role, User};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_login_answers_with_a_token_and_its_cookies() {
    let cloud = Cloud::start().await;
    let response = send(&cloud, "/login", &credentials(" Ada@Aurora.Example ", PASSWORD)).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    let body: Value = response.json().await.unwrap();
    let token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        (&body["success"], &body["token_type"], &body["expires_in"]),
        (&json!(true), &json!("bearer"), &json!(1800))
    );
    assert_eq!(body["admin_id"], "admin_ada");
    let user = json!({
        "id": "admin_ada", "email": ADA, "role": "admin", "organization_id": AURORA, "name": "Ada",
    });
    assert_eq!(body["user"], user);

    assert_eq!(headers["cache-control"], "no-store");
    let csrf = body["csrf_token"].as_str().unwrap();
    assert_eq!(
        cookies(&headers),
        [
            format!("switchboard_session={token}; Path=/; Max-Age=1800; SameSite=Lax; HttpOnly"),
            format!("switchboard_csrf={csrf}; Path=/; Max-Age=1800; SameSite=Lax"),
        ]
    );
    let (status, me) = me(&cloud, &token).await;
    assert_eq!((status, &me["csrf_token"]), (200, &json!(csrf)));
    for (name, value) in user.as_object().unwrap() {
        assert_eq!(me["user"][name], *value, "{name}");
    }
    assert_eq!((&me["user"]["first_name"], &me["user"]["profile"]), (&json!("Ada"), &json!({})));
    assert_eq!((&me["organization"]["id"], &me["organization"]["timezone"]), (&json!(AURORA), &json!("Asia/Kolkata")));
    assert!((1700..=1800).contains(&me["expires_in"].as_i64().unwrap()));
    let can = me["permissions"].as_array().unwrap();
    assert!(can.contains(&json!("org:admin")) && can.contains(&json!("conversations:read")));

    // Seed A's name of the field; and who is no admin has no admin_id.
    let by_name = json!({"username": DAN, "password": PASSWORD});
    let agent: Value = send(&cloud, "/login", &by_name).await.json().await.unwrap();
    assert_eq!(agent["admin_id"], "agent_dan");
    let (_, user) = login(&cloud, UMA, PASSWORD).await;
    assert!(user["success"] == true && user.get("admin_id").is_none());
}

#[tokio::test]
async fn behind_https_the_cookies_are_secure() {
    let cloud = Cloud::with(&["--public-base-url", "https://switchboard.example.com"]).await;
    let response = send(&cloud, "/login", &credentials(ADA, PASSWORD)).await;
    let cookies = cookies(response.headers());
    assert!(cookies.len() == 2 && cookies.iter().all(|cookie| cookie.contains("; Secure")), "{cookies:?}");
}

#[tokio::test]
async fn wrong_unknown_and_inactive_are_one_answer() {
    let cloud = Cloud::start().await;
    let path = format!("/api/admin/users/{}", cloud.user(BEN).id);
    let response = cloud.request(Method::PATCH, &path, ADA).json(&json!({"active": false})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let expected = json!({
        "detail": "Invalid email or password", "error": "Invalid email or password", "code": "invalid_credentials",
        "hint": "Check the address and the password.",
    });
    for (email, password) in [(ADA, "wrong password"), (ADA, ""), (GRACE, PASSWORD), (BEN, PASSWORD)] {
        for path in ["/login", "/auth/signin"] {
            let response = send(&cloud, path, &credentials(email, password)).await;
            assert!(cookies(response.headers()).is_empty());
            assert_eq!(response.status(), 401, "{path} {email}");
            let mut body: Value = response.json().await.unwrap();
            body.as_object_mut().unwrap().remove("request_id");
            assert_eq!(body, expected, "{path} {email}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_login_is_a_bad_request() {
    let cloud = Cloud::start().await;
    let long = "x".repeat(2000);
    for (body, status) in [
        (json!({"email": ADA}), 400),
        (json!({"password": PASSWORD}), 400),
        (json!({"email": "ada", "password": PASSWORD}), 400),
        (json!({"email": [ADA], "password": PASSWORD}), 400),
        (json!(null), 400),
        (json!({"email": ADA, "password": long}), 401),
    ] {
        let response = send(&cloud, "/login", &body).await;
        assert_eq!(response.status(), status, "{body}");
        // What is wrong is named, what was sent is not repeated.
        let text = response.text().await.unwrap();
        assert!(!text.contains(PASSWORD) && !text.contains("aurora"), "{text}");
    }
    let form = cloud.anonymous(Method::POST, "/login").body("email=a&password=b").send().await.unwrap();
    assert_eq!(form.status(), 415);
    let broken = cloud.anonymous(Method::POST, "/login").header("content-type", "application/json").body("{");
    assert_eq!(broken.send().await.unwrap().status(), 400);
}

/// The window in which wrong passwords of an address are counted.
fn window() -> i64 {
    store::now().seconds() / 900
}

#[tokio::test]
async fn five_wrong_passwords_lock_the_address_whether_it_has_an_account_or_not() {
    let cloud = Cloud::start().await;
    let mut refusals = Vec::new();
    for email in [BEN, GRACE] {
        // Should a new window begin in between, the count began again too: five more lock it for sure.
        let begun = window();
        for _ in 0..5 {
            assert_eq!(login(&cloud, email, "wrong password").await.0, 401);
        }
        while window() != begun && login(&cloud, email, "wrong password").await.0 == 401 {}
        let response = send(&cloud, "/login", &credentials(email, PASSWORD)).await;
        assert_eq!(response.status(), 429, "{email}");
        let wait: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
        let mut body: Value = response.json().await.unwrap();
        body.as_object_mut().unwrap().remove("request_id");
        assert_eq!(body["code"], "account_locked");
        refusals.push(body);
        // The other way in is no way around.
        assert_eq!(send(&cloud, "/auth/signin", &credentials(email, PASSWORD)).await.status(), 429);
    }
    assert_eq!(refusals[0], refusals[1]);
    // Nobody else is locked out, and a token that stands goes on.
    assert_eq!(login(&cloud, ADA, PASSWORD).await.0, 200);
    assert_eq!(me(&cloud, cloud.token(BEN)).await.0, 200);
}

#[tokio::test]
async fn a_right_password_starts_the_count_again() {
    let cloud = Cloud::start().await;
    for _ in 0..2 {
        for _ in 0..4 {
            assert_eq!(login(&cloud, BEN, "wrong password").await.0, 401);
        }
        assert_eq!(login(&cloud, BEN, PASSWORD).await.0, 200);
    }
}

/// Requests of one network to the open routes, in a window of five minutes.
const VISITS: usize = 300;

#[tokio::test]
async fn one_network_has_so_many_tries_whatever_it_tries() {
    let cloud = Cloud::start().await;
    let (mut taken, nothing) = (0, json!({}));
    let refused = loop {
        let sent = (0..50).map(|_| send(&cloud, "/auth/verify-email", &nothing));
        let (past, refused): (Vec<_>, Vec<_>) =
            join_all(sent).await.into_iter().partition(|response| response.status() == 400);
        taken += past.len();
        // Twice as many, should a new window begin in between.
        assert!(taken <= 2 * VISITS);
        if let Some(refused) = refused.into_iter().next() {
            break refused;
        }
    };
    assert!(taken >= VISITS, "{taken}");
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "rate_limited");
    for path in ["/login", "/auth/signup", "/auth/signin", "/auth/verify-signin", "/auth/accept-invitation"] {
        assert_eq!(send(&cloud, path, &json!({})).await.status(), 429, "{path}");
    }
    // Signed-in people are not counted with them.
    assert_eq!(me(&cloud, cloud.token(ADA)).await.0, 200);
}

#[tokio::test]
async fn a_bcrypt_account_signs_in_and_is_hashed_anew() {
    let cloud = Cloud::start().await;
    let vectors = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/password_hash.json")).unwrap();
    let vectors: Value = serde_json::from_slice(&vectors).unwrap();
    let store = cloud.store().await;
    let old = vectors["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["id"].as_str().unwrap().starts_with("bcrypt") && vector["expected"] == true);
    let mut seen = 0;
    for vector in old {
        let email = format!("{}@example.com", vector["id"].as_str().unwrap());
        let address = Email::parse(&email).unwrap();
        let hash = Secret::new(vector["hash"].as_str().unwrap());
        let password = vector["password"].as_str().unwrap();
        assert!(store.add_account(&person(AURORA, &email, Role::Agent), &hash).await.unwrap());
        let stored = async || store.account(&address).await.unwrap().unwrap().password_hash.expose().to_owned();

        assert_eq!(login(&cloud, &email, "wrong password").await.0, 401);
        assert_eq!(stored().await, hash.expose());
        assert_eq!(login(&cloud, &email, password).await.0, 200, "{email}");
        let anew = stored().await;
        assert!(anew.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{email}");
        assert_eq!(login(&cloud, &email, password).await.0, 200, "{email}");
        assert_eq!(stored().await, anew);
        seen += 1;
    }
    assert!(seen >= 3);
}

#[tokio::test]
async fn an_address_that_is_not_verified_does_not_sign_in_by_password() {
    let cloud = Cloud::start().await;
    let user = User { email_verified: false, ..person(AURORA, GRACE, Role::Admin) };
    let hash = identity::password::hash(&Secret::new(PASSWORD)).unwrap();
    cloud.store().await.add_account(&user, &Secret::new(hash.expose())).await.unwrap();
    let (status, body) = login(&cloud, GRACE, PASSWORD).await;
    assert_eq!((status, &body["success"], &body["requires_verification"]), (200, &json!(false), &json!(true)));
    assert!(body.get("access_token").is_none());
    let code = cloud.code_for(GRACE).await;
    let (status, body) = super::post(&cloud, "/auth/verify-email", json!({"email": GRACE, "code": code})).await;
    assert_eq!((status, &body["user"]["role"]), (200, &json!("admin")));
}
