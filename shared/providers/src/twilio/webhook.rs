//! The forms of Twilio's message webhooks (protocols.md 1.3 and 1.6), typed.
//!
//! Twilio adds fields without notice: unknown ones are passed over, optional ones may be absent or blank.

use domain::phone::PhoneNumber;
use domain::sms::OptOut;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

pub use domain::sms::MessageStatus;

/// No message has more media; a larger count is an error or an attack.
const MAX_MEDIA: usize = 10;

/// A form that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A required field is absent or blank.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field does not hold what it should.
    #[error("the field {0} is not valid")]
    Invalid(&'static str),
}

/// A file that came with a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// Where Twilio keeps it. Check the host before fetching.
    pub url: String,
    /// Its declared type.
    pub content_type: String,
}

/// Where a message came from, as far as Twilio knows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// City.
    pub city: Option<String>,
    /// State or province.
    pub state: Option<String>,
    /// Postal code.
    pub zip: Option<String>,
    /// Country.
    pub country: Option<String>,
}

/// A message from a customer.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingSms {
    /// The message's id at Twilio: the key under which repeats are found.
    pub message_sid: String,
    /// The account that received it.
    pub account_sid: String,
    /// The customer.
    pub from: PhoneNumber,
    /// Our number: decides the organization.
    pub to: PhoneNumber,
    /// The text, byte for byte; may be empty.
    pub body: String,
    /// Pictures and files.
    pub media: Vec<Media>,
    /// Parts it was sent in.
    pub segments: u32,
    /// The messaging service that received it.
    pub messaging_service_sid: Option<String>,
    /// The keyword Twilio has already answered (Advanced Opt-Out).
    pub opt_out_type: Option<OptOut>,
    /// WhatsApp's name of the customer.
    pub profile_name: Option<String>,
    /// Where the customer's number is from.
    pub location: Location,
}

impl IncomingSms {
    /// Reads the raw form body of a message webhook.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let form = Form::parse(body);
        let location = Location {
            city: form.optional("FromCity"),
            state: form.optional("FromState"),
            zip: form.optional("FromZip"),
            country: form.optional("FromCountry"),
        };
        Ok(Self {
            message_sid: form.message_sid()?,
            account_sid: form.sid("AccountSid")?,
            from: form.phone("From")?,
            to: form.phone("To")?,
            body: form.get("Body").unwrap_or_default().to_owned(),
            media: form.media(),
            segments: form.get("NumSegments").and_then(|n| n.parse().ok()).unwrap_or(1),
            messaging_service_sid: form.optional("MessagingServiceSid"),
            opt_out_type: match form.get("OptOutType") {
                Some("STOP") => Some(OptOut::Stop),
                Some("START") => Some(OptOut::Start),
                Some("HELP") => Some(OptOut::Help),
                _ => None,
            },
            profile_name: form.optional("ProfileName"),
            location,
        })
    }
}

/// News of a message of ours. They arrive in any order: see [`MessageStatus::rank`].
#[derive(Clone, PartialEq, Eq)]
pub struct StatusUpdate {
    /// The message's id at Twilio.
    pub message_sid: String,
    /// The account that sent it.
    pub account_sid: String,
    /// Our number.
    pub from: PhoneNumber,
    /// The customer.
    pub to: PhoneNumber,
    /// Its state.
    pub status: MessageStatus,
    /// Why it failed.
    pub error_code: Option<u32>,
}

impl StatusUpdate {
    /// Reads the raw form body of a status callback.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let form = Form::parse(body);
        let status = form.first_of(&["MessageStatus", "SmsStatus"])?;
        Ok(Self {
            message_sid: form.message_sid()?,
            account_sid: form.sid("AccountSid")?,
            from: form.phone("From")?,
            to: form.phone("To")?,
            status: status_named(status).ok_or(FormError::Invalid("MessageStatus"))?,
            error_code: form.get("ErrorCode").and_then(|code| code.parse().ok()),
        })
    }
}

pub(super) fn status_named(name: &str) -> Option<MessageStatus> {
    use serde::Deserialize;
    use serde::de::value::{Error, StrDeserializer};
    MessageStatus::deserialize(StrDeserializer::<Error>::new(name)).ok()
}

/// A decoded form. Of a repeated name the first value counts, as everywhere at Twilio.
struct Form<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

impl<'a> Form<'a> {
    fn parse(body: &'a [u8]) -> Self {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            fields.entry(name).or_insert(value);
        }
        Self(fields)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(AsRef::as_ref)
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    fn required(&self, name: &'static str) -> Result<&str, FormError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or(FormError::Missing(name))
    }

    fn first_of(&self, names: &[&'static str]) -> Result<&str, FormError> {
        let missing = FormError::Missing(names.first().copied().unwrap_or_default());
        names.iter().find_map(|name| self.required(name).ok()).ok_or(missing)
    }

    fn message_sid(&self) -> Result<String, FormError> {
        checked_sid("MessageSid", self.first_of(&["MessageSid", "SmsSid", "SmsMessageSid"])?)
    }

    fn sid(&self, name: &'static str) -> Result<String, FormError> {
        checked_sid(name, self.required(name)?)
    }

    fn phone(&self, name: &'static str) -> Result<PhoneNumber, FormError> {
        PhoneNumber::from_provider(self.required(name)?).map_err(|_| FormError::Invalid(name))
    }

    fn media(&self) -> Vec<Media> {
        let count: usize = self.get("NumMedia").and_then(|n| n.parse().ok()).unwrap_or(0);
        (0..count.min(MAX_MEDIA))
            .filter_map(|n| {
                Some(Media {
                    url: self.optional(&format!("MediaUrl{n}"))?,
                    content_type: self.optional(&format!("MediaContentType{n}")).unwrap_or_default(),
                })
            })
            .collect()
    }
}

/// Ids become parts of keys, so only what Twilio's ids are made of may pass.
fn checked_sid(name: &'static str, sid: &str) -> Result<String, FormError> {
    if sid.len() <= 64 && sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok(sid.to_owned())
    } else {
        Err(FormError::Invalid(name))
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Media({:?})", self.content_type)
    }
}

impl fmt::Debug for IncomingSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingSms")
            .field("message_sid", &self.message_sid)
            .field("media", &self.media)
            .field("segments", &self.segments)
            .field("opt_out_type", &self.opt_out_type)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StatusUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusUpdate")
            .field("message_sid", &self.message_sid)
            .field("status", &self.status)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
