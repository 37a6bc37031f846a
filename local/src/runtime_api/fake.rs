//! A function without a process: a task that speaks the Runtime API as the runtime crate does.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::{Environment, Function, Functions, Spec};

/// An invocation as the fake got it.
pub(crate) struct Event {
    pub(crate) payload: Value,
    pub(crate) headers: BTreeMap<String, String>,
}

/// What the fake does with an invocation.
pub(crate) enum Answer {
    Buffered(Bytes),
    /// Prelude, then whatever comes, each as a chunk of its own.
    Streaming(Value, mpsc::UnboundedReceiver<Bytes>),
    /// As `Streaming`, but with these exact bytes first.
    Raw(Bytes),
    Error(Value),
    /// Never.
    Silence,
    /// The connection breaks in the middle of the body, when told to.
    Broken(oneshot::Receiver<()>),
}

impl Answer {
    /// An answer behind a proxy integration.
    pub(crate) fn proxy(status: u16, body: &str) -> Self {
        Self::Buffered(json!({"statusCode": status, "headers": {}, "body": body}).to_string().into())
    }
}

type Handler = dyn Fn(Event) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync;

/// A function whose handler is a closure. Dropping it is the death of its process.
pub(crate) struct Fake {
    pub(crate) function: Function,
    environment: Option<Environment>,
    pollers: JoinSet<()>,
}

impl Fake {
    pub(crate) async fn start<F>(binary: &str, handler: impl Fn(Event) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::with(spec(binary), 8, handler).await
    }

    pub(crate) async fn with<F>(
        spec: Spec,
        pollers: usize,
        handler: impl Fn(Event) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let function = Function::new(spec);
        let environment = Environment::open(&function).await.unwrap();
        let base = format!("http://{}/2018-06-01/runtime", environment.address());
        let handler: Arc<Handler> = Arc::new(move |event| Box::pin(handler(event)));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..pollers {
            tasks.spawn(poll(client.clone(), base.clone(), Arc::clone(&handler)));
        }
        Self { function, environment: Some(environment), pollers: tasks }
    }

    pub(crate) fn environment(&self) -> &Environment {
        self.environment.as_ref().unwrap()
    }

    /// The process dies.
    pub(crate) fn crash(&mut self) {
        self.pollers.abort_all();
        self.environment = None;
    }
}

pub(crate) fn spec(binary: &str) -> Spec {
    Spec {
        binary: binary.to_owned(),
        logical_id: format!("{binary}Function"),
        timeout: Duration::from_secs(10),
        concurrency: 8,
        kill_on_timeout: false,
    }
}

pub(crate) fn functions(fakes: &[&Fake]) -> Functions {
    fakes.iter().map(|fake| fake.function.clone()).collect()
}

async fn poll(client: reqwest::Client, base: String, handler: Arc<Handler>) {
    loop {
        let Ok(next) = client.get(format!("{base}/invocation/next")).send().await else { return };
        if !next.status().is_success() {
            return;
        }
        let headers: BTreeMap<String, String> =
            next.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let id = headers["lambda-runtime-aws-request-id"].clone();
        let payload = serde_json::from_slice(&next.bytes().await.unwrap()).unwrap_or(Value::Null);
        let url = format!("{base}/invocation/{id}/response");
        let streaming = |body: reqwest::Body| {
            client.post(&url).header("lambda-runtime-function-response-mode", "streaming").body(body)
        };
        let request = match handler(Event { payload, headers }).await {
            Answer::Buffered(body) => client.post(&url).body(body),
            Answer::Streaming(prelude, chunks) => streaming(streamed(&prelude, chunks)),
            Answer::Raw(body) => streaming(body.into()),
            Answer::Error(error) => client
                .post(format!("{base}/invocation/{id}/error"))
                .header("lambda-runtime-function-error-type", "unhandled")
                .body(error.to_string()),
            Answer::Silence => std::future::pending().await,
            Answer::Broken(told) => {
                let begin = stream::iter([Ok(Bytes::from_static(b"{\"statusCode\":200}\0\0\0\0\0\0\0\0begun"))]);
                let end = stream::once(async {
                    let _ = told.await;
                    Err(std::io::Error::other("the process died"))
                });
                streaming(reqwest::Body::wrap_stream(begin.chain(end)))
            }
        };
        // The runtime crate goes on whatever the answer is.
        let _ = request.send().await;
    }
}

fn streamed(prelude: &Value, chunks: mpsc::UnboundedReceiver<Bytes>) -> reqwest::Body {
    let head = format!("{prelude}\0\0\0\0\0\0\0\0");
    let chunks = stream::unfold((Some(Bytes::from(head)), chunks), async |(head, mut chunks)| {
        let chunk = match head {
            Some(head) => head,
            None => chunks.recv().await?,
        };
        Some((Ok::<_, std::io::Error>(chunk), (None, chunks)))
    });
    reqwest::Body::wrap_stream(chunks)
}
