//! Answers to questions asked over a socket, off its request path.
//!
//! A question is a message of the chat queue ([`job`]). Its answer is made here, after those to the chat's earlier ones,
//! and told word by word to the connections that wish it ([`teller`]). How it ends is kept in the chat, from where
//! `fanout` tells it to everybody: that does not depend on this function being alive.

mod job;
mod teller;
mod transcript;

use conversations::chat::Chats;
use lambda_runtime::Error;
use providers::push::Push;
use runtime::{BatchResponse, queue};
use serde_json::value::RawValue;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// All this function may touch.
pub struct State {
    chats: Chats,
    push: Push,
    /// How long an answer may take.
    answer_time: Duration,
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::events(
        |environment| {
            Some(State {
                chats: environment.chats(&environment.http()),
                push: environment.push(),
                answer_time: environment.seconds("LLM_SECONDS", 600.0),
            })
        },
        handle,
    )
}

/// Handles one batch of the queue.
pub async fn handle(state: Arc<State>, event: Box<RawValue>) -> Result<BatchResponse, Error> {
    let messages = queue::messages(event.get())?.ok_or("no messages of a queue")?;
    let mut response = BatchResponse::default();
    for message in messages {
        if !job::work(&state, &message).await {
            response.again(message.id);
        }
    }
    Ok(response)
}
