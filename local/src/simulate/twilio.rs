//! Twilio's webhooks: forms, signed for the public URL.

use providers::twilio::signature;

use super::Webhook;
use crate::cli::SmsStatus;
use crate::http::system;
use crate::info::Running;

/// A text message of a customer.
pub(crate) struct Text<'a> {
    /// Its id; a new one, if none is given.
    pub(crate) sid: Option<&'a str>,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) body: &'a str,
}

/// The webhook of a text message that came in.
pub(crate) fn incoming(cloud: &Running, text: &Text<'_>) -> Webhook {
    let sid = text.sid.map_or_else(|| format!("SM{}", system::uuid().simple()), str::to_owned);
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([
        ("MessageSid", sid.as_str()),
        ("SmsSid", &sid),
        ("SmsMessageSid", &sid),
        ("AccountSid", &cloud.twilio.account_sid),
        ("From", text.from),
        ("To", text.to),
        ("Body", text.body),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("SmsStatus", "received"),
        ("ApiVersion", "2010-04-01"),
    ]);
    signed(cloud, "/api/webhooks/twilio/sms/incoming", form.finish())
}

/// The webhook of a message of ours that got further.
pub(super) fn status(cloud: &Running, status: &SmsStatus) -> Webhook {
    let from = cloud.own_number(status.from.as_ref());
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([
        ("MessageSid", status.sid.as_str()),
        ("SmsSid", &status.sid),
        ("MessageStatus", &status.status),
        ("SmsStatus", &status.status),
        ("AccountSid", &cloud.twilio.account_sid),
        ("From", &from),
        ("To", &status.to),
        ("ApiVersion", "2010-04-01"),
    ]);
    if let Some(code) = status.error_code {
        form.append_pair("ErrorCode", &code.to_string());
    }
    signed(cloud, "/api/webhooks/twilio/sms/status", form.finish())
}

fn signed(cloud: &Running, route: &'static str, form: String) -> Webhook {
    let url = format!("{}{route}", cloud.public_base_url);
    let signature = signature::sign(&url, form.as_bytes(), &cloud.twilio.auth_token);
    Webhook {
        route,
        content_type: "application/x-www-form-urlencoded",
        headers: vec![("x-twilio-signature".to_owned(), signature)],
        body: form,
    }
}
