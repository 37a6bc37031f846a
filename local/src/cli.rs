//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::data_dir::Fresh;
use crate::environment::Environment;
use crate::settings::Settings;
use crate::{demo, simulate};

const DEFAULT_PORT: u16 = 8000;

/// Runs Switchboard on this machine: APIs, functions, tables, streams, mail and demo data, without an AWS account.
#[derive(Debug, Clone, Parser)]
#[command(name = "switchboard", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// What to do instead of starting the cloud
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Port of everything a client sees; 0 takes a free one [default: PORT, or 8000]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Folder of the data, which survives a restart
    #[arg(long, value_name = "DIR", default_value = ".local")]
    pub(crate) data_dir: PathBuf,
    /// Start without the data of earlier runs
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Leave out the demo data
    #[arg(long)]
    pub(crate) no_demo: bool,
    /// Also listen on the ports 5000 and 8004
    #[arg(long)]
    pub(crate) seed_ports: bool,
    /// Base URL that webhooks are signed for, when a tunnel stands before this machine
    #[arg(long, value_name = "URL")]
    pub(crate) public_base_url: Option<String>,
    /// Environment variable of the functions; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) env: Vec<(String, String)>,
    /// Run the limits of minutes and hours this much faster
    #[arg(long, value_name = "F", default_value = "1", value_parser = time_scale)]
    pub(crate) time_scale: f64,
    /// Disturb streams, connections and functions, repeatably by seed
    #[arg(long, value_name = "SEED")]
    pub(crate) chaos: Option<u64>,
    /// Keep the messages of this queue and give them to nobody: `--hold ReplyQueue` silences the AI; may be repeated
    #[arg(long, value_name = "QUEUE")]
    pub(crate) hold: Vec<String>,
    /// One invocation at a time per function process, as on Lambda
    #[arg(long)]
    pub(crate) strict: bool,
    /// Run the `bootstrap` binaries of this folder instead of the functions in this program
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,
    /// Port of the internal AWS endpoint [default: a free one]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub(crate) aws_port: u16,
    /// Template to run [default: ./template.yaml, or that of the sources]
    #[arg(long, value_name = "PATH")]
    pub(crate) template: Option<PathBuf>,
}

/// What else the program does.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Send a correctly signed webhook to the running local cloud, as its provider would
    #[command(subcommand)]
    Simulate(Simulation),
    /// Show a conversation live: a text message, the AI's answer, and a person who takes over and hands back
    Demo(demo::Options),
}

/// Which webhook.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Simulation {
    /// Twilio: a customer sends a text message
    Sms(Sms),
    /// Twilio: a message of ours got further
    SmsStatus(SmsStatus),
    /// ElevenLabs: a customer calls, and the agent asks who it is
    Call(simulate::Call),
    /// ElevenLabs: a call is over
    PostCall(simulate::PostCall),
}

/// A text message.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sms {
    /// The text
    pub(crate) body: String,
    /// The customer's number
    #[arg(long, default_value = "+14155550142")]
    pub(crate) from: String,
    /// The organization's number [default: that of the first organization]
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// The message's id; the same again is a repeated delivery [default: a new one]
    #[arg(long)]
    pub(crate) sid: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// A delivery state.
#[derive(Debug, Clone, Args)]
pub(crate) struct SmsStatus {
    /// The message's id
    pub(crate) sid: String,
    /// queued, sending, sent, delivered, undelivered, failed, read
    pub(crate) status: String,
    /// The organization's number [default: that of the first organization]
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// The customer's number
    #[arg(long, default_value = "+14155550142")]
    pub(crate) to: String,
    /// Why it failed
    #[arg(long)]
    pub(crate) error_code: Option<u32>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Which local cloud.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Folder of the data of the running local cloud
    #[arg(long, value_name = "DIR", default_value = ".local")]
    pub(crate) data_dir: PathBuf,
}

impl Cli {
    /// The port that is asked for: flag, then `PORT`, then 8000.
    pub(crate) fn wanted_port(&self, environment: &Environment) -> Result<u16, BadPort> {
        match (self.port, environment.get("PORT")) {
            (Some(port), _) => Ok(port),
            (None, Some(text)) => text.parse().map_err(|_| BadPort(text.to_owned())),
            (None, None) => Ok(DEFAULT_PORT),
        }
    }

    pub(crate) fn fresh(&self) -> Fresh {
        if self.fresh { Fresh::Yes } else { Fresh::No }
    }

    /// The settings of this run.
    pub(crate) fn settings(&self, port: u16, data_dir: PathBuf) -> Settings {
        Settings {
            port,
            data_dir,
            time_scale: self.time_scale,
            strict: self.strict,
            bin_dir: self.bin_dir.clone(),
            launcher: std::env::current_exe().ok(),
            chaos: self.chaos,
            hold: self.hold.clone(),
            seed_ports: self.seed_ports,
        }
    }
}

/// `PORT` is no port.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable PORT is {0:?}, which is no port number")]
pub(crate) struct BadPort(String);

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale > 0.0 => Ok(scale),
        _ => Err("must be a number above 0; 60 turns minutes into seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_settings() {
        let cli = parse("switchboard --data-dir x --time-scale 60 --chaos 7 --strict --env A=b=c --env D=").unwrap();
        let settings = cli.settings(8000, cli.data_dir.clone());
        assert_eq!((settings.time_scale, settings.chaos, settings.strict), (60.0, Some(7), true));
        assert_eq!(cli.env, [("A".to_owned(), "b=c".to_owned()), ("D".to_owned(), String::new())]);
        assert!(parse("switchboard --time-scale 0").is_err());
        assert!(parse("switchboard --env A").is_err());
    }

    #[test]
    fn the_port_is_flag_then_variable_then_default() {
        let set = |value| crate::environment::with(&[("PORT", value)]);
        let port = |line, environment: &Environment| parse(line).unwrap().wanted_port(environment);
        assert_eq!(port("switchboard --port 1", &set("2")).unwrap(), 1);
        assert_eq!(port("switchboard", &set("2")).unwrap(), 2);
        assert_eq!(port("switchboard", &Environment::default()).unwrap(), 8000);
        assert!(port("switchboard", &set("http")).is_err());
    }
}
