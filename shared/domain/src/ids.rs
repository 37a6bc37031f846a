//! Identifiers as distinct types, so that none can stand in for another.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An identifier that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 128 of the characters A-Z a-z 0-9 . _ : @ + = -")]
pub struct InvalidId;

fn check(text: &str) -> Result<(), InvalidId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:@+=-".contains(&b);
    if (1..=128).contains(&text.len()) && text.bytes().all(allowed) { Ok(()) } else { Err(InvalidId) }
}

/// A short stable stand-in for an id that holds phone digits, for logs (FNV-1a, 64 bits).
fn digest(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Accepts an id in any of its forms.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text).map(|()| Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What logs say instead of the id: ids may hold phone digits.
            pub fn log_id(&self) -> String {
                digest(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.log_id())
            }
        }
    };
}

id!(
    /// A tenant: Aurora's company, BICI's organization (U2).
    OrganizationId
);
id!(
    /// A person who signs in: admin, agent or end user.
    UserId
);
id!(
    /// A person we talk with: Aurora's worker, BICI's lead. Form `worker_<digits>` when made from a phone number (A03).
    ContactId
);
id!(
    /// One conversation. Form `conv_<digits>_<YYYYMMDD>_<HHMMSS>` (A03), unique across organizations.
    ConversationId
);
id!(
    /// One telephone call. Form `call_<digits>_<YYYYMMDD>_<HHMMSS>` (A03).
    CallId
);
id!(
    /// An invitation of a person into an organization.
    InvitationId
);
id!(
    /// A WebSocket connection, as API Gateway names it.
    ConnectionId
);
id!(
    /// A chat of a person with the model: seed C's interaction, seed E's session.
    ChatId
);
id!(
    /// One question of a chat and its answer.
    ExchangeId
);

impl ContactId {
    /// The id of a contact first seen by this phone number.
    pub fn from_digits(digits: &str) -> Result<Self, InvalidId> {
        Self::parse(&format!("worker_{digits}"))
    }
}

/// Digits, date and time that the seed's ids are made of, and a suffix where two fall into the same second.
fn dated(prefix: &str, digits: &str, at: Timestamp, collision: u32) -> String {
    let stamp = at.compact();
    match collision {
        0 => format!("{prefix}_{digits}_{stamp}"),
        n => format!("{prefix}_{digits}_{stamp}_{n}"),
    }
}

impl ConversationId {
    /// The id of a conversation that starts at `at`; `collision` counts earlier ones of the same second.
    pub fn dated(digits: &str, at: Timestamp, collision: u32) -> Result<Self, InvalidId> {
        Self::parse(&dated("conv", digits, at, collision))
    }

    /// The id of this conversation's `number`-th message: `msg_<digits>_<date>_<time>_<nnnn>` (A06).
    pub fn message_id(&self, number: u32) -> String {
        let tail = self.0.strip_prefix("conv_").unwrap_or(&self.0);
        format!("msg_{tail}_{number:04}")
    }
}

impl CallId {
    /// The id of a call that starts at `at`.
    pub fn dated(digits: &str, at: Timestamp, collision: u32) -> Result<Self, InvalidId> {
        Self::parse(&dated("call", digits, at, collision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conversation_ids_have_the_seeds_form() {
        let at = Timestamp::from_millis(1_759_492_684_000);
        let id = ConversationId::dated("919325590143", at, 0).unwrap();
        assert_eq!(id.as_str(), "conv_919325590143_20251003_115804");
        assert_eq!(id.message_id(7), "msg_919325590143_20251003_115804_0007");
        let second = ConversationId::dated("919325590143", at, 1).unwrap();
        assert_eq!(second.as_str(), "conv_919325590143_20251003_115804_1");
    }

    #[test]
    fn debug_output_never_shows_the_id() {
        let id = ContactId::from_digits("919325590143").unwrap();
        assert!(!format!("{id:?}").contains("919325590143"));
    }

    proptest! {
        #[test]
        fn no_id_holds_a_key_separator_or_a_space(text in "\\PC{0,140}") {
            if let Ok(id) = ConversationId::parse(&text) {
                prop_assert!(!id.as_str().contains(['#', '/', ' ', '?']));
                prop_assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
            }
        }
    }
}
