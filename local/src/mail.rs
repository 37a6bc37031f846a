//! The SES stand-in: takes mails by the SES v2 API, keeps them, and shows them at `/local/mail`.

mod page;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::http::{HeaderMap, StatusCode, header};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::files;
use crate::http::system;

/// Mails kept in memory; the file keeps all.
const KEPT: usize = 1000;

/// A captured mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The `MessageId` that the sender got.
    pub id: String,
    /// When it was taken, RFC 3339.
    pub at: String,
    /// Sender.
    pub from: String,
    /// Receivers, copies included.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Text body, or the HTML body if there is no other.
    pub text: String,
}

/// All captured mails.
#[derive(Debug, Clone)]
pub struct Mailbox {
    mails: Arc<Mutex<VecDeque<Mail>>>,
    path: PathBuf,
}

impl Mailbox {
    /// Opens the mailbox of the data folder.
    #[must_use]
    pub fn open(data_dir: &Path) -> Self {
        let path = data_dir.join("mail.jsonl");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut mails: VecDeque<Mail> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        mails.drain(..mails.len().saturating_sub(KEPT));
        Self { mails: Arc::new(Mutex::new(mails)), path }
    }

    /// What functions call.
    pub fn api(&self) -> Router {
        Router::new().route("/v2/email/outbound-emails", post(send)).with_state(self.clone())
    }

    /// What people and tests look at.
    pub fn view(&self) -> Router {
        Router::new().route("/local/mail", get(list).delete(clear)).with_state(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, mail: Mail) {
        if let Err(error) =
            serde_json::to_string(&mail).map_err(Into::into).and_then(|line| files::append_line(&self.path, &line))
        {
            tracing::warn!(%error, "cannot keep a mail in its file");
        }
        let mut mails = self.lock();
        if mails.len() == KEPT {
            mails.pop_front();
        }
        mails.push_back(mail);
    }

    /// Newest first; `to` wants a receiver, in any case of letters.
    fn newest(&self, to: Option<&str>) -> Vec<Mail> {
        let wanted = |mail: &&Mail| to.is_none_or(|to| mail.to.iter().any(|one| one.eq_ignore_ascii_case(to)));
        self.lock().iter().rev().filter(wanted).cloned().collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail {
    from_email_address: String,
    destination: Destination,
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Destination {
    to_addresses: Vec<String>,
    cc_addresses: Vec<String>,
    bcc_addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    simple: Simple,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simple {
    subject: Text,
    body: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    text: Option<Text>,
    html: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    data: String,
}

async fn send(State(mailbox): State<Mailbox>, request: Result<Json<SendEmail>, JsonRejection>) -> Response {
    let Ok(Json(SendEmail { from_email_address: from, destination, content })) = request else {
        return refused("The local SES takes only simple mails: FromEmailAddress, Destination and Content.Simple.");
    };
    let Destination { to_addresses, cc_addresses, bcc_addresses } = destination;
    let to: Vec<String> = [to_addresses, cc_addresses, bcc_addresses].concat();
    if to.is_empty() {
        return refused("Missing required header 'To'.");
    }
    let id = system::uuid().to_string();
    let text = content.simple.body.text.or(content.simple.body.html).map(|text| text.data).unwrap_or_default();
    let at = format!("{:.3}", Timestamp::now());
    let mail = Mail { id: id.clone(), at, from, to, subject: content.simple.subject.data, text };
    tracing::info!(id, "mail captured, see /local/mail");
    mailbox.keep(mail);
    Json(json!({"MessageId": id})).into_response()
}

fn refused(message: &str) -> Response {
    let kind = [("x-amzn-errortype", "BadRequestException")];
    (StatusCode::BAD_REQUEST, kind, Json(json!({"message": message}))).into_response()
}

#[derive(Deserialize)]
struct Filter {
    to: Option<String>,
}

async fn list(State(mailbox): State<Mailbox>, Query(filter): Query<Filter>, headers: HeaderMap) -> Response {
    let mails = mailbox.newest(filter.to.as_deref());
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        Html(page::render(&mails)).into_response()
    } else {
        Json(mails).into_response()
    }
}

async fn clear(State(mailbox): State<Mailbox>) -> StatusCode {
    mailbox.lock().clear();
    match std::fs::remove_file(&mailbox.path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::NO_CONTENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;
    use tower::ServiceExt;

    async fn call(router: Router, request: Request<axum::body::Body>) -> (StatusCode, String) {
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn post(mailbox: &Mailbox, body: serde_json::Value) -> (StatusCode, serde_json::Value) {
        let request = Request::post("/v2/email/outbound-emails")
            .header("content-type", "application/json")
            .body(body.to_string().into())
            .unwrap();
        let (status, body) = call(mailbox.api(), request).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    fn email(to: &str, subject: &str) -> serde_json::Value {
        json!({
            "FromEmailAddress": "no-reply@example.com",
            "Destination": {"ToAddresses": [to]},
            "Content": {"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": "Your code is <123456>"}}}},
        })
    }

    async fn get(mailbox: &Mailbox, uri: &str, accept: &str) -> String {
        let request = Request::get(uri).header("accept", accept).body(axum::body::Body::empty()).unwrap();
        call(mailbox.view(), request).await.1
    }

    #[tokio::test]
    async fn mails_are_kept_listed_newest_first_filtered_and_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::open(folder.path());
        let (status, answer) = post(&mailbox, email("a@example.com", "first")).await;
        assert_eq!(status, StatusCode::OK);
        post(&mailbox, email("B@example.com", "second")).await;

        // Survives a restart.
        let mailbox = Mailbox::open(folder.path());
        let all: Vec<Mail> = serde_json::from_str(&get(&mailbox, "/local/mail", "*/*").await).unwrap();
        assert_eq!(all.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(), ["second", "first"]);
        assert_eq!(answer["MessageId"], all[1].id);
        let some: Vec<Mail> =
            serde_json::from_str(&get(&mailbox, "/local/mail?to=b@example.com", "*/*").await).unwrap();
        assert_eq!(some.len(), 1);
        let page = get(&mailbox, "/local/mail", "text/html,*/*").await;
        assert!(page.contains("&lt;123456&gt;") && !page.contains("<123456>"), "{page}");

        let request = Request::delete("/local/mail").body(axum::body::Body::empty()).unwrap();
        assert_eq!(call(mailbox.view(), request).await.0, StatusCode::NO_CONTENT);
        assert_eq!(get(&Mailbox::open(folder.path()), "/local/mail", "*/*").await, "[]");
    }

    #[tokio::test]
    async fn what_the_stand_in_cannot_do_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::open(folder.path());
        let mut raw = email("a@example.com", "x");
        raw["Content"] = json!({"Raw": {"Data": "eA=="}});
        assert_eq!(post(&mailbox, raw).await.0, StatusCode::BAD_REQUEST);
        let mut nobody = email("a@example.com", "x");
        nobody["Destination"] = json!({});
        assert_eq!(post(&mailbox, nobody).await.0, StatusCode::BAD_REQUEST);
    }
}
