//! Mail to people: codes and invitations, through Amazon SES.

use crate::error::{ErrorKind, Provider, ProviderError};
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::http::HttpResponse;
use aws_sdk_sesv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use std::fmt;

/// Sends mail from one address.
#[derive(Clone)]
pub struct Mailer {
    client: Client,
    from: String,
}

impl Mailer {
    /// Sends as `from`, an address or domain verified in SES.
    pub fn new(client: Client, from: impl Into<String>) -> Self {
        Self { client, from: from.into() }
    }

    /// Sends one mail to one person.
    pub async fn send(&self, to: &str, mail: &Mail) -> Result<(), ProviderError> {
        let message = Message::builder()
            .subject(text(&one_line(&mail.subject))?)
            .body(Body::builder().text(text(&mail.text)?).build())
            .build();
        self.client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(to).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await
            .map(|_| ())
            .map_err(|error| ProviderError::new(Provider::Email, kind(&error), cause(error)))
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer")
    }
}

/// A mail in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
}

impl Mail {
    /// Proves a new account's address.
    pub fn verification_code(code: &str, minutes: u32) -> Self {
        Self {
            subject: "Your verification code".to_owned(),
            text: format!(
                "Hello,\n\n\
                 welcome to Switchboard! To finish creating your account, please enter this code:\n\n    \
                 {code}\n\n\
                 It is valid for {minutes} minutes and works once.\n\n\
                 If you did not ask for an account, you can ignore this message; nothing will happen.\n"
            ),
        }
    }

    /// The second step of a sign-in.
    pub fn sign_in_code(code: &str, minutes: u32) -> Self {
        Self {
            subject: "Your sign-in code".to_owned(),
            text: format!(
                "Hello,\n\n\
                 here is your code to sign in to Switchboard:\n\n    \
                 {code}\n\n\
                 It is valid for {minutes} minutes and works once. We will never ask you for it by phone or message.\n\n\
                 If you are not signing in right now, somebody else knows your password: please change it.\n"
            ),
        }
    }

    /// Asks a person to join an organization.
    pub fn invitation(organization: &str, invited_by: &str, link: &str, days: u32) -> Self {
        let (organization, invited_by) = (one_line(organization), one_line(invited_by));
        Self {
            subject: format!("{invited_by} invites you to {organization}"),
            text: format!(
                "Hello,\n\n\
                 {invited_by} would like you to join {organization} on Switchboard. To accept, open this page:\n\n    \
                 {link}\n\n\
                 The invitation is valid for {days} days. If you do not know {invited_by}, please ignore this message.\n"
            ),
        }
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(***)")
    }
}

/// Names come from people: a line break in a subject would begin a header of theirs.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.trim().to_owned()
}

fn text(text: &str) -> Result<Content, ProviderError> {
    Content::builder()
        .charset("UTF-8")
        .data(text)
        .build()
        .map_err(|error| ProviderError::new(Provider::Email, ErrorKind::Rejected, error))
}

/// The cause as it may be logged: SES names addresses in its messages.
fn cause(error: SdkError<SendEmailError, HttpResponse>) -> Box<dyn std::error::Error + Send + Sync> {
    match (&error, error.code()) {
        (SdkError::ServiceError(_), code) => code.unwrap_or("an answer without an error code").into(),
        _ => error.into(),
    }
}

fn kind(error: &SdkError<SendEmailError, HttpResponse>) -> ErrorKind {
    match error.as_service_error() {
        Some(SendEmailError::TooManyRequestsException(_) | SendEmailError::LimitExceededException(_)) => {
            ErrorKind::Throttled
        }
        Some(
            SendEmailError::AccountSuspendedException(_)
            | SendEmailError::MailFromDomainNotVerifiedException(_)
            | SendEmailError::SendingPausedException(_),
        ) => ErrorKind::Forbidden,
        Some(
            SendEmailError::MessageRejected(_)
            | SendEmailError::BadRequestException(_)
            | SendEmailError::NotFoundException(_),
        ) => ErrorKind::Rejected,
        _ => match (error, error.raw_response()) {
            (SdkError::TimeoutError(_), _) => ErrorKind::TimedOut,
            (SdkError::ConstructionFailure(_), _) => ErrorKind::Rejected,
            (_, Some(response)) => ErrorKind::of_status(response.status().as_u16()),
            (_, None) => ErrorKind::Unavailable,
        },
    }
}

#[cfg(test)]
#[path = "email_tests.rs"]
mod tests;
