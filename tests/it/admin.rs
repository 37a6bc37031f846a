//! Running an organization: set-up, settings, numbers, people, contacts, invitations.

mod contacts;
mod invitations;
mod organization;
mod people;
mod points;
mod setup;
mod voice_agent;

use crate::support::cloud::Cloud;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// Status and body of a request.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn post(cloud: &Cloud, path: &str, email: &str, body: &Value) -> (u16, Value) {
    answer(cloud.request(Method::POST, path, email).json(body)).await
}

async fn patch(cloud: &Cloud, path: &str, email: &str, body: &Value) -> (u16, Value) {
    answer(cloud.request(Method::PATCH, path, email).json(body)).await
}

async fn delete(cloud: &Cloud, path: &str, email: &str) -> (u16, Value) {
    answer(cloud.request(Method::DELETE, path, email)).await
}

async fn login(cloud: &Cloud, email: &str, password: &str) -> (u16, Value) {
    let body = serde_json::json!({"email": email, "password": password});
    answer(cloud.anonymous(Method::POST, "/login").json(&body)).await
}
