//! Who is calling: bearer token, cookie of our own pages, or (for streams) a one-time ticket (U5).

use crate::cookies;
use crate::error::{ApiError, Code};
use axum::extract::{FromRef, FromRequestParts};
use domain::secret::Secret;
use domain::user::{Permission, Principal};
use http::Method;
use http::header::AUTHORIZATION;
use http::request::Parts;
use identity::token::{self, Keyring};
use identity::verifier::TokenError;
use identity::{csrf, ticket};
use std::sync::Arc;
use store::{Store, now};

/// Checks tokens, cookies and tickets.
#[derive(Clone)]
pub struct Authenticator {
    store: Store,
    keys: Arc<Keyring>,
    csrf_secret: Secret,
    token_in_query: bool,
}

/// The verified caller of a request.
#[derive(Clone, Debug)]
pub struct Caller(pub Principal);

/// The verified caller of a stream, for which browsers can send no header: a ticket in the query opens it too.
#[derive(Clone, Debug)]
pub struct StreamCaller(pub Principal);

impl Authenticator {
    /// An authenticator. `token_in_query` also takes `?token=` on SSE streams, at the price of tokens in access logs.
    pub fn new(store: Store, keys: Arc<Keyring>, csrf_secret: Secret, token_in_query: bool) -> Self {
        Self { store, keys, csrf_secret, token_in_query }
    }

    /// Verifies a token in full: signature, claims, revocation, the person's standing.
    pub async fn token(&self, token: &str) -> Result<Principal, ApiError> {
        let claims = token::verify(&self.keys, token, now()).map_err(refusal)?;
        let principal = claims.principal().map_err(refusal)?;
        if self.store.token_stands(&principal).await? { Ok(principal) } else { Err(Code::InvalidToken.into()) }
    }

    /// Uses up a ticket that opens this path.
    pub async fn ticket(&self, text: &str, path: &str) -> Result<Principal, ApiError> {
        let ticket = self.store.redeem_ticket(&ticket::lookup_key(text)).await?;
        let ticket = ticket.filter(|ticket| ticket.path == path).ok_or(Code::InvalidToken)?;
        if self.store.token_stands(&ticket.principal).await? {
            Ok(ticket.principal)
        } else {
            Err(Code::InvalidToken.into())
        }
    }

    async fn caller(&self, parts: &Parts) -> Result<Principal, ApiError> {
        if let Some(value) = parts.headers.get(AUTHORIZATION) {
            let value = value.to_str().map_err(|_| Code::InvalidToken)?;
            let (scheme, token) = value.split_once(' ').ok_or(Code::InvalidToken)?;
            if !scheme.eq_ignore_ascii_case("bearer") {
                return Err(Code::InvalidToken.into());
            }
            return self.token(token.trim()).await;
        }
        let Some(token) = cookies::get(&parts.headers, cookies::SESSION) else {
            return Err(Code::MissingToken.into());
        };
        let principal = self.token(token).await?;
        let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if safe || self.csrf_fits(parts, &principal) { Ok(principal) } else { Err(Code::CsrfRequired.into()) }
    }

    fn csrf_fits(&self, parts: &Parts, principal: &Principal) -> bool {
        let sent = parts.headers.get(cookies::CSRF_HEADER).and_then(|value| value.to_str().ok());
        sent.is_some_and(|sent| csrf::is_valid(&self.csrf_secret, &principal.token_id, sent))
    }

    async fn stream_caller(&self, parts: &Parts) -> Result<Principal, ApiError> {
        if let Some(text) = query(parts, "ticket") {
            return self.ticket(&text, parts.uri.path()).await;
        }
        if let Some(token) = query(parts, "token").filter(|_| self.token_in_query) {
            return self.token(&token).await;
        }
        self.caller(parts).await
    }
}

fn query(parts: &Parts, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    pairs.into_iter().find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

fn refusal(error: TokenError) -> ApiError {
    match error {
        TokenError::Expired => Code::TokenExpired.into(),
        _ => Code::InvalidToken.into(),
    }
}

impl Caller {
    /// Goes on only with a permission.
    pub fn require(&self, permission: Permission) -> Result<(), ApiError> {
        if self.0.may(permission) {
            return Ok(());
        }
        let detail = format!("The permission {} is missing", permission.as_str());
        Err(ApiError::with(Code::Forbidden, detail))
    }
}

fn note(principal: &Principal) {
    let span = tracing::Span::current();
    span.record("organization", principal.organization_id.as_str());
    span.record("user", principal.user_id.as_str());
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Authenticator: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let principal = Authenticator::from_ref(state).caller(parts).await?;
        note(&principal);
        Ok(Self(principal))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for StreamCaller
where
    Authenticator: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let principal = Authenticator::from_ref(state).stream_caller(parts).await?;
        note(&principal);
        Ok(Self(principal))
    }
}
