//! What holds for every answer: errors, ids, CORS; and the routes that say what runs here.

use crate::support::cloud::{ADA, Cloud, LIVE};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn everybody_may_ask_what_runs_here() {
    let cloud = Cloud::silent_with(&["--env", "AGENT_NAME=Aurora"]).await;
    let get = |path| cloud.anonymous(Method::GET, path).send();
    let health: Value = get("/health").await.unwrap().json().await.unwrap();
    assert_eq!(health, json!({"status": "healthy", "agent": "Aurora", "version": "0.1.0"}));

    let config: Value = get("/api/config").await.unwrap().json().await.unwrap();
    assert_eq!(config["websocket_url"], cloud.info.websocket_url);
    assert_eq!(config["base_url"], cloud.info.public_base_url);
    assert_eq!(config["stream_path"], "/api/conversation/{conversation_id}/stream");
    assert_eq!(config["history_limit"], 50);

    let response = get("/openapi.json").await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let document: Value = response.json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(document["paths"].is_object());
}

#[tokio::test]
async fn an_error_says_what_whose_fault_and_what_to_do() {
    let cloud = Cloud::silent().await;
    let response = cloud.anonymous(Method::GET, &format!("/api/conversation/{LIVE}")).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
    assert_eq!(response.headers()["content-type"], "application/json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["x-amzn-requestid"], id.as_str());
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        body,
        json!({
            "detail": "Authentication required", "error": "Authentication required", "code": "missing_token",
            "hint": "Send 'Authorization: Bearer <token>'; get a token from POST /login.", "request_id": id,
        })
    );
    // Another request has another id, and a good answer has one too.
    let good = cloud.get(&format!("/api/conversation/{LIVE}"), ADA).send().await.unwrap();
    assert_ne!(good.headers()["x-request-id"], id.as_str());
}

#[tokio::test]
async fn a_route_that_is_not_there_is_the_gateways_to_refuse() {
    let cloud = Cloud::silent().await;
    for (method, path) in [
        (Method::GET, "/nowhere"),
        (Method::GET, "/"),
        (Method::GET, "/api/conversation/"),
        (Method::GET, "/api/conversation/a/b"),
        (Method::POST, "/health"),
        (Method::DELETE, "/api/conversations"),
    ] {
        let response = cloud.request(method.clone(), path, ADA).send().await.unwrap();
        assert_eq!(response.status(), 403, "{method} {path}");
        assert_eq!(response.json::<Value>().await.unwrap(), json!({"message": "Missing Authentication Token"}));
    }
}

#[tokio::test]
async fn browsers_of_other_origins_may_read_answers_and_errors_alike() {
    let cloud = Cloud::silent().await;
    let path = format!("/api/conversation/{LIVE}");
    let from = |email: Option<&str>, origin: bool| {
        let request = match email {
            Some(email) => cloud.get(&path, email),
            None => cloud.anonymous(Method::GET, &path),
        };
        if origin { request.header("origin", "https://app.example.com") } else { request }
    };
    for email in [Some(ADA), None] {
        let headers = from(email, true).send().await.unwrap().headers().clone();
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-expose-headers"], "ETag, Retry-After, X-Request-Id");
        // Cookies never come with a foreign origin.
        assert!(headers.get("access-control-allow-credentials").is_none());
        let headers = from(email, false).send().await.unwrap().headers().clone();
        assert!(headers.get("access-control-allow-origin").is_none());
    }
    let preflight = cloud
        .anonymous(Method::OPTIONS, &path)
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization,last-event-id")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 200);
    let header = |name: &str| preflight.headers()[name].to_str().unwrap().to_lowercase();
    assert_eq!(header("access-control-allow-origin"), "*");
    for needed in ["authorization", "last-event-id", "if-none-match", "x-csrf-token"] {
        assert!(header("access-control-allow-headers").contains(needed), "{needed}");
    }
    for method in ["get", "post", "patch", "delete"] {
        assert!(header("access-control-allow-methods").contains(method), "{method}");
    }
}

#[tokio::test]
async fn one_configured_origin_is_named() {
    let cloud = Cloud::silent_with(&["--env", "ALLOWED_ORIGIN=https://app.example.com"]).await;
    for origin in ["https://app.example.com", "https://evil.example"] {
        let request = cloud.get(&format!("/api/conversation/{LIVE}"), ADA).header("origin", origin);
        let headers = request.send().await.unwrap().headers().clone();
        assert_eq!(headers["access-control-allow-origin"], "https://app.example.com");
        assert_eq!(headers["vary"], "Origin");
    }
}
