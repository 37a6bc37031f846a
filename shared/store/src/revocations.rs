//! Ended tokens, and the one cheap read by which a long stream learns of both news and lost access.

use crate::error::StoreError;
use crate::item::{Item, from_item, to_item};
use crate::keys::{self, Key};
use crate::log::Thread;
use crate::table::consistent;
use crate::{Store, now};
use domain::contact::Timeline;
use domain::conversation::Conversation;
use domain::user::{Principal, User};
use serde::Serialize;

/// What a stream needs to know at each look.
#[derive(Debug)]
pub struct Watch {
    /// The thread's head; `None` before a contact's first event.
    pub head: Option<Head>,
    /// Whether the viewer's token still stands: not revoked, not expired, the person active.
    pub token_valid: bool,
}

/// Head of a thread.
#[derive(Debug)]
pub enum Head {
    /// Of a conversation.
    Conversation(Conversation),
    /// Of a contact's timeline.
    Contact(Timeline),
}

impl Head {
    /// Number of the latest event.
    pub fn last_seq(&self) -> u64 {
        match self {
            Self::Conversation(conversation) => conversation.last_seq,
            Self::Contact(timeline) => timeline.last_seq,
        }
    }
}

#[derive(Serialize)]
struct Revoked {
    ttl: i64,
}

impl Store {
    /// Ends a token: it is refused from now on (A17).
    pub async fn revoke(&self, token_id: &str, expires_at: i64) -> Result<(), StoreError> {
        // The record outlives the token by an hour, so that clocks may differ.
        let record = Revoked { ttl: expires_at.saturating_add(3600) };
        self.put(self.ephemeral(), to_item(&keys::revoked_token(token_id), "revoked_token", &record)?).await
    }

    /// Whether a principal's token still stands.
    pub async fn token_stands(&self, principal: &Principal) -> Result<bool, StoreError> {
        self.look(principal, None).await.map(|look| stands(principal, &look))
    }

    /// The head of a thread and the standing of the viewer's token, in one strongly consistent request.
    pub async fn watch(&self, principal: &Principal, thread: &Thread) -> Result<Watch, StoreError> {
        let key = thread.head_key(&principal.organization_id);
        let look = self.look(principal, Some(&key)).await?;
        let token_valid = stands(principal, &look);
        let head = match (thread, look.head) {
            (_, None) => None,
            (Thread::Conversation(_), Some(item)) => Some(Head::Conversation(from_item(item)?)),
            (Thread::Contact(_), Some(item)) => Some(Head::Contact(from_item(item)?)),
        };
        Ok(Watch { head, token_valid })
    }

    async fn look(&self, principal: &Principal, head: Option<&Key>) -> Result<Look, StoreError> {
        let user = keys::user(&principal.organization_id, &principal.user_id);
        let token = keys::revoked_token(&principal.token_id);
        let core = [Some(&user), head].into_iter().flatten().map(Key::attributes).collect();
        let mut request = self
            .client
            .batch_get_item()
            .request_items(self.core(), consistent(core)?)
            .request_items(self.ephemeral(), consistent(vec![token.attributes()])?);
        let mut found = Vec::new();
        loop {
            let output = request.send().await?;
            found.extend(output.responses.unwrap_or_default().into_values().flatten());
            let left = output.unprocessed_keys.unwrap_or_default();
            if left.is_empty() {
                break;
            }
            request = self.client.batch_get_item().set_request_items(Some(left));
        }
        let mut take = |key: &Key| {
            let wanted = key.attributes();
            let place = found.iter().position(|item| wanted.iter().all(|(name, value)| item.get(name) == Some(value)));
            place.map(|place| found.swap_remove(place))
        };
        Ok(Look {
            user: take(&user).map(from_item).transpose()?,
            revoked: take(&token).is_some(),
            head: head.and_then(take),
        })
    }
}

struct Look {
    user: Option<User>,
    revoked: bool,
    head: Option<Item>,
}

fn stands(principal: &Principal, look: &Look) -> bool {
    let person = look.user.as_ref().is_some_and(|user| user.active && principal.issued_at >= user.tokens_valid_after);
    person && !look.revoked && principal.expires_at > now().seconds()
}
