//! What happens to a message after it was taken: its states, and the callbacks that tell of them.

use std::time::Duration;

use domain::secret::Secret;
use providers::twilio::signature;

use super::Twilio;
use super::message::Message;
use crate::stand_ins::callbacks::Callback;

/// Time between two states.
const STEP: Duration = Duration::from_millis(20);

/// How a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Delivered,
    Undelivered,
}

/// Goes through the states of a message, and tells of them where a callback is wanted.
pub(super) async fn play(twilio: Twilio, message: Message, callback: Option<String>, token: Secret, end: End) {
    let (last, error_code) = match end {
        End::Delivered => ("delivered", None),
        End::Undelivered => ("undelivered", Some(30003)),
    };
    for (status, error_code) in [("queued", None), ("sent", None), (last, error_code)] {
        tokio::time::sleep(STEP).await;
        twilio.messages.update(&message.sid, |message| {
            status.clone_into(&mut message.status);
            message.error_code = error_code;
        });
        if let Some(url) = &callback {
            tell(&twilio, &message, url, &token, (status, error_code)).await;
        }
    }
}

async fn tell(twilio: &Twilio, message: &Message, url: &str, token: &Secret, state: (&str, Option<u32>)) {
    // A fragment (`#rc=3`) is for Twilio itself: neither signed nor sent.
    let url = url.split('#').next().unwrap_or(url);
    let body = form(message, state);
    let (public, local) = &*twilio.bases;
    let local_url = url.strip_prefix(public.as_str()).map(|path| format!("{local}{path}"));
    let callback = Callback {
        url: url.to_owned(),
        local_url: local_url.filter(|local| local != url),
        content_type: "application/x-www-form-urlencoded",
        proof: ("x-twilio-signature", signature::sign(url, body.as_bytes(), token)),
        body,
    };
    callback.deliver(&twilio.client, "twilio").await;
}

fn form(message: &Message, (status, error_code): (&str, Option<u32>)) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([
        ("AccountSid", message.account_sid.as_str()),
        ("From", message.from.as_deref().unwrap_or_default()),
        ("To", &message.to),
        ("MessageSid", &message.sid),
        ("SmsSid", &message.sid),
        ("MessageStatus", status),
        ("SmsStatus", status),
        ("ApiVersion", "2010-04-01"),
    ]);
    if let Some(service) = &message.messaging_service_sid {
        form.append_pair("MessagingServiceSid", service);
    }
    if let Some(code) = error_code {
        form.append_pair("ErrorCode", &code.to_string());
    }
    form.finish()
}
