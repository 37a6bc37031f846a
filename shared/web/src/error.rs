//! What a client is told when something fails. Nothing internal has a way into these answers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::access::Denied;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use std::borrow::Cow;
use store::StoreError;

/// Every error a client can get. The names are part of the API (`code` in `openapi.yaml`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No token, cookie or ticket.
    MissingToken,
    /// A token, cookie or ticket that is not ours, or was ended.
    InvalidToken,
    /// A token past its time.
    TokenExpired,
    /// A state-changing request by cookie without the CSRF header.
    CsrfRequired,
    /// Wrong address or password.
    InvalidCredentials,
    /// Wrong, used or expired e-mail code.
    InvalidCode,
    /// Too many wrong codes.
    CodeExhausted,
    /// Too many wrong passwords.
    AccountLocked,
    /// A permission is missing.
    Forbidden,
    /// The record belongs to another organization.
    OtherOrganization,
    /// Another admin took the conversation over.
    TakenOver,
    /// There is nothing of that name.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The request cannot be understood.
    InvalidRequest,
    /// It is taken, done or in the way already.
    Conflict,
    /// The request is too large.
    PayloadTooLarge,
    /// The body is of a type this route does not take.
    UnsupportedMediaType,
    /// A person is in control of the conversation already.
    UnderHumanControl,
    /// Nobody is in control of the conversation.
    NotUnderHumanControl,
    /// The contact asked for no more messages.
    OptedOut,
    /// The organization or the stack lacks credentials or a number for this.
    NotConfigured,
    /// A provider refused what we asked of it.
    ProviderRefused,
    /// A provider is down.
    ProviderUnavailable,
    /// A provider did not answer; it may have done what we asked.
    ProviderTimeout,
    /// A webhook whose signature does not fit.
    InvalidSignature,
    /// Too many requests.
    RateLimited,
    /// Another answer of the chat is under way.
    AnswerInProgress,
    /// The person's or the organization's points are used up.
    PointsExhausted,
    /// There is no language model.
    LlmNotConfigured,
    /// The language model is down or refuses our request.
    LlmUnavailable,
    /// The language model is throttling us.
    LlmRateLimited,
    /// The language model took too long.
    LlmTimeout,
    /// The language model's answer broke off.
    LlmInterrupted,
    /// The language model's provider may not answer this.
    LlmRefused,
    /// The messages do not fit the language model.
    ContextTooLong,
    /// Something we depend on is busy or down.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Code {
    /// All codes, for the documentation's test.
    pub const ALL: [Self; 37] = [
        Self::MissingToken,
        Self::InvalidToken,
        Self::TokenExpired,
        Self::CsrfRequired,
        Self::InvalidCredentials,
        Self::InvalidCode,
        Self::CodeExhausted,
        Self::AccountLocked,
        Self::Forbidden,
        Self::OtherOrganization,
        Self::TakenOver,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::InvalidRequest,
        Self::Conflict,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::UnderHumanControl,
        Self::NotUnderHumanControl,
        Self::OptedOut,
        Self::NotConfigured,
        Self::ProviderRefused,
        Self::ProviderUnavailable,
        Self::ProviderTimeout,
        Self::InvalidSignature,
        Self::RateLimited,
        Self::AnswerInProgress,
        Self::PointsExhausted,
        Self::LlmNotConfigured,
        Self::LlmUnavailable,
        Self::LlmRateLimited,
        Self::LlmTimeout,
        Self::LlmInterrupted,
        Self::LlmRefused,
        Self::ContextTooLong,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The status it is answered with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::MissingToken | Self::InvalidToken | Self::TokenExpired | Self::InvalidCredentials => {
                StatusCode::UNAUTHORIZED
            }
            Self::CsrfRequired
            | Self::Forbidden
            | Self::OtherOrganization
            | Self::TakenOver
            | Self::InvalidSignature => StatusCode::FORBIDDEN,
            Self::InvalidCode | Self::InvalidRequest | Self::NotUnderHumanControl => StatusCode::BAD_REQUEST,
            Self::CodeExhausted | Self::AccountLocked | Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::UnderHumanControl | Self::OptedOut | Self::AnswerInProgress => StatusCode::CONFLICT,
            Self::PointsExhausted => StatusCode::PAYMENT_REQUIRED,
            Self::LlmRefused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::ProviderRefused | Self::ProviderUnavailable | Self::LlmUnavailable | Self::LlmInterrupted => {
                StatusCode::BAD_GATEWAY
            }
            Self::ProviderTimeout | Self::LlmTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::PayloadTooLarge | Self::ContextTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable | Self::NotConfigured | Self::LlmNotConfigured | Self::LlmRateLimited => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened, in a sentence.
    pub fn detail(self) -> &'static str {
        match self {
            Self::MissingToken => "Authentication required",
            Self::InvalidToken => "Invalid token",
            Self::TokenExpired => "Token expired",
            Self::CsrfRequired => "The X-CSRF-Token header is missing or wrong",
            Self::InvalidCredentials => "Invalid email or password",
            Self::InvalidCode => "Invalid or expired code",
            Self::CodeExhausted => "Too many wrong codes",
            Self::AccountLocked => "Too many failed sign-ins",
            Self::Forbidden => "Not permitted",
            Self::OtherOrganization => "No access to this conversation",
            Self::TakenOver => "Another admin has taken over this conversation",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::InvalidRequest => "Invalid request",
            Self::Conflict => "Already exists",
            Self::PayloadTooLarge => "Request too large",
            Self::UnsupportedMediaType => "Unsupported content type",
            Self::UnderHumanControl => "The conversation is under human control",
            Self::NotUnderHumanControl => "The conversation is not under human control",
            Self::OptedOut => "The contact asked for no more messages",
            Self::NotConfigured => "Not configured",
            Self::ProviderRefused => "The provider refused the request",
            Self::ProviderUnavailable => "The provider is not available",
            Self::ProviderTimeout => "The provider did not answer in time",
            Self::InvalidSignature => "Forbidden",
            Self::RateLimited => "Too many requests",
            Self::AnswerInProgress => "Another answer of this chat is under way",
            Self::PointsExhausted => "The points are used up",
            Self::LlmNotConfigured => "No language model is configured",
            Self::LlmUnavailable => "The language model is not available",
            Self::LlmRateLimited => "The language model takes no more requests for now",
            Self::LlmTimeout => "The language model did not answer in time",
            Self::LlmInterrupted => "The answer broke off",
            Self::LlmRefused => "The language model may not answer this",
            Self::ContextTooLong => "The conversation is too long for the language model",
            Self::Unavailable => "Temporarily unavailable",
            Self::Internal => "Internal error",
        }
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::MissingToken => "Send 'Authorization: Bearer <token>'; get a token from POST /login.",
            Self::InvalidToken | Self::TokenExpired => "Get a fresh token from POST /login.",
            Self::CsrfRequired => {
                "Copy the switchboard_csrf cookie into the X-CSRF-Token header, or use a bearer token."
            }
            Self::InvalidCredentials => "Check the address and the password.",
            Self::InvalidCode => "Use the newest code; codes work once and for 15 minutes.",
            Self::CodeExhausted => "Ask for a new code by signing in again.",
            Self::AccountLocked => "Wait 15 minutes, then try again.",
            Self::Forbidden => "Ask an admin of your organization for the permission.",
            Self::OtherOrganization => "Verify that the worker belongs to your company.",
            Self::TakenOver => "Only the admin who took it over sees it until it is handed back.",
            Self::NotFound => "Check the id and the path.",
            Self::MethodNotAllowed => "See GET /openapi.json for the methods of this path.",
            Self::InvalidRequest => "See GET /openapi.json for the fields of this request.",
            Self::Conflict => "Choose another value, or use the existing record.",
            Self::PayloadTooLarge => "Send less at once.",
            Self::UnsupportedMediaType => "Send application/json, or what the route documents.",
            Self::UnderHumanControl => {
                "See GET /api/conversations/human-control/status/{phoneNumber}; its agent must leave first."
            }
            Self::NotUnderHumanControl => "Join first: POST /api/conversations/human-control/join.",
            Self::OptedOut => "They can write START to get messages again.",
            Self::NotConfigured => "An admin adds the credentials and a number to the organization or the stack.",
            Self::ProviderRefused => "See the detail, and the provider's console.",
            Self::ProviderUnavailable => "Try again in a moment; nothing was done.",
            Self::ProviderTimeout => "It may have been done: look at the conversation before trying again.",
            Self::InvalidSignature => "Check the credentials and the URL that the sender is configured with.",
            Self::RateLimited => "Wait as long as Retry-After says.",
            Self::AnswerInProgress => "Wait for its end, or stop it: POST /api/stream/interactions/{id}/stop.",
            Self::PointsExhausted => "See GET /api/usage; an admin of your organization grants points.",
            Self::LlmNotConfigured => "Set LLM_BASE_URL and LLM_MODEL, or BEDROCK_MODEL_ID.",
            Self::LlmUnavailable => "Nothing was charged. Try again in a moment.",
            Self::LlmRateLimited => "Nothing was charged. Try again in a moment.",
            Self::LlmTimeout => "Nothing was charged. Try again.",
            Self::LlmInterrupted => "What came is kept, and nothing was charged. Ask again.",
            Self::LlmRefused => "Nothing was charged. Ask in another way.",
            Self::ContextTooLong => "Begin a new chat, or send a shorter message.",
            Self::Unavailable => "Try again in a moment.",
            Self::Internal => "Report the request_id.",
        }
    }

    /// The code's name.
    pub fn as_str(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Which.
    pub code: Code,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<u32>,
}

impl ApiError {
    /// An error with a sentence of its own. The sentence is public.
    pub fn with(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: Some(detail.into()), retry_after: None }
    }

    /// A request that cannot be understood, and why.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::with(Code::InvalidRequest, detail)
    }

    /// Refuses what is one too many; `wait` is what is left of a full window.
    pub fn unless_within(wait: Option<u32>, refusal: Code) -> Result<(), Self> {
        match wait {
            None => Ok(()),
            Some(seconds) => Err(Self::from(refusal).retry_after(seconds)),
        }
    }

    /// The same, with the seconds to wait.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The body of the answer.
    pub fn body<'a>(&'a self, request_id: &'a str) -> ErrorBody<'a> {
        let detail = self.detail.as_deref().unwrap_or(self.code.detail());
        ErrorBody { detail, error: detail, code: self.code, hint: self.code.hint(), request_id }
    }
}

/// An error's wire form: what all five seeds read, at once (U13).
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// What happened (seeds D, E).
    pub detail: &'a str,
    /// The same (seeds A, B, C).
    pub error: &'a str,
    /// Which error.
    pub code: Code,
    /// What to do.
    pub hint: &'a str,
    /// What to report.
    pub request_id: &'a str,
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self { code, detail: None, retry_after: None }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // The one place where a failed read or write is logged for an HTTP function.
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        match error {
            StoreError::Conflict | StoreError::Throttled(_) | StoreError::Unavailable(_) => {
                Self::from(Code::Unavailable).retry_after(1)
            }
            StoreError::Corrupt(_) | StoreError::TooLarge => Self::from(Code::Internal),
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::from(match denied {
            Denied::OtherOrganization => Code::OtherOrganization,
            Denied::NotPermitted => Code::Forbidden,
            Denied::TakenOver => Code::TakenOver,
        })
    }
}

impl IntoResponse for ApiError {
    /// The request's id is not known here: [`crate::lambda`] fills it in.
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), Json(self.body(""))).into_response();
        if self.code.status() == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_has_its_own_name_a_sentence_and_a_hint() {
        let names: HashSet<String> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| !code.detail().is_empty() && code.hint().ends_with('.')));
        assert!(Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error()));
    }
}
