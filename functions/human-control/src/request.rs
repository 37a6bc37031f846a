//! What the requests of this function have in common: whom they are about, and texts of a checked length.

use conversations::control::{ControlError, Target};
use domain::ids::{ContactId, ConversationId};
use domain::phone::{PhoneNumber, is_valid};
use serde::Deserialize;
use std::borrow::Cow;
use store::Tenant;
use web::{ApiError, Code};

/// Whom a request is about: seed B's `phoneNumber`, or instead our own `conversation_id` or `leadId`.
#[derive(Deserialize)]
pub(crate) struct Whom {
    #[serde(rename = "phoneNumber", alias = "phone_number")]
    phone_number: Option<String>,
    #[serde(alias = "conversationId")]
    conversation_id: Option<String>,
    #[serde(rename = "leadId", alias = "lead_id")]
    lead_id: Option<String>,
    /// Seed B's clients send it everywhere: it must be the caller's own.
    #[serde(rename = "organizationId", alias = "organization_id")]
    organization_id: Option<String>,
}

impl Whom {
    /// The conversation that is meant.
    pub(crate) async fn target(&self, tenant: &Tenant) -> Result<Target, ApiError> {
        self.check_organization(tenant)?;
        if let (Some(id), None) = (&self.conversation_id, &self.phone_number) {
            let id = ConversationId::parse(id).map_err(|_| unknown())?;
            return Ok(Target::Conversation(id));
        }
        self.phone(tenant).await.map(Target::Phone)
    }

    /// The number that is meant.
    pub(crate) async fn phone(&self, tenant: &Tenant) -> Result<PhoneNumber, ApiError> {
        self.check_organization(tenant)?;
        if let Some(text) = &self.phone_number {
            return phone_number(tenant, text).await;
        }
        let Some(lead) = self.lead_id.as_deref().and_then(|id| ContactId::parse(id).ok()) else {
            return Err(ApiError::invalid("phoneNumber is required"));
        };
        let contact = tenant.contact(&lead).await?;
        contact.map(|contact| contact.phone).ok_or_else(|| ApiError::with(Code::NotFound, "Lead not found"))
    }

    fn check_organization(&self, tenant: &Tenant) -> Result<(), ApiError> {
        let own = tenant.organization_id().as_str();
        match self.organization_id.as_deref() {
            Some(named) if named != own => Err(Code::OtherOrganization.into()),
            _ => Ok(()),
        }
    }
}

/// Reads a number as a person or a URL writes it, in the organization's region.
pub(crate) async fn phone_number(tenant: &Tenant, text: &str) -> Result<PhoneNumber, ApiError> {
    // Clients that escape a number for a URL also put it into bodies so.
    let text = match text.split_at_checked(3) {
        Some((escape, digits)) if escape.eq_ignore_ascii_case("%2b") => Cow::Owned(format!("+{digits}")),
        _ => Cow::Borrowed(text),
    };
    if let Ok(number) = PhoneNumber::from_url(&text, None)
        && number.is_e164()
    {
        return Ok(number);
    }
    let region = tenant.organization().await?.and_then(|organization| organization.region);
    match PhoneNumber::from_url(&text, region) {
        // A region makes a number of any few digits: it must be one that somebody can have.
        Ok(number) if number.is_e164() && is_valid(number.as_str()) => Ok(number),
        _ => Err(ApiError::invalid("phoneNumber is not a phone number; use +<country><number>")),
    }
}

/// A text of one or more lines, trimmed: `None` when there is none.
pub(crate) fn long_text(field: &str, text: Option<String>, max: usize) -> Result<Option<String>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    if text.chars().count() > max {
        return Err(ApiError::invalid(format!("{field} has more than {max} characters")));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(ApiError::invalid(format!("{field} holds a control character")));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn unknown() -> ApiError {
    ApiError::with(Code::NotFound, "Conversation not found")
}

/// The answer to what a control did not allow.
pub(crate) fn refusal(error: ControlError) -> ApiError {
    match error {
        ControlError::UnderControl => Code::UnderHumanControl.into(),
        ControlError::NotUnderControl => Code::NotUnderHumanControl.into(),
        ControlError::OtherAgent => Code::TakenOver.into(),
        ControlError::Ended => ApiError::with(Code::Conflict, "The conversation has ended"),
        ControlError::Unknown => unknown(),
        ControlError::OptedOut => Code::OptedOut.into(),
        ControlError::KeyReused => ApiError::with(Code::Conflict, "The Idempotency-Key was used for another message"),
        ControlError::NoNumber => ApiError::with(Code::NotConfigured, "The organization has no number to send from"),
        ControlError::Store(error) => error.into(),
    }
}
