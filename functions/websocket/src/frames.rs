//! What clients send, and our answers. Frames about events are in `conversations::frames`.

use domain::ids::{ContactId, ConversationId};
use serde::{Deserialize, Serialize};
use web::Code;

/// A frame from a client, by its `action`.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Read a topic from now on, or from `after_seq` on.
    Subscribe(Subject),
    /// Read it no more.
    Unsubscribe(Subject),
    /// Say that the connection lives, so that API Gateway's ten idle minutes do not end it.
    Ping,
}

/// What to read: exactly one of the first three.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Subject {
    pub(crate) conversation_id: Option<ConversationId>,
    #[serde(alias = "contact_id", alias = "leadId")]
    pub(crate) lead_id: Option<ContactId>,
    #[serde(default)]
    pub(crate) inbox: bool,
    pub(crate) after_seq: Option<u64>,
}

/// A frame to a client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Answer<'a> {
    /// Everything up to `seq` was sent; what comes next is live.
    Subscribed {
        #[serde(flatten)]
        subject: &'a Named,
        seq: u64,
    },
    /// Nothing more of it will come.
    Unsubscribed {
        #[serde(flatten)]
        subject: &'a Named,
    },
    /// Answers a ping.
    Pong,
    /// A request that was refused; the connection stays.
    Error { message: &'a str, code: Code, hint: &'a str },
}

/// A topic as clients name it.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Named {
    Conversation { conversation_id: ConversationId },
    Contact { lead_id: ContactId },
    Inbox { inbox: bool },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_their_action() {
        let read = |text| serde_json::from_str::<Request>(text);
        let subscribe = read(r#"{"action":"subscribe","conversation_id":"conv_1","after_seq":7}"#).unwrap();
        assert!(matches!(subscribe, Request::Subscribe(Subject { after_seq: Some(7), .. })));
        assert!(matches!(read(r#"{"action":"ping"}"#).unwrap(), Request::Ping));
        assert!(read(r#"{"action":"subscribe","conversation_id":"a#b"}"#).is_err());
        assert!(read(r#"{"message":"hi"}"#).is_err());
    }

    #[test]
    fn answers_name_their_topic() {
        let subject = Named::Inbox { inbox: true };
        let answer = serde_json::to_value(Answer::Subscribed { subject: &subject, seq: 3 }).unwrap();
        assert_eq!(answer, serde_json::json!({"type": "subscribed", "inbox": true, "seq": 3}));
    }
}
