//! The REST API: what API Gateway (REST, payload format 1.0) does between a client and a function.
//!
//! `routes` finds the method of a path, `event` builds the event, `response` reads the function's answer, `limits`
//! watches a stream, `headers` renders headers as events have them. [`gateway`] is a fallback router: merge it below the
//! routes that are ours.
//!
//! Differences from AWS, on purpose: names of headers come in the usual spelling (`Content-Type`), because the HTTP
//! server does not keep the client's; a body that is not UTF-8 becomes base64 even if its media type is not declared
//! binary; a base64 answer is decoded whatever the client accepts; there is no throttling and no authorizer.

mod event;
mod headers;
mod limits;
mod response;
mod routes;
pub(crate) mod system;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::request::Parts;
use ::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::runtime_api::{Function, Functions, InvokeError};
use crate::settings::Settings;
use crate::template::{Cors, Mode, Route, Template};
pub(crate) use event::{MultiQuery, SingleQuery, domain_name, forwarded, source_ip};
pub(crate) use headers::EventHeaders;
pub(crate) use response::{Proxied, Query, query};
use routes::{Found, Routes};

/// The largest request API Gateway takes.
const REQUEST_LIMIT: usize = 10 * 1024 * 1024;

/// The longest silence inside a streamed response.
const STREAM_IDLE_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The longest streamed response.
const STREAM_LIMIT: Duration = Duration::from_secs(15 * 60);

/// An invocation gets at least this, or its own limit if that is shorter: a time scale that brings two hours down to
/// seconds would leave ordinary requests no time at all.
const SHORTEST_INVOCATION: Duration = Duration::from_secs(3);

/// How long open connections may finish after the signal to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

struct Gateway {
    routes: Routes,
    template: Arc<Template>,
    functions: Functions,
    settings: Arc<Settings>,
}

/// The REST API as a fallback router.
pub fn gateway(template: Arc<Template>, functions: Functions, settings: Arc<Settings>) -> Router {
    let routes = Routes::new(&template);
    Router::new().fallback(handle).with_state(Arc::new(Gateway { routes, template, functions, settings }))
}

/// Serves a router on a listener until `shutdown`, then gives open connections a moment to finish.
///
/// Small writes go out at once: with Nagle's algorithm every event of a stream could wait 40 ms for an acknowledgement.
///
/// # Errors
///
/// Fails if the listener does.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::trace!(%error, "a socket kept Nagle's algorithm");
        }
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async {
            let _ = stopped.await;
        });
    tokio::select! {
        result = server => result,
        () = async {
            shutdown.await;
            let _ = stop.send(());
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        } => Ok(()),
    }
}

/// The limit of an invocation in the time of this run.
pub(crate) fn invocation_limit(settings: &Settings, limit: Duration) -> Duration {
    settings.scaled(limit).max(limit.min(SHORTEST_INVOCATION))
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let started = Instant::now();
    let request_id = system::uuid().to_string();
    let (parts, body) = request.into_parts();
    let method = parts.method.clone();
    let found = gateway.routes.find(parts.uri.path());
    // The template's path: the real one may hold the digits of a phone number.
    let resource = found.as_ref().map_or("(none)", |found| found.resource.path.as_str()).to_owned();
    let mut response = match found {
        Some(found) => match gateway.respond(&found, &request_id, &parts, body).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        },
        None => Refusal::UnknownRoute.into_response(),
    };
    let status = response.status();
    let elapsed_ms = started.elapsed().as_millis();
    if status.is_server_error() {
        tracing::warn!(%method, resource, status = status.as_u16(), elapsed_ms, request_id, "request");
    } else {
        tracing::debug!(%method, resource, status = status.as_u16(), elapsed_ms, request_id, "request");
    }
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    response
}

impl Gateway {
    async fn respond(
        &self,
        found: &Found<'_>,
        request_id: &str,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Refusal> {
        let Some(route) = found.resource.route(&parts.method) else {
            let preflight = parts.method == Method::OPTIONS && !self.template.cors.allow_origin.is_empty();
            return if preflight { Ok(preflight_answer(&self.template.cors)) } else { Err(Refusal::UnknownRoute) };
        };
        let function = self.functions.get(&route.function).ok_or(Refusal::Broken)?;
        let body = read(parts, body).await?;
        let source = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address);
        let payload = event::Builder {
            found,
            request_id,
            parts,
            body: &body,
            source,
            stage: &self.template.stage,
            port: self.settings.port,
            binary_media_types: &self.template.binary_media_types,
        }
        .build();
        drop(body);
        match route.mode {
            Mode::Buffered => self.buffered(route, function, payload).await,
            Mode::Streaming => self.streaming(route, function, payload).await,
        }
    }

    async fn buffered(&self, route: &Route, function: &Function, payload: Bytes) -> Result<Response, Refusal> {
        let limit = invocation_limit(&self.settings, route.timeout).min(function.timeout());
        let answer = timeout(limit, function.invoke(payload)).await.map_err(|_| Refusal::TimedOut)??;
        let proxied = Proxied::parse(&answer).ok_or_else(|| {
            tracing::warn!(function = function.binary(), "malformed Lambda proxy response");
            Refusal::BadAnswer
        })?;
        proxied.into_response().ok_or(Refusal::BadAnswer)
    }

    async fn streaming(&self, route: &Route, function: &Function, payload: Bytes) -> Result<Response, Refusal> {
        let limit = self.settings.scaled(route.timeout.min(STREAM_LIMIT));
        let deadline = Instant::now() + limit;
        let answer = timeout(limit, function.invoke_streaming(payload)).await.map_err(|_| Refusal::TimedOut)??;
        let body = limits::limited(answer.body, self.settings.scaled(STREAM_IDLE_LIMIT), deadline);
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| Refusal::BadAnswer)?;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

async fn read(parts: &Parts, body: Body) -> Result<Bytes, Refusal> {
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > REQUEST_LIMIT) {
        return Err(Refusal::TooLong);
    }
    match Limited::new(body, REQUEST_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLong),
        Err(_) => Err(Refusal::BadRequest),
    }
}

/// The mock integration that SAM makes of `Cors`.
fn preflight_answer(cors: &Cors) -> Response {
    let mut response = Response::new(Body::from("{}\n"));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, cors.allow_origin.as_str()),
        (header::ACCESS_CONTROL_ALLOW_METHODS, cors.allow_methods.as_str()),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, cors.allow_headers.as_str()),
        (header::ACCESS_CONTROL_MAX_AGE, cors.max_age.as_str()),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value)
            && !value.is_empty()
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Answers that come from the gateway itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    UnknownRoute,
    BadRequest,
    TooLong,
    TimedOut,
    BadAnswer,
    Broken,
}

impl From<InvokeError> for Refusal {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Timeout => Self::TimedOut,
            InvokeError::TooLarge => Self::TooLong,
            // API Gateway calls a throttled Lambda a configuration error.
            InvokeError::Busy => Self::Broken,
            InvokeError::FunctionError { error_type, .. } => {
                tracing::warn!(error_type, "the function failed");
                Self::BadAnswer
            }
            InvokeError::Crashed => Self::BadAnswer,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, kind, message) = match self {
            Self::UnknownRoute => {
                (StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", "Missing Authentication Token")
            }
            Self::BadRequest => (StatusCode::BAD_REQUEST, "BadRequestException", "Bad Request"),
            Self::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", "Request Too Long"),
            Self::TimedOut => {
                (StatusCode::GATEWAY_TIMEOUT, "InternalServerErrorException", "Endpoint request timed out")
            }
            Self::BadAnswer => (StatusCode::BAD_GATEWAY, "InternalServerErrorException", "Internal server error"),
            Self::Broken => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerErrorException", "Internal server error")
            }
        };
        (status, [("x-amzn-errortype", kind)], axum::Json(json!({ "message": message }))).into_response()
    }
}
