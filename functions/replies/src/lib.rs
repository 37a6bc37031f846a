//! AI answers to customers, off the request path.
//!
//! | event | file | what |
//! |---|---|---|
//! | SQS message of the reply queue | [`job`] | what follows from one event of the log: a reply, the contact's briefing |
//! | schedule, every minute | [`sweep`] | ends takeovers whose agent is gone, sends messages whose sender died, ends answers whose maker died |
//!
//! The queue gives one job of a conversation at a time and a failed one again; after the last attempt it is a dead letter,
//! and operators see a `system` event.

mod event;
mod job;
mod sweep;

use conversations::reply::Replier;
use event::Trigger;
use lambda_runtime::Error;
use runtime::BatchResponse;
use serde_json::value::RawValue;
use std::process::ExitCode;
use std::sync::Arc;

/// All this function may touch.
pub struct State {
    replier: Replier,
    /// After so many attempts the queue gives a job up.
    attempts: u32,
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::events(
        |environment| {
            let http = environment.http();
            let replier = Replier {
                store: environment.store(),
                llm: environment.llm(&http),
                texting: environment.texting(&http),
            };
            Some(State { replier, attempts: environment.number("REPLY_ATTEMPTS", 3) })
        },
        handle,
    )
}

/// Handles one event.
pub async fn handle(state: Arc<State>, event: Box<RawValue>) -> Result<BatchResponse, Error> {
    match event::read(event.get())? {
        Trigger::Jobs(jobs) => Ok(job::work(&state, jobs).await),
        Trigger::Schedule => {
            Box::pin(sweep::run(&state.replier)).await?;
            Ok(BatchResponse::default())
        }
    }
}
