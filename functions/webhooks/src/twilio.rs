//! Twilio's message webhooks.

use crate::State;
use crate::inbox::{self, Entry};
use crate::origin::{admit, header, public_url};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use conversations::memory::get_organization_by_phone_number;
use conversations::webhooks;
use domain::phone::PhoneNumber;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use providers::twilio::signature::{self, SignedRequest, SigningKeys};
use providers::twilio::twiml;
use std::borrow::Cow;
use store::{Tenant, WebhookKind};
use web::{ApiError, Code};

/// `POST /api/webhooks/twilio/sms/incoming`: a customer wrote. Answered with TwiML that sends nothing (B24).
pub(crate) async fn sms_incoming(
    Shared(state): Shared<State>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, ApiError> {
    receive(&state, WebhookKind::TwilioSmsIncoming, "To", &parts, &body).await
}

/// `POST /api/webhooks/twilio/sms/status`: a message of ours got further (B25).
pub(crate) async fn sms_status(Shared(state): Shared<State>, parts: Parts, body: Bytes) -> Result<Response, ApiError> {
    receive(&state, WebhookKind::TwilioSmsStatus, "From", &parts, &body).await
}

/// `own` names the field with our number.
async fn receive(
    state: &State,
    kind: WebhookKind,
    own: &str,
    parts: &Parts,
    body: &[u8],
) -> Result<Response, ApiError> {
    let tenant = match field(body, own).and_then(|number| PhoneNumber::from_provider(&number).ok()) {
        Some(number) => get_organization_by_phone_number(&state.store, &number).await?,
        None => None,
    };
    let tenant = tenant.map(|organization| state.store.tenant(&organization));
    verify(state, kind, tenant.as_ref(), parts, body).await?;
    let Some(tenant) = tenant else {
        // What cannot be read names nobody at all.
        webhooks::check(kind, body).map_err(inbox::answer)?;
        return Err(number_of_nobody());
    };
    let tenant = admit(state, tenant).await?;
    let entry = Entry::new(&tenant, kind, field(body, "MessageSid").map(Cow::into_owned), body);
    let worked = webhooks::work(&tenant, kind, body, store::now()).await;
    let (verdict, reason) = inbox::verdict(&worked);
    entry.keep(verdict, reason).await;
    worked.map_err(inbox::answer)?;
    Ok(([(CONTENT_TYPE, twiml::CONTENT_TYPE)], twiml::empty()).into_response())
}

/// An organization with a Twilio account of its own is signed for by that account; all others by the stack's.
async fn verify(
    state: &State,
    kind: WebhookKind,
    tenant: Option<&Tenant>,
    parts: &Parts,
    body: &[u8],
) -> Result<(), ApiError> {
    let account = match tenant {
        Some(tenant) => tenant.organization().await?.and_then(|organization| organization.twilio),
        None => None,
    };
    let keys = account.map_or_else(
        || Cow::Borrowed(&*state.twilio_keys),
        |account| Cow::Owned(SigningKeys { auth_tokens: vec![account.auth_token], ..SigningKeys::default() }),
    );
    let url = public_url(state, parts);
    let request = SignedRequest {
        method: parts.method.as_str(),
        url: &url,
        content_type: header(parts, "content-type"),
        body,
        signature: header(parts, "x-twilio-signature"),
        settings: header(parts, "x-twilio-webhooks-signature-settings"),
    };
    let Err(reason) = signature::verify(&request, &keys) else { return Ok(()) };
    // Only here: the answer says nothing, log and inbox say which URL the signature should have been made for.
    let expected_url = url.split('?').next().unwrap_or_default();
    tracing::warn!(%reason, expected_url, "webhook refused");
    if let Some(tenant) = tenant {
        inbox::refused(state, tenant, kind, format!("{reason}; expected URL {expected_url}")).await;
    }
    Err(inbox::forbidden())
}

fn field<'a>(body: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(body).find_map(|(key, value)| (key == name).then_some(value))
}

fn number_of_nobody() -> ApiError {
    ApiError::with(Code::NotFound, "No organization has this number; an admin can add it under phone numbers")
}
