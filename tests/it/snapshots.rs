//! Reads: one conversation, lists of them, and what every answer has.

mod answers;
mod conversation;
mod listing;
mod usage;

use crate::support::cloud::Cloud;
use reqwest::StatusCode;
use serde_json::Value;

/// Status and `code` of a request that should fail.
async fn refused(cloud: &Cloud, path: &str, email: &str) -> (StatusCode, Value) {
    let response = cloud.get(path, email).send().await.unwrap();
    let status = response.status();
    let mut body: Value = response.json().await.unwrap();
    (status, body["code"].take())
}
