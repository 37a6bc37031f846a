//! Between a REST API event and an axum router: route path, request id, CORS, error bodies, the request log.

use crate::error::{ApiError, Code};
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Uri, header};
use http_body_util::BodyExt;
use lambda_http::request::RequestContext;
use lambda_http::{Context, Request, RequestExt};
use std::fmt::Write;
use std::time::Instant;
use tower::ServiceExt;
use tracing::{Instrument, field};

/// The URL by which the client reached us, as far as API Gateway knows: `https://<domain><path with stage>`.
#[derive(Clone, Debug)]
pub struct GatewayUrl(pub Option<String>);

/// Address of the client, as API Gateway saw it.
#[derive(Clone, Debug)]
pub struct ClientAddress(pub String);

/// Sends an event's request through a router.
#[derive(Clone)]
pub struct Adapter {
    router: Router,
    allowed_origin: Option<HeaderValue>,
}

impl Adapter {
    /// An adapter; browsers may call from `allowed_origin` (`*` for any).
    pub fn new(router: Router, allowed_origin: &str) -> Self {
        let router = router
            .fallback(|| async { ApiError::from(Code::NotFound) })
            .method_not_allowed_fallback(|| async { ApiError::from(Code::MethodNotAllowed) });
        Self { router, allowed_origin: HeaderValue::from_str(allowed_origin).ok() }
    }

    /// Answers a request. The body is that of the router: a stream stays one.
    pub async fn answer(self, request: Request) -> Response {
        let started = Instant::now();
        let (request, about) = into_axum(request);
        let span = tracing::info_span!(
            "request",
            request_id = about.request_id,
            method = %request.method(),
            route = about.route,
            organization = field::Empty,
            user = field::Empty,
            conversation = field::Empty,
        );
        let origin = request.headers().get(header::ORIGIN).cloned();
        let router = self.router.clone();
        let answered = async move {
            let mut response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            finish(&mut response, &about.request_id);
            let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
            tracing::info!(status = response.status().as_u16(), duration_ms, "answered");
            response
        };
        let mut response = answered.instrument(span).await;
        self.allow_origin(origin.as_ref(), response.headers_mut());
        response
    }

    /// Answers a request with a body that is all there, as buffered integrations need it.
    pub async fn answer_buffered(self, request: Request) -> http::Response<lambda_http::Body> {
        let (parts, body) = self.answer(request).await.into_parts();
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) => {
                tracing::error!(error = %error, "a buffered body failed");
                bytes::Bytes::new()
            }
        };
        let body = match String::from_utf8(bytes.to_vec()) {
            Ok(text) if text.is_empty() => lambda_http::Body::Empty,
            Ok(text) => lambda_http::Body::Text(text),
            Err(binary) => lambda_http::Body::Binary(binary.into_bytes()),
        };
        http::Response::from_parts(parts, body)
    }

    /// Bearer tokens need no credentials mode, so a wildcard is enough for any origin; one configured origin is named.
    fn allow_origin(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let (Some(_), Some(allowed)) = (origin, &self.allowed_origin) else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
        headers
            .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Retry-After, X-Request-Id"));
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

struct About {
    request_id: String,
    route: String,
}

fn into_axum(request: Request) -> (http::Request<Body>, About) {
    let context = request.request_context_ref().cloned();
    let invocation = request.lambda_context_ref().map(|context: &Context| context.request_id.clone());
    let parameters = request.path_parameters();
    let query = request.uri().query().map(str::to_owned);
    let (mut parts, body) = request.into_parts();
    let mut about = About { request_id: invocation.unwrap_or_default(), route: "-".to_owned() };
    let mut url = GatewayUrl(None);
    let mut client = ClientAddress(String::new());
    if let Some(RequestContext::ApiGatewayV1(context)) = context {
        if let Some(id) = context.request_id {
            about.request_id = id;
        }
        if let (Some(domain), Some(path)) = (context.domain_name, context.path) {
            url = GatewayUrl(Some(format!("https://{domain}{path}")));
        }
        client = ClientAddress(context.identity.source_ip.unwrap_or_default());
        if let Some(route) = context.resource_path {
            let path = fill(&route, |name| parameters.first(name).map(str::to_owned));
            let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
            if let Ok(uri) = target.parse::<Uri>() {
                parts.uri = uri;
            }
            about.route = route;
        }
    }
    parts.extensions.insert(url);
    parts.extensions.insert(client);
    let body = match body {
        lambda_http::Body::Empty => Body::empty(),
        lambda_http::Body::Text(text) => Body::from(text),
        lambda_http::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    };
    (http::Request::from_parts(parts, body), about)
}

/// The path that a route template and its parameters make. The event's own path may hold a stage or a base path of a
/// custom domain, which routing must not see.
fn fill(template: &str, parameter: impl Fn(&str) -> Option<String>) -> String {
    template
        .split('/')
        .map(|segment| {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            name.map_or_else(|| segment.to_owned(), |name| encode(&parameter(name).unwrap_or_default()))
        })
        .collect::<Vec<_>>()
        .join("/")
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:@+=".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

/// Writes the request's id into the answer, and into an error's body.
fn finish(response: &mut Response, request_id: &str) {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        tracing::info!(code = error.code.as_str(), "refused");
        let headers = std::mem::take(response.headers_mut());
        *response = (error.code.status(), axum::Json(error.body(request_id))).into_response();
        for (name, value) in &headers {
            if name != header::CONTENT_LENGTH {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_path_is_made_from_the_route_not_from_stage_or_base_path() {
        let path = fill("/api/conversation/{conversation_id}/stream", |_| Some("conv_1 2/é".to_owned()));
        assert_eq!(path, "/api/conversation/conv_1%202%2F%C3%A9/stream");
        assert_eq!(fill("/health", |_| None), "/health");
    }

    proptest! {
        #[test]
        fn any_parameter_makes_a_valid_path(value in any::<String>()) {
            let path = fill("/a/{b}/c", |_| Some(value.clone()));
            prop_assert!(path.parse::<Uri>().is_ok());
            prop_assert_eq!(path.matches('/').count(), 3);
        }
    }
}
