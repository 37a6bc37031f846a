//! The HTTP side: what one child process of a function talks to.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::http::{StatusCode, header};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

use super::dispatch::{Caller, Dispatcher, Invocation};
use super::relay::{error_type, relay};
use super::{Function, InvokeError, RESPONSE_LIMIT};
use crate::http::system;

/// Connections that may wait to be accepted. A child opens one for each invocation it can take, all at once when it
/// starts, and others for its answers; one that finds no place looks open to it and is reset seconds later.
const BACKLOG: u32 = 4096;

/// The Runtime API of one child process. Dropping it fails whatever the child has not answered.
pub(crate) struct Environment {
    state: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

struct Shared {
    id: u64,
    dispatcher: Arc<Dispatcher>,
    invocations: Mutex<Invocations>,
    polled: AtomicBool,
    kill: Notify,
}

#[derive(Default)]
struct Invocations {
    running: HashMap<Uuid, Running>,
    closed: bool,
}

/// An invocation that the child has taken and not begun to answer.
struct Running {
    caller: Caller,
    deadline: Instant,
    permit: OwnedSemaphorePermit,
    _watchdog: AbortOnDrop,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Environment {
    /// Opens a port for one child process.
    pub(crate) async fn open(function: &Function) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let dispatcher = Arc::clone(function.dispatcher());
        let state = Arc::new(Shared {
            id: dispatcher.new_environment(),
            dispatcher,
            invocations: Mutex::default(),
            polled: AtomicBool::new(false),
            kill: Notify::new(),
        });
        let router = router(Arc::clone(&state));
        let server = system::spawn(async move {
            if let Err(error) = crate::http::serve(listener, router, std::future::pending()).await {
                tracing::error!(%error, "the Runtime API stopped");
            }
        });
        Ok(Self { state, address, server })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the child ever asked for an invocation, which means that it has started.
    pub(crate) fn polled(&self) -> bool {
        self.state.polled.load(Ordering::Relaxed)
    }

    /// Waits until the child has to be killed: an invocation timed out, or somebody wants it.
    pub(crate) async fn kill_wanted(&self) {
        tokio::select! {
            () = self.state.kill.notified() => {}
            () = self.state.dispatcher.killed() => {}
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.server.abort();
        self.state.dispatcher.retire(self.state.id);
        if !self.polled() {
            self.state.dispatcher.environment_started();
        }
        let mut invocations = self.state.invocations();
        invocations.closed = true;
        for (_, running) in invocations.running.drain() {
            running.caller.fail(InvokeError::Crashed);
        }
    }
}

fn router(state: Arc<Shared>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(state)
}

impl Shared {
    fn invocations(&self) -> MutexGuard<'_, Invocations> {
        self.invocations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, id: Uuid) -> Option<Running> {
        self.invocations().running.remove(&id)
    }

    fn timed_out(&self) {
        let spec = &self.dispatcher.spec;
        tracing::warn!(function = spec.binary, "an invocation timed out");
        if spec.kill_on_timeout {
            self.kill.notify_one();
        }
    }

    /// Registers the invocation and starts its clock. `None` if the child died in between.
    fn begin(self: &Arc<Self>, id: Uuid, invocation: Invocation) -> Option<Bytes> {
        let Invocation { payload, caller, started, permit } = invocation;
        let deadline = Instant::now() + self.dispatcher.spec.timeout;
        let mut invocations = self.invocations();
        if invocations.closed {
            caller.fail(InvokeError::Crashed);
            return None;
        }
        let shared = Arc::clone(self);
        let watchdog = system::spawn(async move {
            sleep_until(deadline).await;
            if let Some(running) = shared.take(id) {
                running.caller.fail(InvokeError::Timeout);
                shared.timed_out();
            }
        });
        let watchdog = AbortOnDrop(watchdog.abort_handle());
        invocations.running.insert(id, Running { caller, deadline, permit, _watchdog: watchdog });
        drop(invocations);
        let _ = started.send(());
        Some(payload)
    }
}

async fn next(State(environment): State<Arc<Shared>>) -> Response {
    if !environment.polled.swap(true, Ordering::Relaxed) {
        environment.dispatcher.environment_started();
    }
    let Some(invocation) = environment.dispatcher.next(environment.id).await else {
        return refusal(StatusCode::FORBIDDEN, "Closed", "this execution environment has ended");
    };
    let id = system::uuid();
    let Some(payload) = environment.begin(id, invocation) else {
        return refusal(StatusCode::FORBIDDEN, "Closed", "this execution environment has ended");
    };
    let spec = &environment.dispatcher.spec;
    let deadline = system::now_ms() + u64::try_from(spec.timeout.as_millis()).unwrap_or(u64::MAX / 2);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id.to_string()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", system::function_arn(&spec.logical_id)),
        ("lambda-runtime-trace-id", system::trace_id()),
    ];
    (headers, payload).into_response()
}

async fn response(State(environment): State<Arc<Shared>>, Path(id): Path<String>, request: Request) -> Response {
    let Some(running) = id.parse().ok().and_then(|id| environment.take(id)) else {
        return unknown_invocation();
    };
    // Held until the body has ended: the environment is busy that long.
    let _permit = running.permit;
    let body = request.into_body();
    match running.caller {
        Caller::Buffered(reply) => buffered(&environment, body, reply, running.deadline).await,
        Caller::Streaming(reply) => {
            let mut reply = Some(reply);
            let relayed = timeout_at(running.deadline, relay(body, &mut reply)).await;
            let error = match relayed {
                Ok(Ok(())) => return accepted(),
                Ok(Err(error)) => error,
                Err(_) => {
                    environment.timed_out();
                    InvokeError::Timeout
                }
            };
            if let Some(reply) = reply {
                let _ = reply.send(Err(error));
            }
            refusal(StatusCode::GONE, "InvalidResponse", "the response was not taken")
        }
    }
}

async fn buffered(
    environment: &Shared,
    body: Body,
    reply: oneshot::Sender<Result<Bytes, InvokeError>>,
    deadline: Instant,
) -> Response {
    let (result, answer) = match timeout_at(deadline, Limited::new(body, RESPONSE_LIMIT).collect()).await {
        Ok(Ok(body)) => (Ok(body.to_bytes()), accepted()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message =
                format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes).");
            let error_type = "Function.ResponseSizeTooLarge".to_owned();
            let answer = refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message);
            (Err(InvokeError::FunctionError { error_type, message }), answer)
        }
        Ok(Err(_)) => (Err(InvokeError::Crashed), accepted()),
        Err(_) => {
            environment.timed_out();
            let answer = refusal(StatusCode::GONE, "InvalidResponse", "the invocation timed out");
            (Err(InvokeError::Timeout), answer)
        }
    };
    let _ = reply.send(result);
    answer
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Diagnostic {
    error_type: Option<String>,
    error_message: Option<String>,
}

async fn error(State(environment): State<Arc<Shared>>, Path(id): Path<String>, request: Request) -> Response {
    let Some(running) = id.parse().ok().and_then(|id| environment.take(id)) else {
        return unknown_invocation();
    };
    let (error_type, message) = diagnostic(request).await;
    running.caller.fail(InvokeError::FunctionError { error_type, message });
    accepted()
}

async fn init_error(State(environment): State<Arc<Shared>>, request: Request) -> Response {
    let (error_type, _) = diagnostic(request).await;
    tracing::error!(function = environment.dispatcher.spec.binary, error_type, "the function could not start");
    accepted()
}

async fn diagnostic(request: Request) -> (String, String) {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, RESPONSE_LIMIT).collect().await.map(Collected::to_bytes).unwrap_or_default();
    let diagnostic: Diagnostic = serde_json::from_slice(&body).unwrap_or_default();
    let named = diagnostic.error_type.or_else(|| error_type(&parts.headers));
    (named.unwrap_or_else(|| "Runtime.Unknown".to_owned()), diagnostic.error_message.unwrap_or_default())
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], r#"{"status":"OK"}"#).into_response()
}

fn unknown_invocation() -> Response {
    // The runtime crate knows 410 as "timed out or stale" and goes on polling.
    refusal(StatusCode::GONE, "InvalidRequestID", "no such invocation, or it has ended")
}

fn refusal(status: StatusCode, error_type: &str, message: &str) -> Response {
    (status, Json(json!({"errorType": error_type, "errorMessage": message}))).into_response()
}
