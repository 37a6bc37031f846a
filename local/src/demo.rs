//! `demo`: a conversation as a team sees it, in five steps against the running local cloud (B32).
//!
//! It watches over SSE and over a WebSocket at once, and fails when an event of a step does not come on both.

mod api;
mod frame;
mod show;
mod watch;

use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::Target;
use crate::info::{self, Running};
use crate::simulate::{self, twilio};
use api::Api;
use show::Screen;
use watch::{Via, Watch};

/// How long an event may take, and the AI's answer.
const SOON: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);

const QUESTION: &str = "Hi! Are you open on Saturday?";
const MESSAGE: &str = "Hi, this is a real person. I will keep a stand free for you on Saturday at ten.";
const SUMMARY: &str = "Promised a repair stand on Saturday at ten.";

/// The demo.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The customer's number
    #[arg(long, default_value = "+14155550142")]
    from: String,
    #[command(flatten)]
    target: Target,
}

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no local cloud.
    #[error(transparent)]
    Info(#[from] info::Error),
    /// The local cloud runs without its demo data.
    #[error("the demo needs the demo data: start the local cloud without --no-demo")]
    NoDemoData,
    /// The text message was not taken.
    #[error(transparent)]
    Simulate(#[from] simulate::Error),
    /// A request failed.
    #[error("a request failed")]
    Http(#[from] reqwest::Error),
    /// A request was refused.
    #[error("{what} was refused with status {status}: {detail}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The status.
        status: u16,
        /// What the answer says.
        detail: String,
    },
    /// The socket failed.
    #[error("the WebSocket failed")]
    WebSocket(#[from] Box<tokio_tungstenite::tungstenite::Error>),
    /// An event did not come.
    #[error("{event} did not come over {via} within {} seconds", within.as_secs())]
    Missing {
        /// Its type.
        event: &'static str,
        /// Where it was waited for.
        via: Via,
        /// How long.
        within: Duration,
    },
    /// A transport ended.
    #[error("{0} ended before the demo did")]
    Ended(Via),
    /// What must never happen did.
    #[error("the AI wrote while a person was in control")]
    Interrupted,
    /// This process cannot run.
    #[error("the system refuses")]
    Io(#[from] std::io::Error),
}

/// Runs the demo.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let cloud = Running::read(&options.target.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(steps(&cloud, &options.from)))
}

/// Who takes part.
pub(crate) struct Cast<'a> {
    organization: &'a info::Organization,
    agent: &'a info::User,
    /// The agent's first name, by their address.
    agent_name: String,
    customer: &'a str,
    lead_id: String,
}

impl<'a> Cast<'a> {
    /// An organization with an admin and, if there is one, a contact with this number: seed B's, where it is there.
    fn of(cloud: &'a Running, customer: &'a str) -> Result<Self, Error> {
        let seed_b = cloud.organizations.iter().find(|organization| organization.id == "bici-demo");
        let organization = seed_b.or(cloud.organizations.first()).ok_or(Error::NoDemoData)?;
        let mut admins = cloud.users.iter().filter(|user| user.role == "admin");
        let agent = admins.find(|user| user.organization_id == organization.id).ok_or(Error::NoDemoData)?;
        let contact = cloud
            .contacts
            .iter()
            .find(|contact| contact.organization_id == organization.id && contact.phone_number == customer);
        let digits = || customer.chars().filter(char::is_ascii_digit).collect::<String>();
        let mut name = agent.email.split('@').next().unwrap_or_default().chars();
        Ok(Self {
            organization,
            agent,
            agent_name: name.next().map(|first| first.to_uppercase().chain(name).collect()).unwrap_or_default(),
            customer,
            lead_id: contact.map_or_else(|| format!("worker_{}", digits()), |contact| contact.id.clone()),
        })
    }
}

async fn steps(cloud: &Running, customer: &str) -> Result<(), Error> {
    let started = Instant::now();
    let cast = Cast::of(cloud, customer)?;
    let screen = Screen::new();
    let api = Api::new(cloud, &cast)?;
    screen.title(&format!("{customer} texts {}. {} watches.", cast.organization.name, cast.agent_name));
    if api.under_human_control().await? {
        screen.note("An earlier demo was cut short: its takeover is ended first.");
        api.leave("The demo starts again.").await?;
    }

    screen.step(1, "Connect: the live stream of this customer, over SSE and over a WebSocket");
    let mut watch = Watch::open(cloud, &cast, &api, &screen).await?;

    screen.step(2, &format!("The customer texts: “{QUESTION}”"));
    let text = twilio::Text { sid: None, from: customer, to: &cast.organization.phone_number, body: QUESTION };
    let (status, _) = simulate::send(cloud, twilio::incoming(cloud, &text)).await?;
    if !status.is_success() {
        return Err(simulate::Error::Refused(status.as_u16()).into());
    }
    watch.expect("sms_received", SOON).await?;
    watch.expect("sms_sent", ANSWER).await?;

    screen.step(3, &format!("{} joins: from now on the AI is silent", cast.agent_name));
    api.join().await?;
    watch.expect("human_control_started", SOON).await?;
    watch.ai_must_be_silent(true);

    screen.step(4, &format!("{} writes to the customer", cast.agent_name));
    api.send_message(MESSAGE).await?;
    watch.expect("human_message_sent", SOON).await?;

    screen.step(5, &format!("{} leaves: the AI is in control again, and knows what was said", cast.agent_name));
    watch.ai_must_be_silent(false);
    api.leave(SUMMARY).await?;
    watch.expect("human_control_ended", SOON).await?;

    screen
        .done(&format!("All five steps, every event on both transports, in {:.1} s.", started.elapsed().as_secs_f64()));
    screen.note(&format!(
        "What the provider stand-ins saw: {0}/local/twilio/messages and {0}/local/llm/requests",
        cloud.base_url
    ));
    Ok(())
}

#[cfg(test)]
mod tests;
