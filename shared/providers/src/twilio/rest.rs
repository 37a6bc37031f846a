//! What Twilio's REST API answers: numbers may be text, most parts may be null.

use super::client::{MessageStatus, OutgoingSms, SentSms};
use super::webhook::status_named;
use crate::lenient;
use domain::time::Timestamp;
use serde::Deserialize;

/// A message, as created and as listed.
#[derive(Deserialize)]
pub(super) struct Message {
    #[serde(default, deserialize_with = "lenient::part")]
    sid: Option<String>,
    #[serde(default, deserialize_with = "lenient::part")]
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient::part")]
    from: Option<String>,
    #[serde(default, deserialize_with = "lenient::part")]
    to: Option<String>,
    #[serde(default, deserialize_with = "lenient::part")]
    body: Option<String>,
    #[serde(default, deserialize_with = "lenient::part")]
    date_created: Option<String>,
}

impl Message {
    /// Its id and state. A state that is newer than this code is that of a message at its beginning.
    pub(super) fn sent(&self) -> Option<SentSms> {
        let sid = self.sid.as_deref()?;
        let usable = (1..=64).contains(&sid.len()) && sid.bytes().all(|b| b.is_ascii_alphanumeric());
        let status = self.status.as_deref().and_then(status_named).unwrap_or(MessageStatus::Accepted);
        usable.then(|| SentSms { sid: sid.to_owned(), status })
    }

    /// Whether this is the message that was to be sent. A messaging service leaves out the sender.
    pub(super) fn is(&self, sms: &OutgoingSms<'_>) -> bool {
        self.to.as_deref() == Some(sms.to.as_str())
            && self.from.as_deref().is_none_or(|from| from == sms.from.as_str())
            && self.body.as_deref() == Some(sms.body)
    }

    /// When it was created. One without a readable date could be new, and is better found than sent twice.
    pub(super) fn created_at(&self) -> Option<Timestamp> {
        let date = jiff::fmt::rfc2822::parse(self.date_created.as_deref()?).ok()?;
        Some(Timestamp::from_millis(date.timestamp().as_millisecond()))
    }

    /// Whether it was surely created before.
    pub(super) fn is_before(&self, moment: Timestamp) -> bool {
        self.created_at().is_some_and(|created_at| created_at < moment)
    }
}

/// A page of messages. The list is required: an answer without one must not pass for "no such message".
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) messages: Vec<Message>,
    #[serde(default, deserialize_with = "lenient::part")]
    pub(super) next_page_uri: Option<String>,
}

/// An error, in the old form and in that of RFC 9457: both have a code.
#[derive(Deserialize)]
pub(super) struct ApiError {
    #[serde(default, deserialize_with = "lenient::whole")]
    code: Option<u64>,
}

impl ApiError {
    /// Twilio's code, if this is an error of Twilio's.
    pub(super) fn code(body: &[u8]) -> Option<u32> {
        serde_json::from_slice::<Self>(body).ok()?.code.and_then(|code| u32::try_from(code).ok())
    }
}
