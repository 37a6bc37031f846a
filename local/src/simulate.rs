//! Webhooks as their providers would send them: with the demo account's proof of origin, for the public URL.

mod arguments;
mod elevenlabs;
pub(crate) mod twilio;

use crate::cli::Simulation;
use crate::info::{self, Running};
use crate::output;
pub(crate) use arguments::{Call, PostCall};

/// Why a webhook could not be simulated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no local cloud to send to.
    #[error(transparent)]
    Info(#[from] info::Error),
    /// A turn has no speaker.
    #[error("write a turn as \"customer: …\" or \"agent: …\"")]
    Turn,
    /// The payload cannot be written.
    #[error("the webhook cannot be written")]
    Payload(#[from] serde_json::Error),
    /// The request failed.
    #[error("the webhook could not be sent")]
    Http(#[from] reqwest::Error),
    /// It was refused.
    #[error("the webhook was refused with status {0}")]
    Refused(u16),
    /// This process cannot run.
    #[error("the system refuses")]
    Io(#[from] std::io::Error),
}

/// A webhook to send.
pub(crate) struct Webhook {
    route: &'static str,
    content_type: &'static str,
    headers: Vec<(String, String)>,
    body: String,
}

/// Sends the webhook and prints the answer.
pub(crate) fn run(simulation: &Simulation) -> Result<(), Error> {
    let target = match simulation {
        Simulation::Sms(sms) => &sms.target,
        Simulation::SmsStatus(status) => &status.target,
        Simulation::Call(call) => &call.target,
        Simulation::PostCall(call) => &call.target,
    };
    let cloud = Running::read(&target.data_dir)?;
    let webhook = match simulation {
        Simulation::Sms(sms) => {
            let to = cloud.own_number(sms.to.as_ref());
            twilio::incoming(
                &cloud,
                &twilio::Text { sid: sms.sid.as_deref(), from: &sms.from, to: &to, body: &sms.body },
            )
        }
        Simulation::SmsStatus(status) => twilio::status(&cloud, status),
        Simulation::Call(call) => elevenlabs::initiation(&cloud, call)?,
        Simulation::PostCall(call) => elevenlabs::post_call(&cloud, call)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, answer) = runtime.block_on(send(&cloud, webhook))?;
    output::say(&format!("{status} {}", elevenlabs::readable(&answer)));
    if status.is_success() { Ok(()) } else { Err(Error::Refused(status.as_u16())) }
}

/// Sends it; gives the answer's status and text.
pub(crate) async fn send(cloud: &Running, webhook: Webhook) -> Result<(reqwest::StatusCode, String), Error> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}{}", cloud.base_url, webhook.route);
    let mut request = client.post(url).header("content-type", webhook.content_type);
    for (name, value) in webhook.headers {
        request = request.header(name, value);
    }
    let response = request.body(webhook.body).send().await?;
    Ok((response.status(), response.text().await?))
}
