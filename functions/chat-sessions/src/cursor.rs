//! Places in a caller's lists, for them to come back to. One of another person or another list is none.

use domain::ids::ChatId;
use domain::user::Principal;
use web::{ApiError, page};

/// A list that is read in pages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List<'a> {
    /// The caller's chats.
    Chats,
    /// The messages of a chat, backwards.
    Messages(&'a ChatId),
    /// The messages of a chat, forwards.
    Export(&'a ChatId),
    /// What a search finds.
    Search,
}

/// The cursor of a place.
pub(crate) fn encode(caller: &Principal, list: List<'_>, place: &str) -> String {
    page::encode(&format!("{}{place}", prefix(caller, list)))
}

/// The place of a cursor.
pub(crate) fn decode(caller: &Principal, list: List<'_>, cursor: &str) -> Result<String, ApiError> {
    let place = page::decode(cursor)?;
    let place = place.strip_prefix(&prefix(caller, list)).filter(|place| !place.is_empty());
    place.map(str::to_owned).ok_or_else(invalid)
}

/// The number that a cursor of messages stands for.
pub(crate) fn number(caller: &Principal, list: List<'_>, cursor: Option<&str>) -> Result<Option<u64>, ApiError> {
    let Some(cursor) = cursor else { return Ok(None) };
    decode(caller, list, cursor)?.parse().map(Some).map_err(|_| invalid())
}

/// The answer to a cursor that cannot be ours.
pub(crate) fn invalid() -> ApiError {
    ApiError::invalid("The cursor is not one of this list")
}

/// Digests, because ids may be long.
fn prefix(caller: &Principal, list: List<'_>) -> String {
    let (kind, of) = match list {
        List::Chats => ("chats", String::new()),
        List::Messages(chat) => ("messages", chat.log_id()),
        List::Export(chat) => ("export", chat.log_id()),
        List::Search => ("search", String::new()),
    };
    format!("{kind}.{}.{of}.", caller.user_id.log_id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{OrganizationId, UserId};
    use domain::user::Role;

    fn caller(user: &str) -> Principal {
        Principal {
            user_id: UserId::parse(user).unwrap(),
            organization_id: OrganizationId::parse("acme").unwrap(),
            role: Role::User,
            permissions: Role::User.permissions(),
            token_id: String::new(),
            issued_at: 0,
            expires_at: 0,
        }
    }

    #[test]
    fn a_cursor_opens_its_list_for_its_person_only() {
        let (ada, ben) = (caller("ada"), caller("ben"));
        let chats = ["c1", "c2"].map(|id| ChatId::parse(id).unwrap());
        let messages = List::Messages(&chats[0]);
        let cursor = encode(&ada, messages, "17");
        assert_eq!(number(&ada, messages, Some(&cursor)), Ok(Some(17)));
        assert_eq!(number(&ada, messages, None), Ok(None));
        for list in [List::Messages(&chats[1]), List::Export(&chats[0]), List::Search, List::Chats] {
            assert!(decode(&ada, list, &cursor).is_err(), "{list:?}");
        }
        assert!(decode(&ben, messages, &cursor).is_err());
        for forged in ["", "x", "-1"] {
            assert!(number(&ada, messages, Some(&encode(&ada, messages, forged))).is_err(), "{forged}");
        }
    }
}
