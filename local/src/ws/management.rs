//! `@connections`: how functions reach clients.

use ::http::{StatusCode, header};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;

use super::MESSAGE_LIMIT;
use super::hub::{Hub, Refused};
use crate::http::system;

/// Serves `POST`, `GET` and `DELETE` of `/{stage}/@connections/{id}`.
pub fn management_router(hub: Hub, stage: &str) -> Router {
    let path = format!("/{stage}/@connections/{{id}}");
    Router::new().route(&path, post(send).get(describe).delete(delete)).with_state(hub)
}

async fn send(State(hub): State<Hub>, Path(id): Path<String>, body: Body) -> Response {
    let payload = match Limited::new(body, MESSAGE_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return exception(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Message too long");
        }
        Err(_) => return exception(StatusCode::BAD_REQUEST, "BadRequestException", "Bad Request"),
    };
    match hub.post(&id, payload) {
        Ok(()) => done(StatusCode::OK),
        Err(Refused::Gone) => gone(),
        Err(Refused::Limit) => exception(
            StatusCode::TOO_MANY_REQUESTS,
            "LimitExceededException",
            "The client is sending more than the allowed number of requests per unit of time \
             or its buffer is full",
        ),
    }
}

async fn describe(State(hub): State<Hub>, Path(id): Path<String>) -> Response {
    let Some(connection) = hub.get(&id) else {
        return gone();
    };
    Json(json!({
        "connectedAt": system::rfc3339(connection.peer.connected_at),
        "identity": {"sourceIp": connection.peer.source_ip, "userAgent": connection.peer.user_agent},
        "lastActiveAt": system::rfc3339(connection.last_active()),
    }))
    .into_response()
}

async fn delete(State(hub): State<Hub>, Path(id): Path<String>) -> Response {
    let Some(connection) = hub.get(&id) else {
        return gone();
    };
    // Gone for everyone from now on, even while the close frame travels.
    hub.close(&id);
    connection.deleted.notify_one();
    done(StatusCode::NO_CONTENT)
}

fn done(status: StatusCode) -> Response {
    (status, [("x-amzn-requestid", system::uuid().to_string())]).into_response()
}

fn gone() -> Response {
    exception(StatusCode::GONE, "GoneException", "Gone")
}

/// The SDK knows an exception by the header, and wants a JSON body.
fn exception(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let headers = [
        ("x-amzn-errortype", kind.to_owned()),
        ("x-amzn-requestid", system::uuid().to_string()),
        (header::CONTENT_TYPE.as_str(), "application/json".to_owned()),
    ];
    (status, headers, json!({ "message": message }).to_string()).into_response()
}
