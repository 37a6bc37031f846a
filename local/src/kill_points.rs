//! Where a function's process is to die: `GET`, `POST` and `DELETE /local/kill-points`.
//!
//! A process can be killed between any two of its calls to the table or to a provider: just before a call is passed on,
//! or just after it was answered. The function never hears of that answer. Each point kills once.
//!
//! Who calls is told by the credentials and addresses that [`sign`] gives to each function.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ::http::{HeaderMap, StatusCode, Uri, header};
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::ServiceExt;

use crate::runtime_api::Functions;

/// The access key id of whoever is no function.
pub(crate) const ACCESS_KEY: &str = "local";

/// Stands before the paths of the providers' stand-ins, with the caller's name behind it.
const BY: &str = "/by/";

/// The largest request of a function to a provider's stand-in.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// How long a call whose caller is to die is kept without an answer, should the caller live on.
const SILENCE: Duration = Duration::from_secs(10);

/// The address of a stand-in for a caller that [`sign`] fills in.
pub(crate) fn address(aws: &str, path: &str) -> String {
    format!("{aws}{BY}{ACCESS_KEY}{path}")
}

/// Gives a function's environment its own credentials and addresses.
pub(crate) fn sign(environment: &mut BTreeMap<String, String>, function: &str) {
    let nobody = format!("{BY}{ACCESS_KEY}/");
    for (name, value) in environment.iter_mut() {
        if name == "AWS_ACCESS_KEY_ID" && value == ACCESS_KEY {
            *value = format!("{ACCESS_KEY}-{function}");
        } else if name.ends_with("_URL") && value.contains(&nobody) {
            *value = value.replace(&nobody, &format!("{BY}{function}/"));
        }
    }
}

/// On which side of a call the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    /// The call is not passed on.
    Before,
    /// The call has had its effect.
    After,
}

/// One place to die.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KillPoint {
    /// Whose process: the function's binary.
    function: String,
    /// At which of its calls from now on, the first being 1.
    call: u64,
    when: When,
    /// Only calls with this in their body or address count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contains: Option<String>,
    /// Calls so far.
    #[serde(default, skip_deserializing)]
    seen: u64,
    /// Whether it has killed.
    #[serde(default, skip_deserializing)]
    done: bool,
}

type Kill = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
struct Shared {
    points: Mutex<Vec<KillPoint>>,
    kill: OnceLock<Kill>,
}

/// All of them. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct KillPoints(Arc<Shared>);

impl std::fmt::Debug for KillPoints {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KillPoints").finish_non_exhaustive()
    }
}

impl KillPoints {
    /// From now on these can die.
    pub(crate) fn aim_at(&self, functions: Functions) {
        self.kill_by(move |name| {
            if let Some(function) = functions.get(name) {
                tracing::info!(function = name, "a kill point is reached");
                function.kill();
            }
        });
    }

    fn kill_by(&self, kill: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.0.kill.set(Box::new(kill));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<KillPoint>> {
        self.0.points.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any point waits for a call of this function.
    fn waits_for(&self, function: &str) -> bool {
        self.lock().iter().any(|point| !point.done && point.function == function)
    }

    /// Counts a call; says on which side of it its caller dies.
    fn count(&self, function: &str, content: &str) -> Option<When> {
        let mut due = None;
        let fits = |point: &&mut KillPoint| {
            let about = point.contains.as_ref().is_none_or(|part| content.contains(part.as_str()));
            !point.done && point.function == function && about
        };
        for point in self.lock().iter_mut().filter(fits) {
            point.seen += 1;
            if point.seen >= point.call {
                point.done = true;
                due = Some(point.when);
            }
        }
        due
    }

    /// Passes a call on, unless its caller dies of it.
    pub(crate) async fn pass(
        &self,
        function: Option<&str>,
        (address, body): (&Uri, &[u8]),
        forward: impl Future<Output = Response>,
    ) -> Response {
        let Some(function) = function.filter(|function| self.waits_for(function)) else { return forward.await };
        match self.count(function, &format!("{address} {}", String::from_utf8_lossy(body))) {
            None => forward.await,
            Some(When::Before) => self.kill(function).await,
            Some(When::After) => {
                let _ = forward.await;
                self.kill(function).await
            }
        }
    }

    async fn kill(&self, function: &str) -> Response {
        if let Some(kill) = self.0.kill.get() {
            kill(function);
        }
        // Its connection ends with it, and with that this wait.
        tokio::time::sleep(SILENCE).await;
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }

    /// Serves `inner` also at the addresses of [`sign`].
    pub(crate) fn before(&self, inner: Router) -> Router {
        Router::new().fallback(by_function).with_state((self.clone(), inner))
    }

    /// The control. Every answer is the list of points.
    pub(crate) fn view(&self) -> Router {
        Router::new().route("/local/kill-points", get(list).post(add).delete(clear)).with_state(self.clone())
    }
}

/// The function whose credentials a request to the table has.
pub(crate) fn function_of(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next()?.strip_prefix(ACCESS_KEY)?.strip_prefix('-')
}

async fn by_function(State((points, inner)): State<(KillPoints, Router)>, request: Request) -> Response {
    let Some((function, uri)) = called_by(request.uri()) else {
        return inner.oneshot(request).await.into_response();
    };
    let (mut parts, body) = request.into_parts();
    parts.uri = uri.clone();
    if !points.waits_for(&function) {
        return inner.oneshot(Request::from_parts(parts, body)).await.into_response();
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let forward = inner.oneshot(Request::from_parts(parts, Body::from(body.clone())));
    points.pass(Some(&function), (&uri, &body), async { forward.await.into_response() }).await
}

/// The caller of an address made by [`sign`], and the address without the caller.
fn called_by(uri: &Uri) -> Option<(String, Uri)> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(BY)?;
    let (function, path) = rest.split_at(rest.find('/')?);
    Some((function.to_owned(), path.parse().ok()?))
}

async fn list(State(points): State<KillPoints>) -> Response {
    Json(&*points.lock()).into_response()
}

async fn add(State(points): State<KillPoints>, point: Result<Json<KillPoint>, JsonRejection>) -> Response {
    match point {
        Ok(Json(point)) => {
            points.lock().push(point);
            Json(&*points.lock()).into_response()
        }
        Err(rejection) => (StatusCode::BAD_REQUEST, Json(json!({"message": rejection.body_text()}))).into_response(),
    }
}

async fn clear(State(points): State<KillPoints>) -> Response {
    points.lock().clear();
    Json(&*points.lock()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    #[test]
    fn functions_are_known_by_what_they_were_given() {
        let value = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut environment = BTreeMap::from([
            value("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            value("TWILIO_API_URL", &address("http://localhost:1", "/twilio")),
            value("LLM_BASE_URL", "http://localhost:11434/v1"),
        ]);
        sign(&mut environment, "human-control");
        let expected =
            ["local-human-control", "http://localhost:11434/v1", "http://localhost:1/by/human-control/twilio"];
        assert_eq!(environment.values().collect::<Vec<_>>(), expected);

        let called = called_by(&"http://x/by/human-control/twilio/a?b=c".parse().unwrap()).unwrap();
        assert_eq!(called, ("human-control".to_owned(), "/twilio/a?b=c".parse().unwrap()));
        assert!(called_by(&"/twilio/a".parse().unwrap()).is_none());

        let mut headers = HeaderMap::new();
        let mut function = |authorization: &'static str| {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(authorization));
            function_of(&headers).map(str::to_owned)
        };
        let credential =
            "AWS4-HMAC-SHA256 Credential=local-replies/20260101/us-east-1/dynamodb/aws4_request, Signature=b";
        assert_eq!(function(credential).as_deref(), Some("replies"));
        assert_eq!(function("AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1"), None);
        assert_eq!(function("Bearer x"), None);
    }

    /// Calls with these bodies, until one kills; which one, and whether it was passed on.
    async fn calls(points: &KillPoints, function: &str, bodies: &[&str]) -> Option<(usize, bool)> {
        for (number, body) in bodies.iter().enumerate() {
            let (passed, uri) = (Mutex::new(false), Uri::from_static("/"));
            let forward = async {
                *passed.lock().unwrap() = true;
                StatusCode::OK.into_response()
            };
            let answer = points.pass(Some(function), (&uri, body.as_bytes()), forward).await;
            if answer.status() != StatusCode::OK {
                return Some((number, *passed.lock().unwrap()));
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_point_kills_its_function_once_at_its_call() {
        let points = KillPoints::default();
        let killed: Arc<Mutex<Vec<String>>> = Arc::default();
        let kills = Arc::clone(&killed);
        points.kill_by(move |name| kills.lock().unwrap().push(name.to_owned()));
        let point = |text: &str| points.lock().push(serde_json::from_str(text).unwrap());

        point(r#"{"function":"replies","call":2,"when":"before","contains":"me"}"#);
        assert_eq!(calls(&points, "fanout", &["me", "me"]).await, None);
        assert_eq!(calls(&points, "replies", &["me", "other", "me too", "me"]).await, Some((2, false)));
        assert_eq!(calls(&points, "replies", &["me", "me", "me"]).await, None);
        point(r#"{"function":"replies","call":1,"when":"after"}"#);
        assert_eq!(calls(&points, "replies", &["any"]).await, Some((0, true)));
        assert_eq!(*killed.lock().unwrap(), ["replies", "replies"]);
        assert!(points.lock().iter().all(|point| point.done));
    }
}
