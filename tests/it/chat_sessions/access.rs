//! A chat is its person's: for everybody else it is not there (G8).

use super::{SESSIONS, answer, texts};
use crate::support::chats::Person;
use crate::support::cloud::{ADA, BEN, CLEO, Cloud, DAN, UMA};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn whoever_asks_for_anothers_chat_learns_nothing_and_changes_nothing() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    uma.exchange("umas", "my secret", "is safe").await;
    // The same id in another organization is another chat.
    let cleo = Person::of(&cloud, CLEO).await;
    cleo.exchange("cleos", "hello", "hi").await;
    let ids = ["umas", "nobodys", "a b", "x%23y", &"x".repeat(129), "%F0%9F%98%80"];
    for email in [ADA, BEN, DAN, CLEO] {
        for id in ids {
            for (method, tail) in [
                (Method::GET, ""),
                (Method::GET, "?cursor=x"),
                (Method::GET, "/export"),
                (Method::GET, "/export?format=markdown"),
                (Method::DELETE, ""),
            ] {
                let (status, mut body) = answer(&cloud, method, &format!("{SESSIONS}/{id}{tail}"), email).await;
                body["request_id"] = Value::Null;
                let expected = json!({
                    "detail": "Session not found", "error": "Session not found", "code": "not_found",
                    "hint": "Check the id and the path.", "request_id": null,
                });
                assert_eq!((status, body), (404, expected), "{id}{tail} as {email}");
            }
        }
        let found = cloud.json("/chat/search?q=secret", email).await;
        assert_eq!(found, json!({"results": [], "next_cursor": null}), "{email}");
    }
    let own = cloud.json(&format!("{SESSIONS}/umas"), UMA).await;
    assert_eq!(texts(&own["messages"], "message"), ["my secret"]);
    assert_eq!(cloud.json(&format!("{SESSIONS}/cleos"), CLEO).await["title"], "hello");
    assert_eq!(answer(&cloud, Method::GET, &format!("{SESSIONS}/cleos"), UMA).await.0, 404);
}

#[tokio::test]
async fn nobody_without_a_token_gets_in_and_no_page_of_another_site_deletes() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    uma.exchange("chat", "hello", "hi").await;
    for (method, path) in [
        (Method::GET, "/chat/sessions"),
        (Method::GET, "/chat/sessions/chat"),
        (Method::GET, "/chat/sessions/chat/export"),
        (Method::DELETE, "/chat/sessions/chat"),
        (Method::GET, "/chat/search?q=hello"),
    ] {
        let response = cloud.anonymous(method.clone(), path).send().await.unwrap();
        assert_eq!(response.status(), 401, "{method} {path}");
    }
    let cookie = format!("switchboard_session={}", cloud.token(UMA));
    let by_cookie = |method| cloud.anonymous(method, "/chat/sessions/chat").header("cookie", &cookie).send();
    assert_eq!(by_cookie(Method::GET).await.unwrap().status(), 200);
    let response = by_cookie(Method::DELETE).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "csrf_required");
}
