//! Who may see a conversation (A19).

use crate::conversation::{Medium, Status};
use crate::event::{Event, EventBody};
use crate::ids::{ConversationId, OrganizationId, UserId};
use crate::user::{Permission, Principal};
use std::collections::HashMap;

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

/// What an event on a contact's timeline is to somebody who follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Theirs to see.
    Seen,
    /// Of another conversation that another admin has, or of one that ended in another admin's hands: passed over.
    Hidden,
    /// Another admin takes over, or has the contact's text messages: whoever follows them is told, and cut off (A21).
    Closed,
}

/// A19 on a contact's timeline, which may hold conversations of different admins.
pub fn sight(viewer: &Principal, event: &Event) -> Sight {
    let state = &event.state;
    match may_view(viewer, &event.organization_id, state.admin_id.as_ref()) {
        Ok(()) => Sight::Seen,
        Err(Denied::TakenOver) => {
            let begins = matches!(event.body, EventBody::HumanControlStarted { .. });
            let texts = state.medium == Medium::Sms && state.status == Status::TakenOver;
            if begins || texts { Sight::Closed } else { Sight::Hidden }
        }
        Err(_) => Sight::Closed,
    }
}

/// Leaves out the events of conversations that another admin has at the end of this run: a contact may have such a one
/// beside others that are open. The run should reach the end of their timeline, so that the last event of each
/// conversation tells whose it is now.
pub fn retain_visible(viewer: &Principal, events: &mut Vec<Event>) {
    let mut visible: HashMap<ConversationId, bool> = HashMap::new();
    for event in events.iter() {
        let may = may_view(viewer, &event.organization_id, event.state.admin_id.as_ref()).is_ok();
        visible.insert(event.conversation_id.clone(), may);
    }
    events.retain(|event| visible.get(&event.conversation_id) == Some(&true));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Conversation, NewConversation, Urgency};
    use crate::ids::ContactId;
    use crate::phone::PhoneNumber;
    use crate::time::Timestamp;
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

    #[test]
    fn a_taken_conversation_is_left_out_from_its_beginning_and_others_stay() {
        let at = Timestamp::from_millis(1_759_472_884_000);
        let new = NewConversation {
            contact_id: ContactId::parse("worker_1").unwrap(),
            phone: PhoneNumber::from_provider("+14155550100").unwrap(),
            medium: Medium::Sms,
            urgency: Urgency::Medium,
            started_at: at,
        };
        let begin = |id: &str| {
            let id = ConversationId::parse(id).unwrap();
            Conversation::begin(id, None, OrganizationId::parse("org-a").unwrap(), new.clone())
        };
        let (mut taken, mut open) = (begin("conv_1"), begin("conv_2"));
        let said = || EventBody::OptOutChanged { opted_out: false };
        let ada = UserId::parse("ada").unwrap();
        let takeover =
            EventBody::HumanControlStarted { agent_id: ada, agent_name: "Ada".into(), reason: None, lease_seconds: 60 };
        let events = vec![
            taken.apply(said(), at, 1),
            open.apply(said(), at, 2),
            taken.apply(takeover, at, 3),
            open.apply(said(), at, 4),
        ];
        let seen = |user| {
            let mut events = events.clone();
            retain_visible(&viewer(user, "org-a", Role::Admin), &mut events);
            events.iter().map(|event| event.contact_seq).collect::<Vec<_>>()
        };
        assert_eq!(seen("bob"), [2, 4]);
        assert_eq!(seen("ada"), [1, 2, 3, 4]);
    }
}
