//! Sending text messages through Twilio's REST API (protocols.md 1.7).

use super::rest::{ApiError, Message, Page};
use crate::error::{ErrorKind, Provider, ProviderError};
use crate::http::{self, BodyError};
use domain::organization::TwilioAccount;
use domain::phone::PhoneNumber;
use domain::time::Timestamp;
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

pub use domain::sms::MessageStatus;

/// The longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A page of a hundred messages is a tenth of it.
const MAX_ANSWER: usize = 2 * 1024 * 1024;
/// Between two numbers within minutes: more pages than this are none of ours.
const MAX_PAGES: usize = 5;
/// How far Twilio's clock may be from ours; it counts whole seconds besides.
const CLOCK_SKEW_SECONDS: i64 = 2;
/// Twilio's code for a customer who has said STOP.
const OPTED_OUT: u32 = 21610;
/// Twilio's code for too many requests.
const TOO_MANY: u32 = 20429;
/// Twilio's code for a wrong Auth Token.
const UNAUTHENTICATED: u32 = 20003;

/// Twilio's REST API.
#[derive(Clone, Debug)]
pub struct TwilioClient {
    http: Client,
    base_url: String,
    timeout: Duration,
}

/// A message to send.
#[derive(Clone, Copy)]
pub struct OutgoingSms<'a> {
    /// Our number.
    pub from: &'a PhoneNumber,
    /// The customer.
    pub to: &'a PhoneNumber,
    /// The text: at most 1600 characters, see [`super::segments::split`].
    pub body: &'a str,
    /// Where Twilio reports its delivery.
    pub status_callback: Option<&'a str>,
}

impl fmt::Debug for OutgoingSms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutgoingSms(***)")
    }
}

/// A message that Twilio has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentSms {
    /// Its id at Twilio.
    pub sid: String,
    /// How far along it is.
    pub status: MessageStatus,
}

/// Why a message was not, or perhaps not, sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Twilio will never take this message.
    #[error("Twilio refuses the message")]
    Refused {
        /// Twilio's error code.
        code: Option<u32>,
    },
    /// The customer has said STOP: no message of ours may be tried again.
    #[error("the customer wants no messages")]
    OptedOut,
    /// Twilio surely has not taken it: it may be tried again.
    #[error("the message was not sent")]
    NotSent(#[source] ProviderError),
    /// Twilio may have taken it: look with [`TwilioClient::find`] before trying again.
    #[error("the message may have been sent")]
    Unknown(#[source] ProviderError),
}

impl TwilioClient {
    /// Speaks to `https://api.twilio.com`, a regional host, or a stand-in.
    pub fn new(http: Client, base_url: impl Into<String>) -> Self {
        Self { http, base_url: http::base_url(base_url), timeout: TIMEOUT }
    }

    /// Sends a message. Twilio knows no idempotency key: the caller records it before and reads the error after.
    pub async fn send(&self, account: &TwilioAccount, sms: &OutgoingSms<'_>) -> Result<SentSms, SendError> {
        let url = format!("{}{}", self.base_url, messages_of(account).map_err(SendError::NotSent)?);
        let mut form = vec![("From", sms.from.as_str()), ("To", sms.to.as_str()), ("Body", sms.body)];
        form.extend(sms.status_callback.map(|url| ("StatusCallback", url)));
        let response = self.authorized(self.http.post(url).form(&form), account).send().await.map_err(unsent)?;
        let status = response.status().as_u16();
        let body = http::body(response, MAX_ANSWER).await;
        if (200..300).contains(&status) { accepted(body) } else { Err(refused(status, &body.unwrap_or_default())) }
    }

    /// The messages with this sender, receiver and exactly this text created at or after `since`, oldest first.
    pub async fn find(
        &self,
        account: &TwilioAccount,
        sms: &OutgoingSms<'_>,
        since: Timestamp,
    ) -> Result<Vec<SentSms>, ProviderError> {
        let messages = messages_of(account)?;
        let since = Timestamp::from_millis(since.seconds().saturating_mul(1000)).plus_seconds(-CLOCK_SKEW_SECONDS);
        let query = [("From", sms.from.as_str()), ("To", sms.to.as_str()), ("PageSize", "100")];
        let mut request = self.http.get(format!("{}{messages}", self.base_url)).query(&query);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let response = self.authorized(request, account).send().await.map_err(failed)?;
            let page: Page = answer(response).await?;
            let all_older = !page.messages.is_empty() && page.messages.iter().all(|message| message.is_before(since));
            let is_it = |message: &&Message| !message.is_before(since) && message.is(sms);
            found.extend(page.messages.iter().filter(is_it).filter_map(|m| Some((m.created_at(), m.sent()?))));
            // Newest first: behind a page of older ones there are only older ones.
            let Some(next) = page.next_page_uri.filter(|uri| !all_older && uri.starts_with(&messages)) else {
                break;
            };
            request = self.http.get(format!("{}{next}", self.base_url));
        }
        found.sort_by_key(|(created_at, _)| *created_at);
        Ok(found.into_iter().map(|(_, sent)| sent).collect())
    }

    fn authorized(&self, request: RequestBuilder, account: &TwilioAccount) -> RequestBuilder {
        request.basic_auth(&account.account_sid, Some(account.auth_token.expose())).timeout(self.timeout)
    }
}

/// The path of an account's messages. An account is typed by a person: it must stay one step of the path.
fn messages_of(account: &TwilioAccount) -> Result<String, ProviderError> {
    let sid = &account.account_sid;
    if sid.is_empty() || !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(ProviderError::new(Provider::Twilio, ErrorKind::Forbidden, "the account's SID is not one"));
    }
    Ok(format!("/2010-04-01/Accounts/{sid}/Messages.json"))
}

/// The request got no answer: only without a connection it is certain that Twilio has not seen it.
fn unsent(error: reqwest::Error) -> SendError {
    let surely = error.is_connect() || error.is_builder();
    let error = failed(error);
    if surely { SendError::NotSent(error) } else { SendError::Unknown(error) }
}

/// Twilio has taken the message, though an answer that cannot be read does not say under which id.
fn accepted(body: Result<Vec<u8>, BodyError>) -> Result<SentSms, SendError> {
    let body = body.map_err(|error| SendError::Unknown(http::unread(Provider::Twilio, error)))?;
    let message: Option<Message> = serde_json::from_slice(&body).ok();
    message.and_then(|message| message.sent()).ok_or_else(|| SendError::Unknown(unreadable()))
}

fn refused(status: u16, body: &[u8]) -> SendError {
    let code = ApiError::code(body);
    let error = |kind| {
        let code = code.map(|code| code.to_string());
        ProviderError::new(Provider::Twilio, kind, http::status_cause(status, code.as_deref()))
    };
    match (status, code) {
        (_, Some(OPTED_OUT)) => SendError::OptedOut,
        (429, _) | (_, Some(TOO_MANY)) => SendError::NotSent(error(ErrorKind::Throttled)),
        (401 | 403, _) | (_, Some(UNAUTHENTICATED)) => SendError::NotSent(error(ErrorKind::Forbidden)),
        // Twilio's own "not now"; without its JSON it is some machine on the way that lost patience.
        (503, Some(_)) => SendError::NotSent(error(ErrorKind::Unavailable)),
        (400..=407 | 409..=499, _) => SendError::Refused { code },
        _ => SendError::Unknown(error(ErrorKind::of_status(status))),
    }
}

async fn answer<T: DeserializeOwned>(response: Response) -> Result<T, ProviderError> {
    let status = response.status().as_u16();
    let body = http::body(response, MAX_ANSWER).await;
    if !(200..300).contains(&status) {
        let code = ApiError::code(&body.unwrap_or_default()).map(|code| code.to_string());
        let cause = http::status_cause(status, code.as_deref());
        return Err(ProviderError::new(Provider::Twilio, ErrorKind::of_status(status), cause));
    }
    let body = body.map_err(|error| http::unread(Provider::Twilio, error))?;
    // The parser's own words would quote the text of messages.
    serde_json::from_slice(&body).map_err(|_| unreadable())
}

fn failed(error: reqwest::Error) -> ProviderError {
    http::failure(Provider::Twilio, error)
}

fn unreadable() -> ProviderError {
    ProviderError::new(Provider::Twilio, ErrorKind::Unavailable, "an answer that cannot be read")
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
