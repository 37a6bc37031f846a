//! `POST …/Messages.json`.

use ::http::{HeaderMap, StatusCode};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::phone::PhoneNumber;
use jiff::Timestamp;

use super::answers::Refusal;
use super::message::{Message, Resource};
use super::{AccountPath, Kind, Twilio, callbacks, refused};
use crate::http::system;
use crate::stand_ins::faults::{self, Subject};

/// The longest text Twilio takes.
const LONGEST: usize = 1600;

/// The parameters of a message.
#[derive(Default)]
struct Form {
    to: String,
    from: Option<String>,
    messaging_service_sid: Option<String>,
    body: String,
    media: usize,
    status_callback: Option<String>,
}

impl Form {
    /// Reads them. Parameters that only change how Twilio sends are ignored.
    fn read(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            let value = value.into_owned();
            match name.as_ref() {
                "To" => form.to = value,
                "From" => form.from = Some(value).filter(|value| !value.is_empty()),
                "MessagingServiceSid" => form.messaging_service_sid = Some(value).filter(|value| !value.is_empty()),
                "Body" => form.body = value,
                "MediaUrl" => form.media += 1,
                "StatusCallback" => form.status_callback = Some(value).filter(|value| !value.is_empty()),
                _ => {}
            }
        }
        form
    }

    fn check(&self) -> Result<(), Refusal> {
        let valid = |number: &str| PhoneNumber::from_provider(number).is_ok_and(|number| number.is_e164());
        let url = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        if self.to.is_empty() {
            return Err(Refusal::NO_TO);
        }
        if !valid(&self.to) {
            return Err(Refusal::BAD_TO);
        }
        match (&self.from, &self.messaging_service_sid) {
            (None, None) => return Err(Refusal::NO_FROM),
            (Some(from), _) if !valid(from) => return Err(Refusal::BAD_FROM),
            (Some(from), _) if *from == self.to => return Err(Refusal::TO_ITSELF),
            _ => {}
        }
        if self.body.is_empty() && self.media == 0 {
            return Err(Refusal::NO_BODY);
        }
        if self.body.chars().count() > LONGEST {
            return Err(Refusal::LONG_BODY);
        }
        if !self.status_callback.iter().all(url) {
            return Err(Refusal::BAD_CALLBACK);
        }
        Ok(())
    }

    fn into_message(self, account_sid: String) -> Message {
        let kind = if self.media > 0 { "MM" } else { "SM" };
        Message {
            sid: format!("{kind}{}", system::uuid().simple()),
            account_sid,
            to: self.to,
            from: self.from,
            messaging_service_sid: self.messaging_service_sid,
            body: self.body,
            media: self.media,
            status: "queued".to_owned(),
            error_code: None,
            status_callback: self.status_callback,
            at: Timestamp::now(),
        }
    }
}

pub(super) async fn send(
    State(twilio): State<Twilio>,
    Path(account): AccountPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = match twilio.authorize(&account, &headers) {
        Ok(token) => token,
        Err(refusal) => return refused(&refusal),
    };
    let form = Form::read(&body);
    let subject = Subject { number: &form.to, text: &form.body };
    if let Err(refusal) = form.check() {
        return refused(&refusal);
    }
    if twilio.faults.plays(Kind::RateLimit, subject) {
        return refused(&Refusal::RATE_LIMITED);
    }
    if twilio.faults.plays(Kind::Fail, subject) {
        return refused(&Refusal::FAILED);
    }
    if twilio.faults.plays(Kind::Timeout, subject) {
        tokio::time::sleep(twilio.silence).await;
        return faults::hang_up();
    }
    if twilio.faults.plays(Kind::OptedOut, subject) {
        return refused(&Refusal::OPTED_OUT);
    }
    let [silent, undelivered, lost] =
        [Kind::NoCallbacks, Kind::Undelivered, Kind::DropResponse].map(|kind| twilio.faults.plays(kind, subject));
    let message = form.into_message(account);
    tracing::info!(sid = message.sid, "text message taken, see /local/twilio/messages");
    twilio.messages.add(message.clone());
    let end = if undelivered { callbacks::End::Undelivered } else { callbacks::End::Delivered };
    let callback = if silent { None } else { message.status_callback.clone() };
    system::spawn(callbacks::play(twilio, message.clone(), callback, token, end));
    if lost {
        return faults::hang_up();
    }
    (StatusCode::CREATED, Json(Resource::from(message))).into_response()
}
