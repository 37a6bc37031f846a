//! What the tests stand on: a local cloud of their own ([`cloud::Cloud`]), ways behind its stage ([`backstage`]), clients
//! for its SSE ([`sse`]) and WebSocket ([`socket`]), signed webhooks ([`twilio`], [`elevenlabs`]), people in control
//! ([`control`]) or asking the model ([`answers_sse`]), the providers' side ([`stand_ins`], [`pipeline`]), servers of one
//! answer ([`answers`]), programs of others ([`clients`]), functions to kill ([`process`]) and to wait for
//! ([`followup`]), conversations of a test's own ([`threads`]), chats ([`chats`], over a socket [`chat_socket`]) and chance
//! ([`dice`]).
//! Nothing waits for a fixed time; everything has a deadline.

pub(crate) mod answers;
pub(crate) mod answers_sse;
pub(crate) mod backstage;
pub(crate) mod chat_socket;
pub(crate) mod chats;
pub(crate) mod clients;
pub(crate) mod cloud;
pub(crate) mod control;
pub(crate) mod dice;
pub(crate) mod elevenlabs;
pub(crate) mod followup;
pub(crate) mod pipeline;
pub(crate) mod process;
pub(crate) mod socket;
pub(crate) mod sse;
pub(crate) mod stand_ins;
pub(crate) mod stream;
pub(crate) mod threads;
pub(crate) mod twilio;

use std::future::Future;
use std::time::Duration;

/// How long anything may take before a test fails. Far above what it takes, because machines are busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {DEADLINE:?}: {what}"),
    }
}

/// Asks again and again until the answer is there.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    in_time(what, async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}
