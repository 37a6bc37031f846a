//! ElevenLabs' errors: `detail` is an object with a status, or a list of what is wrong with the request.

use ::http::{HeaderValue, StatusCode, header};
use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

#[derive(Serialize)]
struct Wire<D> {
    detail: D,
}

#[derive(Serialize)]
struct Detail<'a> {
    status: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Invalid {
    loc: [&'static str; 2],
    msg: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// A refusal of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Unauthorized,
    NotFound,
    RateLimited,
    Failed,
    /// A member of the body is not there.
    Missing(&'static str),
    /// A member of the body is of another form.
    Malformed(&'static str),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let invalid = |field, msg, kind| {
            let detail = [Invalid { loc: ["body", field], msg, kind }];
            (StatusCode::UNPROCESSABLE_ENTITY, Json(Wire { detail })).into_response()
        };
        let plain = |code, status, message| (code, Json(Wire { detail: Detail { status, message } })).into_response();
        match self {
            Self::Unauthorized => plain(StatusCode::UNAUTHORIZED, "invalid_api_key", "Invalid API key"),
            Self::NotFound => plain(StatusCode::NOT_FOUND, "conversation_not_found", "Conversation not found."),
            Self::Failed => plain(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Internal server error."),
            Self::RateLimited => {
                let message = "The system is experiencing heavy traffic, please try again later.";
                let mut answer = plain(StatusCode::TOO_MANY_REQUESTS, "system_busy", message);
                answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                answer
            }
            Self::Missing(field) => invalid(field, "Field required", "missing"),
            Self::Malformed(field) => invalid(field, "Value error, not a phone number", "value_error"),
        }
    }
}
