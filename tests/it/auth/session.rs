//! What a token opens, by header and by cookie, and its end.

use super::{cookies, me, session};
use crate::support::cloud::{ADA, Cloud, LIVE, PASSWORD};
use crate::support::socket::Socket;
use crate::support::sse::Sse;
use domain::secret::Secret;
use identity::token::{self, Keyring, Subject};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_sign_out_ends_the_token_everywhere_and_no_other() {
    let cloud = Cloud::start().await;
    for path in ["/logout", "/auth/logout"] {
        let (leaving, _) = session(&cloud, ADA).await;
        let (staying, _) = session(&cloud, ADA).await;
        let snapshot = format!("/api/conversation/{LIVE}");
        let get = async |path: &str, token: &str| {
            cloud.anonymous(Method::GET, path).bearer_auth(token).send().await.unwrap().status().as_u16()
        };
        let open = format!("{snapshot}/stream");
        let mut stream = Sse::open(cloud.anonymous(Method::GET, &open).bearer_auth(&leaving)).await;
        stream.until("initial").await;
        let connect = async |token: &str| {
            let mut socket = Socket::connect(&format!("{}?token={token}", cloud.info.websocket_url)).await.unwrap();
            socket.until("connected").await;
            socket
        };
        let (mut socket, mut other) = (connect(&leaving).await, connect(&staying).await);

        let response = cloud.anonymous(Method::POST, path).bearer_auth(&leaving).send().await.unwrap();
        assert_eq!(response.status(), 200);
        for cookie in cookies(response.headers()) {
            assert!(cookie.contains("=; Path=/; Max-Age=0"), "{cookie}");
        }
        assert_eq!(get(&snapshot, &leaving).await, 401);
        let (status, refusal) = me(&cloud, &leaving).await;
        assert_eq!((status, &refusal["code"]), (401, &json!("invalid_token")));
        assert_eq!(stream.until("error").await.data["code"], "invalid_token");
        assert!(stream.next().await.is_none());
        while socket.next().await.is_some() {}
        assert_eq!(Socket::connect(&format!("{}?token={leaving}", cloud.info.websocket_url)).await.err(), Some(401));
        // It cannot end twice, and the other session goes on.
        assert_eq!(cloud.anonymous(Method::POST, path).bearer_auth(&leaving).send().await.unwrap().status(), 401);
        assert_eq!(get(&snapshot, &staying).await, 200);
        other.send(json!({"action": "ping"})).await;
        other.until("pong").await;
    }
}

#[tokio::test]
async fn a_cookie_opens_what_a_page_reads_and_needs_its_proof_to_change_anything() {
    let cloud = Cloud::start().await;
    let (token, csrf) = session(&cloud, ADA).await;
    let by_cookie = |method: Method, path: &str| {
        cloud.anonymous(method, path).header("cookie", format!("theme=dark; switchboard_session={token}"))
    };
    // As an EventSource of our own page does.
    let mut stream = Sse::open(by_cookie(Method::GET, &format!("/api/conversation/{LIVE}/stream"))).await;
    assert_eq!(stream.next().await.unwrap().name(), "initial");
    let me: Value = by_cookie(Method::GET, "/api/me").send().await.unwrap().json().await.unwrap();
    assert_eq!(me["csrf_token"], csrf);

    for path in ["/api/stream/ticket", "/logout"] {
        let response = by_cookie(Method::POST, path).send().await.unwrap();
        assert_eq!(response.status(), 403, "{path}");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "csrf_required");
    }
    let with_proof = |path| by_cookie(Method::POST, path).header("x-csrf-token", &csrf);
    assert_eq!(with_proof("/api/stream/ticket").send().await.unwrap().status(), 200);
    assert_eq!(with_proof("/logout").send().await.unwrap().status(), 200);
    assert_eq!(stream.until("error").await.data["code"], "invalid_token");
    assert_eq!(by_cookie(Method::GET, "/api/me").send().await.unwrap().status(), 401);
    // A header that is wrong is not made good by a cookie that is right.
    let (token, _) = session(&cloud, ADA).await;
    let request = cloud.anonymous(Method::GET, "/api/me").header("cookie", format!("switchboard_session={token}"));
    assert_eq!(request.bearer_auth("garbage").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn tokens_signed_with_the_previous_secret_stand_and_others_do_not() {
    let previous = "the secret that signed until yesterday";
    let cloud = Cloud::with(&["--env", &format!("JWT_SECRET_PREVIOUS={previous}")]).await;
    let user = &cloud.tenant("aurora-demo").await.users().await.unwrap()[0];
    let signed = |secret: &str| {
        let keys = Keyring::new(&Secret::new(secret), &[]).unwrap();
        token::issue(&keys, &Subject::from(user), store::now(), 600).unwrap().token
    };
    assert_eq!(me(&cloud, signed(previous).expose()).await.0, 200);
    assert_eq!(me(&cloud, signed("a secret that nobody has told us of").expose()).await.0, 401);
    let (status, expired) = me(&cloud, cloud.mint(ADA, -60).token.expose()).await;
    assert_eq!((status, &expired["code"]), (401, &json!("token_expired")));
}

#[tokio::test]
async fn a_token_lives_as_long_as_configured() {
    let cloud = Cloud::with(&["--env", "TOKEN_SECONDS=60"]).await;
    let (_, body) = super::login(&cloud, ADA, PASSWORD).await;
    assert_eq!(body["expires_in"], 60);
    let (_, me) = me(&cloud, body["access_token"].as_str().unwrap()).await;
    assert!((1..=60).contains(&me["expires_in"].as_i64().unwrap()), "{me}");
}
