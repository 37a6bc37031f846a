//! Who may see a conversation (A19).

use crate::ids::{OrganizationId, UserId};
use crate::user::{Permission, Principal};

/// Why a caller may not see a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It belongs to another organization.
    #[error("the conversation belongs to another organization")]
    OtherOrganization,
    /// The caller's role does not watch conversations.
    #[error("the permission conversations:read is missing")]
    NotPermitted,
    /// Another admin took it over.
    #[error("another admin has taken over the conversation")]
    TakenOver,
}

/// A19: the conversation is mine, or nobody's and of my organization. To be asked again on every delivery.
pub fn may_view(viewer: &Principal, organization: &OrganizationId, admin: Option<&UserId>) -> Result<(), Denied> {
    if viewer.organization_id != *organization {
        return Err(Denied::OtherOrganization);
    }
    if !viewer.may(Permission::ConversationsRead) {
        return Err(Denied::NotPermitted);
    }
    match admin {
        Some(admin) if *admin != viewer.user_id => Err(Denied::TakenOver),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::Role;

    fn viewer(user: &str, organization: &str, role: Role) -> Principal {
        Principal {
            user_id: UserId::parse(user).unwrap(),
            organization_id: OrganizationId::parse(organization).unwrap(),
            role,
            permissions: role.permissions(),
            token_id: "t".into(),
            issued_at: 0,
            expires_at: 1,
        }
    }

    #[test]
    fn rule_a19() {
        let organization = OrganizationId::parse("org-a").unwrap();
        let ada = UserId::parse("ada").unwrap();
        let cases = [
            ("ada", "org-a", Role::Admin, Some(&ada), Ok(())),
            ("ada", "org-a", Role::Admin, None, Ok(())),
            ("bob", "org-a", Role::Admin, None, Ok(())),
            ("bob", "org-a", Role::Admin, Some(&ada), Err(Denied::TakenOver)),
            ("bob", "org-a", Role::Agent, Some(&ada), Err(Denied::TakenOver)),
            ("eve", "org-b", Role::Admin, None, Err(Denied::OtherOrganization)),
            ("ada", "org-b", Role::Admin, Some(&ada), Err(Denied::OtherOrganization)),
            ("uma", "org-a", Role::User, None, Err(Denied::NotPermitted)),
        ];
        for (user, org, role, admin, expected) in cases {
            assert_eq!(may_view(&viewer(user, org, role), &organization, admin), expected, "{user} of {org}");
        }
    }
}
