//! Stand-ins of the providers: Twilio, ElevenLabs and a language model, at the wire of their vendors.
//!
//! Each has two sides: what functions call on the internal endpoint (`/twilio`, `/elevenlabs`, `/llm/v1`), and what
//! people and tests see at `/local/<name>/…` on the client port: what was received, and the faults to play.

pub(crate) mod callbacks;
pub(crate) mod faults;
pub(crate) mod journal;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;

use crate::elevenlabs::{ElevenLabs, INITIATION_PATH, POST_CALL_PATH};
use crate::environment::Environment;
use crate::kill_points::address;
use crate::llm::{self, Llm};
use crate::settings::Settings;
use crate::twilio::Twilio;

/// Sets the pace of the language model's stand-in.
const PACE: &str = "LOCAL_LLM_TOKEN_DELAY_MS";

/// Why the stand-ins cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The pace is no number.
    #[error("{PACE} must be a number of milliseconds, 0 for as fast as it can")]
    Pace,
    /// The client that calls our webhooks cannot be made.
    #[error("the provider stand-ins cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
}

/// What the stand-ins need to know of this run.
pub(crate) struct Context<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) secrets: &'a BTreeMap<String, String>,
    /// Where this machine serves clients.
    pub(crate) base: &'a str,
    /// Where providers believe that it does.
    pub(crate) public_base: &'a str,
    pub(crate) settings: &'a Arc<Settings>,
}

impl Context<'_> {
    /// A secret's value, empty where there is none.
    pub(crate) fn secret(&self, name: &str) -> String {
        self.secrets.get(name).cloned().unwrap_or_default()
    }
}

/// All three.
pub(crate) struct StandIns {
    twilio: Twilio,
    elevenlabs: ElevenLabs,
    llm: Llm,
}

impl StandIns {
    /// Opens what they have recorded in this data folder.
    pub(crate) fn open(context: &Context<'_>, environment: &Environment) -> Result<Self, Error> {
        let pace = environment.get(PACE).map_or(Ok(llm::PACE_MS), |text| text.parse().map_err(|_| Error::Pace))?;
        let client = callbacks::client()?;
        Ok(Self {
            twilio: Twilio::open(context, client.clone()),
            elevenlabs: ElevenLabs::open(context, client),
            llm: Llm::open(context, Duration::from_millis(pace)),
        })
    }

    /// What functions call, at the variables of [`variables`].
    pub(crate) fn api(&self) -> Router {
        self.twilio.api().merge(self.elevenlabs.api()).merge(self.llm.api())
    }

    /// What people and tests look at.
    pub(crate) fn view(&self) -> Router {
        self.twilio.view().merge(self.elevenlabs.view()).merge(self.llm.view())
    }
}

/// Makes functions talk to the stand-ins; what the user sets himself wins, as always.
pub(crate) fn variables(aws: &str, environment: &Environment) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("TWILIO_API_URL", address(aws, "/twilio")),
        ("ELEVENLABS_API_URL", address(aws, "/elevenlabs")),
        ("DEFAULT_ORGANIZATION_NAME", "BICI Bike Store".to_owned()),
    ];
    // The stand-in's model means nothing to a server that the user names.
    if !has_model(environment) {
        variables.extend([("LLM_BASE_URL", address(aws, "/llm/v1")), ("LLM_MODEL", llm::MODEL.to_owned())]);
    }
    variables
}

/// Whether the user has connected a language model: the stand-in then stands aside. Beside a fallback alone it stays, and
/// fails over to it on request.
pub(crate) fn has_model(environment: &Environment) -> bool {
    ["LLM_BASE_URL", "BEDROCK_MODEL_ID"].into_iter().any(|name| environment.get(name).is_some())
}

/// Lines of the start-up banner: what to enter at the providers, and where to look meanwhile.
pub(crate) fn banner(base: &str, public_base: &str, environment: &Environment) -> String {
    let replies = if has_model(environment) {
        "AI replies come from the language model of your environment."
    } else {
        "AI replies come from a stand-in that is no\nlanguage model: LLM_BASE_URL, LLM_MODEL and LLM_API_KEY connect one."
    };
    format!(
        "\nProviders are stood in for, and nobody is texted or called. {replies}\n  \
         Texts      {base}/local/twilio/messages\n  \
         Calls      {base}/local/elevenlabs/calls\n  \
         Prompts    {base}/local/llm/requests\n\n\
         Webhooks, as Twilio and ElevenLabs would be given them:\n  \
         Twilio SMS             {public_base}/api/webhooks/twilio/sms/incoming#rc=3&rp=all\n  \
         Twilio status          {public_base}/api/webhooks/twilio/sms/status#rc=3&rp=all\n  \
         ElevenLabs initiation  {public_base}{INITIATION_PATH}\n  \
         ElevenLabs post-call   {public_base}{POST_CALL_PATH}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_of_the_users_own_is_left_alone() {
        let names = |environment: &Environment| -> Vec<&str> {
            variables("http://aws", environment).into_iter().map(|(name, _)| name).collect()
        };
        assert!(names(&Environment::default()).contains(&"LLM_MODEL"));
        for own in [("LLM_BASE_URL", "http://localhost:11434/v1"), ("BEDROCK_MODEL_ID", "maker.model-v1:0")] {
            assert!(!names(&crate::environment::with(&[own])).iter().any(|name| name.starts_with("LLM_")));
        }
    }
}
