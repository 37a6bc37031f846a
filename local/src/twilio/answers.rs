//! Twilio's errors, in their older shape, which this API still has.

use ::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An error of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: u32,
    message: &'static str,
}

#[derive(Serialize)]
struct Wire<'a> {
    code: u32,
    message: &'a str,
    more_info: String,
    status: u16,
}

impl Refusal {
    pub(super) const UNAUTHORIZED: Self = Self::new(StatusCode::UNAUTHORIZED, 20003, "Authenticate");
    pub(super) const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, 20404, "The requested resource was not found");
    pub(super) const RATE_LIMITED: Self = Self::new(StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests");
    pub(super) const FAILED: Self = Self::new(StatusCode::INTERNAL_SERVER_ERROR, 20500, "Internal Server Error");
    pub(super) const NO_TO: Self = Self::bad(21604, "A 'To' phone number is required.");
    pub(super) const BAD_TO: Self = Self::bad(21211, "The 'To' number is not a valid phone number.");
    pub(super) const NO_FROM: Self = Self::bad(21603, "A 'From' phone number is required.");
    pub(super) const BAD_FROM: Self = Self::bad(21212, "The 'From' number is not a valid phone number.");
    pub(super) const TO_ITSELF: Self = Self::bad(21266, "'To' and 'From' number cannot be the same.");
    pub(super) const NO_BODY: Self = Self::bad(21602, "Message body is required.");
    pub(super) const LONG_BODY: Self =
        Self::bad(21617, "The concatenated message body exceeds the 1600 character limit.");
    pub(super) const BAD_CALLBACK: Self = Self::bad(21609, "The 'StatusCallback' URL is not a valid URL.");
    pub(super) const OPTED_OUT: Self = Self::bad(21610, "Attempt to send to unsubscribed recipient");
    pub(super) const BAD_FILTER: Self =
        Self::bad(20001, "Invalid parameter: a date is YYYY-MM-DD, with or without a time.");

    const fn new(status: StatusCode, code: u32, message: &'static str) -> Self {
        Self { status, code, message }
    }

    const fn bad(code: u32, message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }
}

impl IntoResponse for &Refusal {
    fn into_response(self) -> Response {
        let Refusal { status, code, message } = *self;
        let more_info = format!("https://www.twilio.com/docs/errors/{code}");
        let wire = Wire { code, message, more_info, status: status.as_u16() };
        let mut response = (status, Json(wire)).into_response();
        let (name, value): (HeaderName, _) = match status {
            StatusCode::UNAUTHORIZED => (header::WWW_AUTHENTICATE, "Basic realm=\"Twilio API\""),
            StatusCode::TOO_MANY_REQUESTS => (header::RETRY_AFTER, "1"),
            _ => return response,
        };
        response.headers_mut().insert(name, HeaderValue::from_static(value));
        response
    }
}
