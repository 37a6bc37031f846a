//! Faults to play: `GET`, `POST` and `DELETE /local/<name>/faults`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::http::StatusCode;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A fault, and when it is played.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault<K> {
    pub(crate) kind: K,
    /// How often; until it is deleted, if this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u32>,
    /// Only for this customer's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<String>,
    /// Only for texts with this in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contains: Option<String>,
    /// After so many tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<usize>,
    /// How late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    /// How slowly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_delay_ms: Option<u64>,
    /// What to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// How much to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<usize>,
}

/// What a request is about, for faults that are not for all.
#[derive(Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) number: &'a str,
    pub(crate) text: &'a str,
}

/// The faults of one stand-in.
pub(crate) struct Faults<K>(Arc<Mutex<Vec<Fault<K>>>>);

// Derived, it would ask for `K: Clone`.
impl<K> Clone for Faults<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Faults<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Copy + PartialEq> Faults<K> {
    fn lock(&self) -> MutexGuard<'_, Vec<Fault<K>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest fault of this kind that is for this request; counts as played.
    pub(crate) fn take(&self, kind: K, subject: Subject<'_>) -> Option<Fault<K>> {
        let mut faults = self.lock();
        let position = faults.iter().rposition(|fault| fault.kind == kind && fault.is_for(subject))?;
        let fault = faults.get_mut(position)?;
        let played = fault.clone();
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                faults.remove(position);
            }
        }
        Some(played)
    }

    /// Whether a fault of this kind is to be played now.
    pub(crate) fn plays(&self, kind: K, subject: Subject<'_>) -> bool {
        self.take(kind, subject).is_some()
    }
}

impl<K> Fault<K> {
    fn is_for(&self, subject: Subject<'_>) -> bool {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        self.times != Some(0)
            && self.number.as_ref().is_none_or(|number| digits(number) == digits(subject.number))
            && self.contains.as_ref().is_none_or(|part| subject.text.contains(part.as_str()))
    }
}

impl<K> Faults<K>
where
    K: Copy + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The control of `/local/<name>/faults`. Every answer is the list of what is to be played.
    pub(crate) fn router(&self, path: &str) -> Router {
        let routes = get(list::<K>).post(add::<K>).delete(clear::<K>);
        Router::new().route(path, routes).with_state(self.clone())
    }
}

async fn list<K: Copy + PartialEq + Serialize>(State(faults): State<Faults<K>>) -> Response {
    Json(&*faults.lock()).into_response()
}

async fn add<K: Copy + PartialEq + Serialize>(
    State(faults): State<Faults<K>>,
    fault: Result<Json<Fault<K>>, JsonRejection>,
) -> Response
where
    Fault<K>: DeserializeOwned,
{
    match fault {
        Ok(Json(fault)) => {
            faults.lock().push(fault);
            Json(&*faults.lock()).into_response()
        }
        // The reason names the kinds there are.
        Err(rejection) => (StatusCode::BAD_REQUEST, Json(json!({"message": rejection.body_text()}))).into_response(),
    }
}

async fn clear<K: Copy + PartialEq + Serialize>(State(faults): State<Faults<K>>) -> Response {
    faults.lock().clear();
    Json(&*faults.lock()).into_response()
}

/// An answer that never comes: the connection ends instead. The body fails before hyper has written the head.
pub(crate) fn hang_up() -> Response {
    let lost = Err::<bytes::Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionAborted));
    Response::new(Body::from_stream(futures_util::stream::once(std::future::ready(lost))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;
    use tower::ServiceExt;

    #[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Fail,
        Slow,
    }

    async fn call(faults: &Faults<Kind>, method: &str, body: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri("/f").header("content-type", "application/json");
        let response = faults.router("/f").oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_fault_is_played_as_often_and_for_whom_it_says() {
        let faults = Faults::default();
        let fault = r#"{"kind":"fail","times":2,"number":"+1415"}"#;
        assert_eq!(call(&faults, "POST", fault).await, (StatusCode::OK, format!("[{fault}]")));
        let (mine, other) = (Subject { number: "1415", text: "" }, Subject { number: "1416", text: "" });
        assert!(!faults.plays(Kind::Slow, mine) && !faults.plays(Kind::Fail, other));
        assert!(faults.plays(Kind::Fail, mine) && faults.plays(Kind::Fail, mine) && !faults.plays(Kind::Fail, mine));

        call(&faults, "POST", r#"{"kind":"slow","contains":"bike"}"#).await;
        assert!(!faults.plays(Kind::Slow, Subject::default()));
        assert!(faults.plays(Kind::Slow, Subject { number: "", text: "my bike" }));
        assert_eq!(call(&faults, "GET", "").await.1, r#"[{"kind":"slow","contains":"bike"}]"#);
        assert_eq!(call(&faults, "DELETE", "").await.1, "[]");
        assert!(!faults.plays(Kind::Slow, Subject { number: "", text: "my bike" }));
    }

    #[tokio::test]
    async fn a_kind_that_is_not_there_is_refused_with_those_that_are() {
        let (status, answer) = call(&Faults::default(), "POST", r#"{"kind":"explode"}"#).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer.contains("fail") && answer.contains("slow"), "{answer}");
    }

    #[tokio::test]
    async fn a_client_that_is_hung_up_on_gets_no_answer_at_all() {
        let router = Router::new().route("/", get(async || hang_up()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        crate::http::system::spawn(crate::http::serve(listener, router, std::future::pending()));
        let error = reqwest::get(url).await.unwrap_err();
        assert!(error.is_request() && !error.is_connect(), "{error:?}");
    }
}
