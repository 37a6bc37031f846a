//! What all webhooks ask of a request: its headers, the URL it was sent to, and whether its organization sends too much.

use crate::State;
use http::request::Parts;
use store::{Limit, Tenant};
use web::lambda::GatewayUrl;
use web::{ApiError, Code};

/// A header's text.
pub(crate) fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

/// The URL that the provider called: the configured public one, or what API Gateway says it was called by
/// (protocols.md 1.2).
pub(crate) fn public_url(state: &State, parts: &Parts) -> String {
    let base = match (&state.public_base_url, parts.extensions.get::<GatewayUrl>()) {
        (Some(base), _) => format!("{base}{}", parts.uri.path()),
        (None, Some(GatewayUrl(Some(url)))) => url.clone(),
        (None, _) => parts.uri.path().to_owned(),
    };
    parts.uri.query().map_or(base.clone(), |query| format!("{base}?{query}"))
}

/// The organization's data, once the request is proved to be its provider's and is not one too many.
pub(crate) async fn admit(state: &State, tenant: Tenant) -> Result<Tenant, ApiError> {
    tracing::Span::current().record("organization", tenant.organization_id().as_str());
    let limit = Limit { what: "webhooks", max: state.webhooks_per_minute, seconds: 60 };
    let wait = state.store.exceeded(&limit, tenant.organization_id().as_str()).await?;
    ApiError::unless_within(wait, Code::RateLimited)?;
    Ok(tenant)
}
