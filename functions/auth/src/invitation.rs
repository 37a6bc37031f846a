//! Becoming one of an organization's people by invitation.

use crate::State;
use crate::limits::Visitor;
use crate::people::{Names, new_user};
use crate::{passwords, session};
use axum::extract::State as Shared;
use axum::response::Response;
use domain::ids::{InvitationId, OrganizationId};
use domain::secret::Secret;
use identity::ticket;
use serde::Deserialize;
use store::{Account, Invitation, NewAccount, now};
use web::extract::Body;
use web::{ApiError, Code};

#[derive(Debug, Deserialize)]
pub(crate) struct AcceptRequest {
    organization_id: OrganizationId,
    invitation_id: InvitationId,
    secret: Secret,
    password: Secret,
    #[serde(flatten)]
    names: Names,
}

/// `POST /auth/accept-invitation`: makes the account and signs in. The secret came by mail, so the address is proved.
pub(crate) async fn accept(
    Shared(state): Shared<State>,
    _visitor: Visitor,
    Body(request): Body<AcceptRequest>,
) -> Result<Response, ApiError> {
    passwords::check(&request.password)?;
    let known_at = now();
    let tenant = state.store.tenant(&request.organization_id);
    let invitation = tenant.invitation(&request.invitation_id).await?;
    let invitation = invitation
        .filter(|invitation| is_open(invitation, &request.secret, known_at.seconds()))
        .ok_or_else(|| ApiError::with(Code::NotFound, "There is no such invitation, or it has ended"))?;
    let Invitation { id, email, role, .. } = invitation;
    let taken = || ApiError::with(Code::Conflict, "This address has an account, or the invitation was used");
    let old = match state.store.account(&email).await? {
        Some(Account { user, .. }) if user.email_verified => return Err(taken()),
        account => account.map(|account| account.user),
    };
    let mut user = new_user(request.organization_id, email, role, &request.names, known_at)?;
    user.email_verified = true;
    let password_hash = passwords::hash(&state, request.password).await?;
    let new = NewAccount { user: &user, password_hash: &password_hash, replaces: old.as_ref(), invitation: Some(&id) };
    if !state.store.create_account(new).await? {
        return Err(taken());
    }
    session::open(&state, &user, known_at)
}

/// Digests are compared, of a secret that is random: how long that takes tells nothing of the secret.
fn is_open(invitation: &Invitation, secret: &Secret, now: i64) -> bool {
    invitation.expires_at > now && invitation.secret_digest == ticket::lookup_key(secret.expose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Timestamp;
    use domain::user::{Email, Role};

    #[test]
    fn an_invitation_opens_by_its_secret_until_it_ends() {
        let secret = ticket::new_ticket();
        let invitation = Invitation {
            id: InvitationId::parse("i1").unwrap(),
            email: Email::parse("grace@example.com").unwrap(),
            role: Role::Agent,
            created_at: Timestamp::from_millis(0),
            expires_at: 100,
            secret_digest: ticket::lookup_key(secret.expose()),
        };
        assert!(is_open(&invitation, &secret, 99));
        assert!(!is_open(&invitation, &secret, 100));
        assert!(!is_open(&invitation, &Secret::new("wrong"), 99));
        assert!(!is_open(&invitation, &Secret::new(invitation.secret_digest.clone()), 99));
    }
}
