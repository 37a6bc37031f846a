//! Webhooks as their providers would send them: signed with the demo account's token, for the public URL.

use std::path::PathBuf;

use domain::secret::Secret;
use providers::twilio::signature;
use serde::Deserialize;

use crate::cli::{Simulation, Sms, SmsStatus};
use crate::{info, output};

/// Why a webhook could not be simulated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no local cloud to send to.
    #[error("no local cloud is running on {0}: start it with `cargo run`")]
    NotRunning(PathBuf),
    /// Its `info.json` is of another version.
    #[error("info.json cannot be read")]
    Info(#[from] serde_json::Error),
    /// The request failed.
    #[error("the webhook could not be sent")]
    Http(#[from] reqwest::Error),
    /// It was refused.
    #[error("the webhook was refused with status {0}")]
    Refused(u16),
    /// This process cannot run.
    #[error("the system refuses")]
    Io(#[from] std::io::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

#[derive(Deserialize)]
struct Info {
    base_url: String,
    public_base_url: String,
    organizations: Vec<Organization>,
    twilio: Twilio,
}

#[derive(Deserialize)]
struct Organization {
    phone_number: String,
}

#[derive(Deserialize)]
struct Twilio {
    account_sid: String,
    auth_token: Secret,
}

/// Sends the webhook and prints the answer.
pub(crate) fn run(simulation: &Simulation) -> Result<(), Error> {
    let target = match simulation {
        Simulation::Sms(sms) => &sms.target,
        Simulation::SmsStatus(status) => &status.target,
    };
    let path = target.data_dir.join(info::FILE);
    let text = std::fs::read(&path).map_err(|_| Error::NotRunning(target.data_dir.clone()))?;
    let info: Info = serde_json::from_slice(&text)?;
    let (route, form) = match simulation {
        Simulation::Sms(sms) => ("/api/webhooks/twilio/sms/incoming", sms_form(sms, &info)?),
        Simulation::SmsStatus(status) => ("/api/webhooks/twilio/sms/status", status_form(status, &info)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(&info, route, form))
}

fn own_number(info: &Info, given: Option<&String>) -> String {
    let first = info.organizations.first().map(|organization| &organization.phone_number);
    given.or(first).cloned().unwrap_or_default()
}

fn sms_form(sms: &Sms, info: &Info) -> Result<String, Error> {
    let sid = match &sms.sid {
        Some(sid) => sid.clone(),
        None => format!("SM{}", random_hex()?),
    };
    let to = own_number(info, sms.to.as_ref());
    let fields = [
        ("MessageSid", sid.as_str()),
        ("SmsSid", &sid),
        ("SmsMessageSid", &sid),
        ("AccountSid", &info.twilio.account_sid),
        ("From", &sms.from),
        ("To", &to),
        ("Body", &sms.body),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("SmsStatus", "received"),
        ("ApiVersion", "2010-04-01"),
    ];
    Ok(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
}

fn status_form(status: &SmsStatus, info: &Info) -> String {
    let from = own_number(info, status.from.as_ref());
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([
        ("MessageSid", status.sid.as_str()),
        ("SmsSid", &status.sid),
        ("MessageStatus", &status.status),
        ("SmsStatus", &status.status),
        ("AccountSid", &info.twilio.account_sid),
        ("From", &from),
        ("To", &status.to),
        ("ApiVersion", "2010-04-01"),
    ]);
    if let Some(code) = status.error_code {
        form.append_pair("ErrorCode", &code.to_string());
    }
    form.finish()
}

async fn send(info: &Info, route: &str, form: String) -> Result<(), Error> {
    let signature =
        signature::sign(&format!("{}{route}", info.public_base_url), form.as_bytes(), &info.twilio.auth_token);
    let response = reqwest::Client::new()
        .post(format!("{}{route}", info.base_url))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", signature)
        .body(form)
        .send()
        .await?;
    let status = response.status();
    output::say(&format!("{status} {}", response.text().await?));
    if status.is_success() { Ok(()) } else { Err(Error::Refused(status.as_u16())) }
}

fn random_hex() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
