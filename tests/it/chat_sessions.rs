//! A person's chats: list, read, search, export, delete.

mod access;
mod export;
mod listing;
mod paging;
mod removal;
mod search;
mod session;

use crate::support::cloud::Cloud;
use reqwest::Method;
use serde_json::Value;

const SESSIONS: &str = "/chat/sessions";

/// Status and body of a request.
async fn answer(cloud: &Cloud, method: Method, path: &str, email: &str) -> (u16, Value) {
    let response = cloud.request(method, path, email).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The texts of one field of a list.
fn texts<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap()).collect()
}

/// Asks for page after page; the answers, at most so many.
async fn pages(cloud: &Cloud, path: &str, email: &str, most: usize) -> Vec<Value> {
    let mut pages: Vec<Value> = Vec::new();
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut next = path.to_owned();
    loop {
        assert!(pages.len() < most, "the pages do not end");
        let page = cloud.json(&next, email).await;
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}{separator}cursor={cursor}"),
            None => next.clear(),
        }
        pages.push(page);
        if next.is_empty() {
            return pages;
        }
    }
}
