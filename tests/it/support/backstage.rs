//! What no route does: events of conversations, tokens of any age, people of any kind. Done through the repositories and
//! with the secrets of the cloud under test.

use super::cloud::Cloud;
use domain::event::{ControlEnd, EventBody, Speaker};
use domain::ids::{ConversationId, OrganizationId, UserId};
use domain::secret::Secret;
use domain::user::{Email, Role, User};
use identity::token::{self, Issued, Keyring, Subject};
use std::collections::BTreeMap;
use store::{Append, Appended, Tenant, now};

impl Cloud {
    /// One organization's data.
    pub(crate) async fn tenant(&self, organization: &str) -> Tenant {
        self.store().await.tenant(&OrganizationId::parse(organization).unwrap())
    }

    /// Appends to a conversation's log.
    pub(crate) async fn append(&self, organization: &str, conversation: &str, body: EventBody) {
        let id = ConversationId::parse(conversation).unwrap();
        let append = Append::new(vec![body], now());
        let appended = self.tenant(organization).await.append(&id, append).await.unwrap().unwrap();
        assert!(matches!(appended, Appended::New { .. }), "{appended:?}");
    }

    /// One of the secrets that this cloud has made up.
    pub(crate) fn secret(&self, name: &str) -> Secret {
        let text = std::fs::read(self.data().join("secrets.json")).unwrap();
        let secrets: BTreeMap<String, String> = serde_json::from_slice(&text).unwrap();
        Secret::new(&secrets[name])
    }

    /// A token of a demo user beside the one in `info.json`; it ends in so many seconds.
    pub(crate) fn mint(&self, email: &str, seconds: i64) -> Issued {
        let user = self.user(email);
        let role: Role = serde_json::from_value(user.role.as_str().into()).unwrap();
        let subject = Subject {
            user_id: UserId::parse(&user.id).unwrap(),
            organization_id: OrganizationId::parse(&user.organization_id).unwrap(),
            role,
            permissions: role.permissions(),
            name: None,
        };
        let keys = Keyring::new(&self.secret("JWT_SECRET"), &[]).unwrap();
        token::issue(&keys, &subject, now(), seconds).unwrap()
    }
}

/// The contact says something.
pub(crate) fn said(text: &str) -> EventBody {
    EventBody::Message { role: Speaker::Customer, text: text.to_owned(), sources: String::new() }
}

/// A person takes over.
pub(crate) fn taken_over_by(user: &str) -> EventBody {
    EventBody::HumanControlStarted {
        agent_id: UserId::parse(user).unwrap(),
        agent_name: user.to_owned(),
        reason: None,
        lease_seconds: 7200,
    }
}

/// A person hands back.
pub(crate) fn handed_back_by(user: &str, summary: Option<&str>) -> EventBody {
    EventBody::HumanControlEnded {
        agent_id: UserId::parse(user).unwrap(),
        ended_by: ControlEnd::Left,
        summary: summary.map(str::to_owned),
        next_steps: Vec::new(),
        handoff_success: None,
        answer_pending: false,
    }
}

/// The conversation ends.
pub(crate) fn ended() -> EventBody {
    EventBody::ConversationEnded { reason: "done".to_owned() }
}

/// A verified, active person.
pub(crate) fn person(organization: &str, email: &str, role: Role) -> User {
    User {
        id: UserId::parse(&identity::random::new_id()).unwrap(),
        organization_id: OrganizationId::parse(organization).unwrap(),
        email: Email::parse(email).unwrap(),
        role,
        first_name: String::new(),
        last_name: String::new(),
        email_verified: true,
        active: true,
        created_at: now(),
        tokens_valid_after: 0,
        profile: domain::user::Profile::new(),
    }
}
