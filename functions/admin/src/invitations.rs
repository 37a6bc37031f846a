//! Asking people into the organization by mail.

use crate::State;
use crate::caller::{Admin, RemovedResponse};
use crate::organization;
use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use domain::ids::{InvitationId, OrganizationId};
use domain::secret::Secret;
use domain::time::Timestamp;
use domain::user::{Email, Role};
use http::StatusCode;
use identity::{random, ticket};
use providers::email::Mail;
use serde::{Deserialize, Serialize};
use store::{Invitation, Tenant, now};
use web::extract::Body;
use web::lambda::GatewayUrl;
use web::{ApiError, Code};

const DAYS: u32 = 7;
const DAY_SECONDS: i64 = 86_400;
/// Mails to strangers that one organization may cause.
const MAX_A_DAY: u32 = 200;
const PATH: &str = "/api/admin/invitations";

/// An open invitation, without its secret: that is in the mail only.
#[derive(Debug, Serialize)]
pub(crate) struct InvitationView {
    id: InvitationId,
    email: Email,
    role: Role,
    created_at: String,
    expires_at: String,
}

#[derive(Serialize)]
pub(crate) struct InvitationsResponse {
    success: bool,
    invitations: Vec<InvitationView>,
}

#[derive(Serialize)]
pub(crate) struct InvitationResponse {
    success: bool,
    invitation: InvitationView,
}

#[derive(Deserialize)]
pub(crate) struct InviteRequest {
    email: Email,
    role: Role,
}

/// `GET /api/admin/invitations`: the open ones.
pub(crate) async fn list(Shared(state): Shared<State>, admin: Admin) -> Result<Json<InvitationsResponse>, ApiError> {
    let now = now().seconds();
    let mut open = admin.tenant(&state).invitations().await?;
    open.retain(|invitation| invitation.expires_at > now);
    open.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Json(InvitationsResponse { success: true, invitations: open.iter().map(InvitationView::from).collect() }))
}

/// `POST /api/admin/invitations`: mails a link that makes an account. An earlier one to the same address ends.
pub(crate) async fn add(
    Shared(state): Shared<State>,
    admin: Admin,
    Extension(url): Extension<GatewayUrl>,
    Body(request): Body<InviteRequest>,
) -> Result<(StatusCode, Json<InvitationResponse>), ApiError> {
    let tenant = admin.tenant(&state);
    let organization = organization::of(&tenant).await?;
    let base_url = state.public_base_url.as_deref().map(str::to_owned).or_else(|| gateway_base(&url));
    let base_url = base_url.ok_or(Code::Internal)?;
    let inviter = tenant.user(&admin.0.user_id).await?.ok_or(Code::InvalidToken)?;
    make_room(&state, &tenant, &request.email).await?;
    let secret = ticket::new_ticket();
    let invitation = new_invitation(request, &secret, now())?;
    tenant.put_invitation(&invitation).await?;
    let link = link(&base_url, &organization.id, &invitation.id, &secret);
    let mail = Mail::invitation(&organization.name, &inviter.display_name(), &link, DAYS);
    if let Err(error) = state.mailer.send(invitation.email.as_str(), &mail).await {
        tracing::error!(error = &error as &dyn std::error::Error, "an invitation was not mailed");
        tenant.remove_invitation(&invitation.id).await?;
        return Err(ApiError::from(Code::Unavailable).retry_after(5));
    }
    let response = InvitationResponse { success: true, invitation: InvitationView::from(&invitation) };
    Ok((StatusCode::CREATED, Json(response)))
}

/// `DELETE /api/admin/invitations/{invitation_id}`: the link in the mail ends.
pub(crate) async fn remove(
    Shared(state): Shared<State>,
    admin: Admin,
    Path(invitation_id): Path<String>,
) -> Result<Json<RemovedResponse>, ApiError> {
    let id = InvitationId::parse(&invitation_id).map_err(|_| Code::NotFound)?;
    if admin.tenant(&state).remove_invitation(&id).await? {
        Ok(Json(RemovedResponse { success: true }))
    } else {
        Err(Code::NotFound.into())
    }
}

/// Whether an address has an account is told of the own organization only: elsewhere the invited person learns it.
async fn make_room(state: &State, tenant: &Tenant, email: &Email) -> Result<(), ApiError> {
    let own = tenant.organization_id();
    let account = state.store.account(email).await?.map(|account| account.user);
    if account.is_some_and(|user| user.email_verified && user.organization_id == *own) {
        return Err(ApiError::with(Code::Conflict, "This person is in the organization already"));
    }
    if !state.store.count("invitation", own.as_str(), MAX_A_DAY, DAY_SECONDS).await? {
        return Err(ApiError::from(Code::RateLimited).retry_after(3600));
    }
    for earlier in tenant.invitations().await?.iter().filter(|earlier| earlier.email == *email) {
        tenant.remove_invitation(&earlier.id).await?;
    }
    Ok(())
}

fn new_invitation(request: InviteRequest, secret: &Secret, now: Timestamp) -> Result<Invitation, ApiError> {
    Ok(Invitation {
        id: InvitationId::parse(&random::new_id()).map_err(|_| Code::Internal)?,
        email: request.email,
        role: request.role,
        created_at: now,
        expires_at: now.plus_seconds(i64::from(DAYS) * DAY_SECONDS).seconds(),
        secret_digest: ticket::lookup_key(secret.expose()),
    })
}

/// The page that accepts. All of it is behind the `#`, which browsers send to nobody and no log sees.
fn link(base_url: &str, organization: &OrganizationId, invitation: &InvitationId, secret: &Secret) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("organization_id", organization.as_str())
        .append_pair("invitation_id", invitation.as_str())
        .append_pair("secret", secret.expose())
        .finish();
    format!("{base_url}/#/invitation?{query}")
}

/// Without a base URL of ours it is API Gateway's, stage included.
fn gateway_base(url: &GatewayUrl) -> Option<String> {
    url.0.as_deref()?.strip_suffix(PATH).map(str::to_owned)
}

impl From<&Invitation> for InvitationView {
    fn from(invitation: &Invitation) -> Self {
        Self {
            id: invitation.id.clone(),
            email: invitation.email.clone(),
            role: invitation.role,
            created_at: invitation.created_at.iso(),
            expires_at: Timestamp::from_millis(invitation.expires_at.saturating_mul(1000)).iso(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(secret: &Secret) -> Invitation {
        let request = InviteRequest { email: Email::parse("grace@example.com").unwrap(), role: Role::Agent };
        new_invitation(request, secret, Timestamp::from_millis(0)).unwrap()
    }

    #[test]
    fn the_link_holds_what_accepting_needs_behind_the_fragment() {
        let organization = OrganizationId::parse("acme+1").unwrap();
        let invitation = InvitationId::parse("i=1").unwrap();
        let link = link("https://app.example.com/v1", &organization, &invitation, &Secret::new("s-_3"));
        assert_eq!(
            link,
            "https://app.example.com/v1/#/invitation?organization_id=acme%2B1&invitation_id=i%3D1&secret=s-_3"
        );
    }

    #[test]
    fn an_invitation_lasts_a_week_and_keeps_no_secret() {
        let secret = ticket::new_ticket();
        let made = invitation(&secret);
        assert_eq!(made.expires_at, 7 * 86_400);
        let view = serde_json::to_string(&InvitationView::from(&made)).unwrap();
        assert!(view.contains("\"expires_at\":\"1970-01-08T00:00:00.000Z\""));
        assert!(!view.contains(secret.expose()) && !view.contains(&made.secret_digest));
    }

    #[test]
    fn the_base_url_comes_from_the_gateway_where_none_is_configured() {
        let url = GatewayUrl(Some("https://abc.example.com/v1/api/admin/invitations".to_owned()));
        assert_eq!(gateway_base(&url).as_deref(), Some("https://abc.example.com/v1"));
        assert_eq!(gateway_base(&GatewayUrl(None)), None);
    }
}
