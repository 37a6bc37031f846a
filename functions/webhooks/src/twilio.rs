//! Twilio's message webhooks.

use crate::State;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::ids::OrganizationId;
use domain::phone::PhoneNumber;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use providers::twilio::signature::{self, SignedRequest, SigningKeys};
use providers::twilio::twiml;
use providers::twilio::webhook::{FormError, IncomingSms, StatusUpdate};
use std::borrow::Cow;
use store::{Appended, Tenant, now};
use web::lambda::GatewayUrl;
use web::{ApiError, Code};

/// `POST /api/webhooks/twilio/sms/incoming`: a customer wrote. Answered with TwiML that sends nothing (B24).
pub(crate) async fn sms_incoming(
    Shared(state): Shared<State>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, ApiError> {
    let tenant = verified(&state, &parts, &body, "To").await?;
    let sms = IncomingSms::parse(&body).map_err(unreadable)?;
    let tenant = tenant.ok_or_else(number_of_nobody)?;
    match conversations::inbound::record_sms(&tenant, sms, now()).await? {
        Appended::New { conversation, events } => {
            let conversation = conversation.id.log_id();
            tracing::info!(conversation, events = events.len(), "message recorded");
        }
        Appended::Duplicate { conversation_id, .. } => {
            tracing::info!(conversation = conversation_id.log_id(), "duplicate delivery, nothing changed");
        }
        Appended::Refused(_) => return Err(Code::Unavailable.into()),
    }
    Ok(([(CONTENT_TYPE, "text/xml")], twiml::empty()).into_response())
}

/// `POST /api/webhooks/twilio/sms/status`: a message of ours got further (B25).
pub(crate) async fn sms_status(Shared(state): Shared<State>, parts: Parts, body: Bytes) -> Result<Response, ApiError> {
    let tenant = verified(&state, &parts, &body, "From").await?;
    let update = StatusUpdate::parse(&body).map_err(unreadable)?;
    let tenant = tenant.ok_or_else(number_of_nobody)?;
    let change = tenant.sms_status(&update.message_sid, update.status, update.error_code, now()).await?;
    tracing::info!(status = update.status.as_str(), ?change, "delivery state received");
    Ok(([(CONTENT_TYPE, "text/xml")], twiml::empty()).into_response())
}

/// The organization of the number in `own`, once the request is proved to be Twilio's; `None` when it is nobody's.
///
/// An organization with a Twilio account of its own is signed for by that account; all others by the stack's.
async fn verified(state: &State, parts: &Parts, body: &[u8], own: &str) -> Result<Option<Tenant>, ApiError> {
    let organization = organization_of(state, body, own).await?;
    let account = match &organization {
        Some(id) => state.store.tenant(id).organization().await?.and_then(|organization| organization.twilio),
        None => None,
    };
    let keys = account.map_or_else(
        || Cow::Borrowed(&*state.twilio_keys),
        |account| Cow::Owned(SigningKeys { auth_tokens: vec![account.auth_token], ..SigningKeys::default() }),
    );
    let url = public_url(state, parts);
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let request = SignedRequest {
        method: parts.method.as_str(),
        url: &url,
        content_type: header("content-type"),
        body,
        signature: header("x-twilio-signature"),
        settings: header("x-twilio-webhooks-signature-settings"),
    };
    if let Err(reason) = signature::verify(&request, &keys) {
        // Only here: the answer says nothing, the log says which URL the signature should have been made for.
        let expected_url = url.split('?').next();
        tracing::warn!(%reason, expected_url, "webhook refused");
        return Err(Code::InvalidSignature.into());
    }
    let Some(organization) = organization else { return Ok(None) };
    tracing::Span::current().record("organization", organization.as_str());
    Ok(Some(state.store.tenant(&organization)))
}

async fn organization_of(state: &State, body: &[u8], own: &str) -> Result<Option<OrganizationId>, ApiError> {
    let number = form_urlencoded::parse(body)
        .find_map(|(name, value)| (name == own).then(|| PhoneNumber::from_provider(&value).ok()))
        .flatten();
    match number {
        Some(number) => Ok(state.store.organization_by_number(&number).await?),
        None => Ok(None),
    }
}

/// The URL that Twilio signed: the configured public one, or what API Gateway says it was called by (protocols.md 1.2).
fn public_url(state: &State, parts: &Parts) -> String {
    let base = match (&state.public_base_url, parts.extensions.get::<GatewayUrl>()) {
        (Some(base), _) => format!("{base}{}", parts.uri.path()),
        (None, Some(GatewayUrl(Some(url)))) => url.clone(),
        (None, _) => parts.uri.path().to_owned(),
    };
    parts.uri.query().map_or(base.clone(), |query| format!("{base}?{query}"))
}

fn number_of_nobody() -> ApiError {
    ApiError::with(Code::NotFound, "No organization has this number; an admin can add it under phone numbers")
}

fn unreadable(error: FormError) -> ApiError {
    ApiError::invalid(error.to_string())
}
