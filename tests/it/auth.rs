//! Signing up, in and out; cookies and tickets.

mod codes;
mod login;
mod me;
mod session;
mod signup;
mod tickets;

use crate::support::cloud::{Cloud, PASSWORD};
use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// An address that nobody has.
const GRACE: &str = "grace@example.com";
const GRACES_PASSWORD: &str = "correct horse battery staple";

async fn send(cloud: &Cloud, path: &str, body: &Value) -> Response {
    cloud.anonymous(Method::POST, path).json(body).send().await.unwrap()
}

/// Status and body, the latter without what differs by design.
async fn post(cloud: &Cloud, path: &str, body: Value) -> (u16, Value) {
    let response = send(cloud, path, &body).await;
    let status = response.status().as_u16();
    let mut body: Value = response.json().await.unwrap();
    body.as_object_mut().unwrap().remove("request_id");
    (status, body)
}

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

async fn login(cloud: &Cloud, email: &str, password: &str) -> (u16, Value) {
    post(cloud, "/login", credentials(email, password)).await
}

/// A session of a demo user: its token, and the proof for requests by cookie.
async fn session(cloud: &Cloud, email: &str) -> (String, String) {
    let (status, body) = login(cloud, email, PASSWORD).await;
    assert_eq!(status, 200);
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("access_token"), text("csrf_token"))
}

/// The caller's own record, or the refusal's code.
async fn me(cloud: &Cloud, token: &str) -> (u16, Value) {
    let response = cloud.anonymous(Method::GET, "/api/me").bearer_auth(token).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The cookies that an answer sets, as they are written.
fn cookies(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
}

/// Another six digits.
fn not(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}
