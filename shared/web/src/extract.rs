//! Bodies, queries and path parameters whose refusals are our own errors.

use crate::error::{ApiError, Code};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Code::UnsupportedMediaType.into()),
            Err(JsonRejection::JsonSyntaxError(_)) => Err(ApiError::invalid("The body is not valid JSON")),
            // Serde names the field and what it expected, never the value of a text field.
            Err(JsonRejection::JsonDataError(error)) => {
                Err(ApiError::invalid(format!("The body does not fit: {}", reason(&error.body_text()))))
            }
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Code::PayloadTooLarge.into()),
            Err(_) => Err(ApiError::invalid("The body cannot be read")),
        }
    }
}

fn reason(text: &str) -> String {
    text.rsplit_once("target type: ").map_or(text, |(_, reason)| reason).to_owned()
}

/// A query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|_| ApiError::invalid("The query string does not fit"))
    }
}

/// The request's `Idempotency-Key`.
#[derive(Debug)]
pub struct IdempotencyKey(pub Option<String>);

const KEY_HEADER: &str = "idempotency-key";
const MAX_KEY: usize = 128;

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(KEY_HEADER) else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(key) if (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(Self(Some(key.to_owned())))
            }
            _ => Err(ApiError::invalid("Idempotency-Key has 1 to 128 visible ASCII characters")),
        }
    }
}

/// Tells `null` from a field that is left out, with `#[serde(default, deserialize_with = "given")]`.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A short text typed by a person, such as a name: trimmed, one line, at most `max` characters, possibly none.
pub fn short_text(field: &str, text: &str, max: usize) -> Result<String, ApiError> {
    let text = text.trim();
    if text.chars().count() > max {
        return Err(ApiError::invalid(format!("{field} has more than {max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!("{field} holds a line break or another control character")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_one_trimmed_line() {
        assert_eq!(short_text("name", "  Zo\u{eb} ", 3), Ok("Zo\u{eb}".to_owned()));
        for bad in ["abcd", "a\nb", "a\u{0}"] {
            assert!(short_text("name", bad, 3).is_err(), "{bad:?}");
        }
    }
}
