//! The local cloud: an embedded stand-in for the parts of AWS that Switchboard uses, never deployed.
//!
//! It reads `template.yaml`, runs every function as a process of its own on the real Lambda Runtime API, and speaks the
//! wire of API Gateway (REST and WebSocket), DynamoDB with streams, SES, Secrets Manager and Lambda to them, so that
//! production code needs no local twin. `cloud` is the order in which it starts and stops.
//!
//! | module | stands in for |
//! |---|---|
//! | `http`, `ws` | API Gateway |
//! | `runtime_api`, `process`, `invoke` | Lambda |
//! | `dynamodb`, `streams` | DynamoDB, event source mappings, pipes |
//! | `queues`, `schedules` | SQS FIFO queues, EventBridge schedules |
//! | `mail`, `secrets` | SES, Secrets Manager |
//! | `twilio`, `elevenlabs`, `llm` | the providers, see `stand_ins` |
//!
//! `kill_points` lets tests kill a function between any two of its calls.
//!
//! To add a service: a module with a `Router`, a line in `cloud` that merges it into the internal endpoint, and its
//! `AWS_ENDPOINT_URL_*` variable there.

mod aws;
mod cli;
mod cloud;
mod data_dir;
mod demo;
pub mod dynamodb;
mod elevenlabs;
mod environment;
mod files;
mod functions;
pub mod http;
mod info;
pub mod invoke;
mod kill_points;
mod listeners;
mod llm;
mod logging;
pub mod mail;
mod output;
pub mod process;
pub mod queues;
mod routes;
pub mod runtime_api;
pub mod schedules;
mod secrets;
mod seed;
pub mod settings;
mod simulate;
mod stand_ins;
pub mod streams;
pub mod template;
mod twilio;
pub mod ws;

use std::process::ExitCode;

use clap::Parser;

/// Runs one of the functions if the environment names it, and the local cloud otherwise.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(binary) = environment::launched() {
        return functions::become_binary(&binary);
    }
    match environment::function() {
        Some(function) => functions::run(&function),
        None => start(cli::Cli::parse()),
    }
}

fn start(cli: cli::Cli) -> ExitCode {
    let failed = match &cli.command {
        Some(cli::Command::Simulate(simulation)) => simulate::run(simulation).err().map(|e| output::chain(&e)),
        Some(cli::Command::Demo(options)) => demo::run(options).err().map(|e| output::chain(&e)),
        None => cloud::run(cli).err().map(|e| output::chain(&e)),
    };
    match failed {
        None => ExitCode::SUCCESS,
        Some(error) => {
            output::complain(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
