//! What clients send, and our answers. Frames about events are in `conversations::frames`, those about chats and errors in
//! `conversations::chat::frames`.

use domain::ids::{ContactId, ConversationId};
use serde::{Deserialize, Serialize};

/// A frame from a client.
pub(crate) enum Frame {
    /// One with an `action`.
    Request(Request),
    /// One without: something said in a chat (E03).
    Said(Said),
}

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
    /// End the answer of a chat.
    Stop(Session),
    /// Tell the answer of a chat that is under way, from its beginning, or else the latest one again.
    Resume(Session),
}

/// Which chat.
#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) session_id: String,
}

/// Something said in a chat.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Said {
    pub(crate) message: Option<String>,
    pub(crate) message_type: Option<String>,
    pub(crate) session_id: Option<String>,
    /// Whether answers are to be told word by word, on this connection from now on (E20).
    pub(crate) stream: Option<bool>,
    /// The same id makes a repeated message the same message.
    pub(crate) client_message_id: Option<String>,
}

impl Frame {
    /// Reads a frame; `None` for what this API does not know.
    pub(crate) fn read(body: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head {
            action: Option<serde::de::IgnoredAny>,
        }
        // A list would be read as a struct's fields in their order.
        if !body.trim_start().starts_with('{') {
            return None;
        }
        let head: Head = serde_json::from_str(body).ok()?;
        match head.action {
            Some(_) => serde_json::from_str(body).ok().map(Self::Request),
            None => serde_json::from_str(body).ok().map(Self::Said),
        }
    }
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
        let read = |text| match Frame::read(text) {
            Some(Frame::Request(request)) => Some(request),
            _ => None,
        };
        let subscribe = read(r#"{"action":"subscribe","conversation_id":"conv_1","after_seq":7}"#).unwrap();
        assert!(matches!(subscribe, Request::Subscribe(Subject { after_seq: Some(7), .. })));
        assert!(matches!(read(r#"{"action":"ping"}"#).unwrap(), Request::Ping));
        let stop = read(r#" {"session_id":"s1","action":"stop"}"#).unwrap();
        assert!(matches!(stop, Request::Stop(Session { session_id }) if session_id == "s1"));
        for nonsense in [
            r#"{"action":"subscribe","conversation_id":"a#b"}"#,
            r#"{"action":"resume"}"#,
            r#"{"action":"shout","message":"hi"}"#,
            r#"{"action":7,"message":"hi"}"#,
        ] {
            assert!(Frame::read(nonsense).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn what_has_no_action_is_said_in_a_chat() {
        let said = |text| match Frame::read(text) {
            Some(Frame::Said(said)) => Some(said),
            _ => None,
        };
        let seeds = said(r#"{"message":"hi","message_type":"fitness_plan","color":"red"}"#).unwrap();
        assert_eq!((seeds.message.as_deref(), seeds.message_type.as_deref()), (Some("hi"), Some("fitness_plan")));
        assert!(seeds.session_id.is_none() && seeds.stream.is_none());
        let nulls = r#"{"action":null,"message":null,"message_type":null,"session_id":null,"stream":null}"#;
        assert!(said(nulls).unwrap().message.is_none());
        assert!(said("{}").is_some());
        for nonsense in ["[\"hi\"]", "\"hi\"", "null", "", "{", r#"{"message":7}"#] {
            assert!(said(nonsense).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn answers_name_their_topic() {
        let subject = Named::Inbox { inbox: true };
        let answer = serde_json::to_value(Answer::Subscribed { subject: &subject, seq: 3 }).unwrap();
        assert_eq!(answer, serde_json::json!({"type": "subscribed", "inbox": true, "seq": 3}));
    }
}
