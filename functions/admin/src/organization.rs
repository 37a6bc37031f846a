//! The organization's settings.

use crate::State;
use crate::ai::{AiRequest, AiView};
use crate::caller::Admin;
use crate::voice_agent::{self, VoiceAgentRequest, VoiceAgentView};
use axum::Json;
use axum::extract::State as Shared;
use domain::ids::OrganizationId;
use domain::organization::{Organization, TwilioAccount};
use domain::phone::{PhoneNumber, Region};
use domain::secret::Secret;
use domain::time::Zone;
use serde::{Deserialize, Serialize};
use store::Tenant;
use web::extract::{Body, given, short_text};
use web::{ApiError, Code};

const MAX_NAME: usize = 200;
const MAX_TOKEN: usize = 256;
const MAX_INSTRUCTIONS: usize = 4000;

/// Settings as admins see them: never a provider's secrets.
#[derive(Debug, Serialize)]
pub(crate) struct OrganizationView {
    id: OrganizationId,
    name: String,
    timezone: Zone,
    region: Option<Region>,
    sign_in_code_required: bool,
    open_sign_up: bool,
    phone_numbers: Vec<PhoneNumber>,
    twilio: Option<TwilioView>,
    elevenlabs: Option<VoiceAgentView>,
    /// What the AI is told beside the conversation.
    instructions: Option<String>,
    ai: AiView,
    created_at: String,
}

#[derive(Debug, Serialize)]
struct TwilioView {
    account_sid: String,
    auth_token_set: bool,
}

#[derive(Serialize)]
pub(crate) struct OrganizationResponse {
    success: bool,
    organization: OrganizationView,
}

/// What is left out stays as it is; `null` removes, where there may be none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UpdateOrganizationRequest {
    name: Option<String>,
    timezone: Option<Zone>,
    #[serde(deserialize_with = "given")]
    region: Option<Option<Region>>,
    sign_in_code_required: Option<bool>,
    open_sign_up: Option<bool>,
    #[serde(deserialize_with = "given")]
    twilio: Option<Option<TwilioRequest>>,
    #[serde(deserialize_with = "given")]
    elevenlabs: Option<Option<VoiceAgentRequest>>,
    #[serde(deserialize_with = "given")]
    instructions: Option<Option<String>>,
    ai: Option<AiRequest>,
}

#[derive(Debug, Deserialize)]
struct TwilioRequest {
    account_sid: String,
    auth_token: Secret,
}

/// `GET /api/admin/organization`
pub(crate) async fn get(Shared(state): Shared<State>, admin: Admin) -> Result<Json<OrganizationResponse>, ApiError> {
    let organization = of(&admin.tenant(&state)).await?;
    Ok(Json(OrganizationResponse { success: true, organization: organization.into() }))
}

/// `PATCH /api/admin/organization`
pub(crate) async fn update(
    Shared(state): Shared<State>,
    admin: Admin,
    Body(request): Body<UpdateOrganizationRequest>,
) -> Result<Json<OrganizationResponse>, ApiError> {
    let tenant = admin.tenant(&state);
    let before = of(&tenant).await?;
    let agent = before.elevenlabs.clone();
    let organization = request.apply(before)?;
    voice_agent::change(&tenant, agent.as_ref(), organization.elevenlabs.as_ref()).await?;
    tenant.update_organization(&organization).await?;
    tracing::info!("the organization's settings were changed");
    Ok(Json(OrganizationResponse { success: true, organization: organization.into() }))
}

/// The caller's organization, which is there as long as its people are.
pub(crate) async fn of(tenant: &Tenant) -> Result<Organization, ApiError> {
    tenant.organization().await?.ok_or_else(|| Code::Internal.into())
}

/// An organization's name: never empty, since mails show it.
pub(crate) fn name(text: &str) -> Result<String, ApiError> {
    let name = short_text("name", text, MAX_NAME)?;
    if name.is_empty() { Err(ApiError::invalid("name is empty")) } else { Ok(name) }
}

impl UpdateOrganizationRequest {
    fn apply(self, organization: Organization) -> Result<Organization, ApiError> {
        let twilio = match self.twilio {
            None => organization.twilio,
            Some(given) => given.map(TwilioRequest::account).transpose()?,
        };
        let elevenlabs = match self.elevenlabs {
            None => organization.elevenlabs,
            Some(given) => given.map(VoiceAgentRequest::agent).transpose()?,
        };
        let instructions = match self.instructions {
            None => organization.instructions,
            Some(given) => given.map(checked_instructions).transpose()?,
        };
        Ok(Organization {
            name: self.name.map_or(Ok(organization.name), |text| name(&text))?,
            timezone: self.timezone.unwrap_or(organization.timezone),
            region: self.region.unwrap_or(organization.region),
            sign_in_code_required: self.sign_in_code_required.unwrap_or(organization.sign_in_code_required),
            open_sign_up: self.open_sign_up.unwrap_or(organization.open_sign_up),
            twilio,
            elevenlabs,
            instructions,
            ai: match self.ai {
                None => organization.ai,
                Some(request) => request.apply(organization.ai)?,
            },
            ..organization
        })
    }
}

fn checked_instructions(text: String) -> Result<String, ApiError> {
    if text.chars().count() > MAX_INSTRUCTIONS {
        return Err(ApiError::invalid(format!("instructions has more than {MAX_INSTRUCTIONS} characters")));
    }
    Ok(text)
}

impl TwilioRequest {
    fn account(self) -> Result<TwilioAccount, ApiError> {
        let hex = self.account_sid.strip_prefix("AC").unwrap_or_default();
        if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ApiError::invalid("twilio.account_sid is AC and 32 hexadecimal digits"));
        }
        let token = self.auth_token.expose();
        if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiError::invalid("twilio.auth_token is no Twilio token"));
        }
        Ok(TwilioAccount { account_sid: self.account_sid, auth_token: self.auth_token })
    }
}

impl From<Organization> for OrganizationView {
    fn from(organization: Organization) -> Self {
        let view = |account: TwilioAccount| TwilioView {
            auth_token_set: !account.auth_token.is_empty(),
            account_sid: account.account_sid,
        };
        Self {
            id: organization.id,
            name: organization.name,
            timezone: organization.timezone,
            region: organization.region,
            sign_in_code_required: organization.sign_in_code_required,
            open_sign_up: organization.open_sign_up,
            phone_numbers: organization.phone_numbers,
            twilio: organization.twilio.map(view),
            elevenlabs: organization.elevenlabs.map(VoiceAgentView::from),
            instructions: organization.instructions,
            ai: organization.ai.into(),
            created_at: organization.created_at.iso(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Timestamp;

    const SID: &str = "AC00000000000000000000000000000000";

    fn acme() -> Organization {
        Organization {
            id: OrganizationId::parse("acme").unwrap(),
            name: "Acme".to_owned(),
            timezone: Zone::utc(),
            region: "US".parse().ok(),
            sign_in_code_required: false,
            open_sign_up: false,
            created_at: Timestamp::from_millis(0),
            phone_numbers: Vec::new(),
            twilio: Some(TwilioAccount { account_sid: SID.to_owned(), auth_token: Secret::new("kept-secret") }),
            elevenlabs: None,
            instructions: None,
            ai: domain::points::AiSettings::default(),
        }
    }

    fn patched(json: &str) -> Result<Organization, ApiError> {
        serde_json::from_str::<UpdateOrganizationRequest>(json).unwrap().apply(acme())
    }

    #[test]
    fn what_is_left_out_stays_and_null_removes() {
        let same = patched("{}").unwrap();
        assert!(same.twilio.is_some() && same.region.is_some() && same.name == "Acme");
        let changed = patched(r#"{"region": null, "twilio": null, "open_sign_up": true, "name": "Acme 2"}"#).unwrap();
        assert!(changed.twilio.is_none() && changed.region.is_none() && changed.open_sign_up);
        assert_eq!(changed.name, "Acme 2");
    }

    #[test]
    fn the_twilio_token_is_never_shown() {
        let shown = serde_json::to_string(&OrganizationView::from(acme())).unwrap();
        assert!(shown.contains(r#""auth_token_set":true"#) && !shown.contains("kept-secret"));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for bad in [
            r#"{"name": " "}"#,
            r#"{"twilio": {"account_sid": "SK00000000000000000000000000000000", "auth_token": "t"}}"#,
            r#"{"twilio": {"account_sid": "AC0", "auth_token": "t"}}"#,
            r#"{"twilio": {"account_sid": "AC00000000000000000000000000000000", "auth_token": ""}}"#,
        ] {
            assert!(patched(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<UpdateOrganizationRequest>(r#"{"timezone": "Mars/Olympus"}"#).is_err());
    }
}
