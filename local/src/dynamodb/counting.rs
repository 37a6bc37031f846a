//! The proxy before dynoxide that counts requests, so that tests can hold the functions to exact budgets, and that
//! tells the stream pollers when something may have been written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use bytes::Bytes;
use dynoxide::Database;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::delay::Delay;
use crate::http::system;
use crate::kill_points::{self, KillPoints};

/// DynamoDB takes 16 MB; one more byte lets dynoxide see and refuse what is larger.
const MAX_BODY: usize = 16 * 1024 * 1024 + 1;

type Counts = BTreeMap<String, u64>;

/// Requests since the start.
#[derive(Debug, Default)]
pub struct Counters {
    counts: Mutex<(Counts, BTreeMap<String, Counts>)>,
}

impl Counters {
    /// By operation, `{"GetItem": 1}`, and by table and operation, `{"CoreTable": {"GetItem": 1}}`.
    #[must_use]
    pub fn json(&self) -> (Value, Value) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (serde_json::json!(counts.0), serde_json::json!(counts.1))
    }

    fn count(&self, operation: &str, tables: &BTreeSet<Cow<'_, str>>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.0.entry(operation.to_owned()).or_default() += 1;
        for table in tables {
            let table = counts.1.entry(table.clone().into_owned()).or_default();
            *table.entry(operation.to_owned()).or_default() += 1;
        }
    }
}

/// The members of requests that name tables.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_items: Option<BTreeMap<Cow<'a, str>, IgnoredAny>>,
    #[serde(borrow)]
    transact_items: Option<Vec<BTreeMap<Cow<'a, str>, Member<'a>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
}

fn tables_of(body: &[u8]) -> BTreeSet<Cow<'_, str>> {
    let Ok(named) = serde_json::from_slice::<Named<'_>>(body) else {
        return BTreeSet::new();
    };
    let members = named.transact_items.into_iter().flatten().flatten();
    named
        .table_name
        .into_iter()
        .chain(named.request_items.into_iter().flatten().map(|(name, _)| name))
        .chain(members.filter_map(|(_, member)| member.table_name))
        .collect()
}

/// What learns of every request.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) counters: Arc<Counters>,
    pub(super) kill_points: KillPoints,
    pub(super) delay: Delay,
}

#[derive(Clone)]
struct Proxy {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
    watched: Watched,
    wrote: Arc<watch::Sender<u64>>,
}

/// Serves `db` and returns the URL of the proxy.
pub(super) async fn serve(db: Database, watched: Watched, wrote: Arc<watch::Sender<u64>>) -> std::io::Result<String> {
    let inner = TcpListener::bind("127.0.0.1:0").await?;
    let uri = Uri::builder()
        .scheme("http")
        .authority(inner.local_addr()?.to_string())
        .path_and_query("/")
        .build()
        .map_err(std::io::Error::other)?;
    system::spawn(dynoxide::server::serve_with_shutdown(inner, db, std::future::pending()));

    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let proxy = Proxy { client: Client::builder(TokioExecutor::new()).build(connector), uri, watched, wrote };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // Without it, a small answer waits for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().fallback(forward).with_state(proxy);
    system::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let operation = operation(&parts.headers).to_owned();
    if !operation.is_empty() {
        proxy.watched.counters.count(&operation, &tables_of(&body));
    }
    proxy.watched.delay.wait().await;
    let function = kill_points::function_of(&parts.headers).map(str::to_owned);
    parts.uri = proxy.uri.clone();
    let points = proxy.watched.kill_points.clone();
    let (uri, content) = (parts.uri.clone(), body.clone());
    let answer = ask(proxy, &operation, parts, body);
    points.pass(function.as_deref(), (&uri, &content), answer).await
}

async fn ask(proxy: Proxy, operation: &str, parts: Parts, body: Bytes) -> Response {
    let request = Request::from_parts(parts, Full::new(body));
    let response = proxy.client.request(request).await;
    if !is_read(operation) {
        proxy.wrote.send_modify(|count| *count += 1);
    }
    match response {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            tracing::error!(%error, "the local DynamoDB does not answer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `GetItem` of `x-amz-target: DynamoDB_20120810.GetItem`.
fn operation(headers: &HeaderMap) -> &str {
    headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.split_once('.'))
        .map_or("", |(_, operation)| operation)
}

fn is_read(operation: &str) -> bool {
    ["Get", "BatchGet", "Query", "Scan", "TransactGet", "Describe", "List"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) async fn post(url: &str, operation: &str, body: &Value) -> (u16, Value) {
        let request = Request::post(url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            // dynoxide wants a signature, but any will do.
            .header("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=b")
            .header("x-amz-date", "20260101T000000Z")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let response = client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(Body::new(response.into_body()), MAX_BODY).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn tables_of_plain_batch_and_transact_requests() {
        for (body, expected) in [
            (r#"{"TableName":"A","Key":{}}"#, vec!["A"]),
            (r#"{"RequestItems":{"A":[],"B":{}}}"#, vec!["A", "B"]),
            (
                r#"{"TransactItems":[{"Put":{"TableName":"A"}},{"Update":{"TableName":"B"}},{"Put":{"TableName":"A"}}]}"#,
                vec!["A", "B"],
            ),
            ("nothing", vec![]),
        ] {
            assert_eq!(tables_of(body.as_bytes()).into_iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn reads_and_writes() {
        for read in ["GetItem", "BatchGetItem", "Query", "TransactGetItems", "DescribeTable"] {
            assert!(is_read(read), "{read}");
        }
        for write in ["PutItem", "BatchWriteItem", "TransactWriteItems", "UpdateItem", "DeleteItem"] {
            assert!(!is_read(write), "{write}");
        }
    }
}
