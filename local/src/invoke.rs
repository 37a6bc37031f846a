//! The Lambda Invoke API, so that `aws lambda invoke --endpoint-url` and `cargo lambda invoke` reach the functions.
//!
//! A streaming function answers with its whole payload, prelude included. An `Event` invocation is tried once: the
//! retries of AWS, after one and two minutes, would only confuse a test.

use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;

use crate::http::system;
use crate::runtime_api::{Function, Functions, InvokeError, REQUEST_LIMIT};

/// The largest payload of an `Event` invocation.
const EVENT_LIMIT: usize = 1024 * 1024;

/// Serves `POST /2015-03-31/functions/{name}/invocations`; the name is a binary, a name of the template or an ARN.
pub fn router(functions: Functions) -> Router {
    Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke)).with_state(functions)
}

async fn invoke(
    State(functions): State<Functions>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(function) = functions.find(function_name(&name)) else {
        let message = format!("Function not found: {}", system::function_arn(function_name(&name)));
        return exception(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    };
    let kind = headers.get("x-amz-invocation-type").map_or("RequestResponse", |kind| kind.to_str().unwrap_or_default());
    let limit = if kind == "Event" { EVENT_LIMIT } else { REQUEST_LIMIT };
    let payload = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return too_large(limit),
        Err(_) => {
            let message = "the request body could not be read";
            return exception(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message);
        }
    };
    // The AWS tools send nothing for "no payload", and functions are to get JSON.
    let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
    match kind {
        "RequestResponse" => synchronous(function, payload).await,
        "Event" => {
            let function = function.clone();
            system::spawn(async move {
                if let Err(error) = function.invoke(payload).await {
                    tracing::warn!(function = function.binary(), %error, "an asynchronous invocation failed");
                }
            });
            StatusCode::ACCEPTED.into_response()
        }
        "DryRun" => StatusCode::NO_CONTENT.into_response(),
        _ => {
            let message = "the invocation type must be RequestResponse, Event or DryRun";
            exception(StatusCode::BAD_REQUEST, "InvalidParameterValueException", message)
        }
    }
}

/// The name in an ARN or a qualified name.
fn function_name(name: &str) -> &str {
    let name = name.split_once(":function:").map_or(name, |(_, name)| name);
    name.split(':').next().unwrap_or(name)
}

async fn synchronous(function: &Function, payload: Bytes) -> Response {
    let (error_type, message) = match function.invoke(payload).await {
        Ok(answer) => return answered(Body::from(answer), false),
        Err(InvokeError::FunctionError { error_type, message }) => (error_type, message),
        Err(InvokeError::Timeout) => ("Sandbox.Timedout".to_owned(), timed_out(function.timeout())),
        Err(InvokeError::Crashed) => {
            ("Runtime.ExitError".to_owned(), "Error: Runtime exited without providing a reason".to_owned())
        }
        Err(InvokeError::TooLarge) => return too_large(REQUEST_LIMIT),
        Err(InvokeError::Busy) => {
            return exception(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.");
        }
    };
    let body = json!({"errorType": error_type, "errorMessage": message}).to_string();
    answered(Body::from(body), true)
}

fn timed_out(timeout: Duration) -> String {
    format!("Error: Task timed out after {:.2} seconds", timeout.as_secs_f64())
}

fn answered(body: Body, function_error: bool) -> Response {
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-amz-executed-version", "$LATEST".to_owned()),
        ("x-amzn-requestid", system::uuid().to_string()),
    ];
    let mut response = (headers, body).into_response();
    if function_error {
        response.headers_mut().insert("x-amz-function-error", ::http::HeaderValue::from_static("Unhandled"));
    }
    response
}

fn too_large(limit: usize) -> Response {
    let message = format!("Request must be smaller than {limit} bytes for the InvokeFunction operation");
    exception(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
}

fn exception(status: StatusCode, kind: &'static str, message: &str) -> Response {
    (status, [("x-amzn-errortype", kind)], Json(json!({"Type": "User", "Message": message}))).into_response()
}

#[cfg(test)]
mod tests;
