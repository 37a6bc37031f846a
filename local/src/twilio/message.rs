//! A message as it is recorded, and as the API shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stand_ins::journal::Entry;

/// A message that was taken.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) sid: String,
    pub(super) account_sid: String,
    pub(super) to: String,
    pub(super) from: Option<String>,
    pub(super) messaging_service_sid: Option<String>,
    pub(super) body: String,
    pub(super) media: usize,
    pub(super) status: String,
    pub(super) error_code: Option<u32>,
    pub(super) status_callback: Option<String>,
    /// When it was taken.
    #[serde(with = "rfc3339")]
    pub(super) at: Timestamp,
}

impl Entry for Message {
    fn key(&self) -> &str {
        &self.sid
    }
}

/// The message resource, with the members of Twilio's.
#[derive(Serialize)]
pub(super) struct Resource {
    account_sid: String,
    api_version: &'static str,
    body: String,
    date_created: String,
    date_sent: String,
    date_updated: String,
    direction: &'static str,
    error_code: Option<u32>,
    error_message: Option<&'static str>,
    from: Option<String>,
    messaging_service_sid: Option<String>,
    num_media: String,
    num_segments: String,
    price: Option<String>,
    price_unit: Option<String>,
    sid: String,
    status: String,
    subresource_uris: SubresourceUris,
    to: String,
    uri: String,
}

#[derive(Serialize)]
struct SubresourceUris {
    media: String,
}

impl From<Message> for Resource {
    fn from(message: Message) -> Self {
        let uri = format!("/2010-04-01/Accounts/{}/Messages/{}", message.account_sid, message.sid);
        let date = message.at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        Self {
            api_version: "2010-04-01",
            date_created: date.clone(),
            date_sent: date.clone(),
            date_updated: date,
            direction: "outbound-api",
            error_message: message.error_code.map(|_| "Unreachable destination handset"),
            num_media: message.media.to_string(),
            num_segments: segments(&message.body).to_string(),
            price: None,
            price_unit: None,
            subresource_uris: SubresourceUris { media: format!("{uri}/Media.json") },
            uri: format!("{uri}.json"),
            account_sid: message.account_sid,
            body: message.body,
            error_code: message.error_code,
            from: message.from,
            messaging_service_sid: message.messaging_service_sid,
            sid: message.sid,
            status: message.status,
            to: message.to,
        }
    }
}

/// Times as text, to read and to keep.
mod rfc3339 {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{time:.3}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Characters of GSM 03.38 beyond ASCII.
const GSM: &str = "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà€";

/// Characters that take two places.
const GSM_TWICE: &str = "^{}\\[~]|€";

/// How many segments the network makes of a text.
pub(super) fn segments(text: &str) -> usize {
    let gsm = |character: char| (character.is_ascii() && character != '`') || GSM.contains(character);
    let (length, one, many) = if text.chars().all(gsm) {
        let places = |character: char| if GSM_TWICE.contains(character) { 2 } else { 1 };
        (text.chars().map(places).sum::<usize>(), 160, 153)
    } else {
        (text.encode_utf16().count(), 70, 67)
    };
    if length <= one { 1 } else { length.div_ceil(many) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_as_the_network_does() {
        assert_eq!([segments(""), segments(&"a".repeat(160)), segments(&"a".repeat(161))], [1, 1, 2]);
        assert_eq!([segments(&"€".repeat(80)), segments(&"€".repeat(81))], [1, 2]);
        assert_eq!([segments(&"ж".repeat(70)), segments(&"ж".repeat(71)), segments(&"😀".repeat(36))], [1, 2, 2]);
    }
}
