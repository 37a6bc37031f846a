//! From the table's stream to WebSocket clients: the one place that pushes what happens.
//!
//! A batch is read once ([`batch`]), its events are grouped by conversation, and each group goes to whoever reads the
//! conversation, its contact or the inbox ([`audience`]); questions and answers of chats ([`news`]) go to all connections
//! of the person whose chat it is ([`chats`]). Each connection gets its frames one after the other ([`desk`]), different
//! connections in parallel.
//!
//! Stream records come at least once and, after a retry, again; they are a reason to look, not the order itself. What a
//! connection has had is remembered per thread, so that a repeated record changes nothing and a missing one is read from
//! the log. Writes go to `ephemeral` only, which has no stream: the fan-out can never wake itself.

mod audience;
mod batch;
mod chats;
mod desk;
mod greeting;
mod news;

use batch::{Group, Work};
use desk::Desk;
use futures_util::{StreamExt, stream};
use lambda_runtime::Error;
use news::News;
use providers::push::Push;
use runtime::BatchResponse;
use runtime::metrics::{self, Unit};
use serde_json::value::RawValue;
use std::process::ExitCode;
use std::sync::Arc;
use store::{Store, now};

/// Conversations and chats of a batch that are worked on at once.
const PARALLEL_GROUPS: usize = 16;

/// All this function may touch.
pub struct State {
    store: Store,
    push: Push,
    desk: Desk,
}

/// What a piece of work came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) posts: u32,
    pub(crate) gone: u32,
    pub(crate) repeats: u32,
    pub(crate) failed: bool,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.posts += other.posts;
        self.gone += other.gone;
        self.repeats += other.repeats;
        self.failed |= other.failed;
    }
}

/// Runs the function.
pub fn main() -> ExitCode {
    runtime::events(
        |environment| Some(State { store: environment.store(), push: environment.push(), desk: Desk::new() }),
        handle,
    )
}

/// Handles one batch of the stream.
pub async fn handle(state: Arc<State>, event: Box<RawValue>) -> Result<BatchResponse, Error> {
    let work = batch::read(event.get())?;
    let oldest = work.oldest_millis;
    let outcomes: Vec<(String, Tally)> = stream::iter(pieces(work))
        .map(|piece| do_piece(&state, piece))
        .buffer_unordered(PARALLEL_GROUPS)
        .collect()
        .await;
    let mut total = Tally::default();
    let mut response = BatchResponse::default();
    for (sequence_number, tally) in outcomes {
        total.add(tally);
        if tally.failed {
            response.again(sequence_number);
        }
    }
    report(oldest, total, response.failures());
    Ok(response)
}

enum Piece {
    Group(Group),
    Chat(News),
    Greeting(batch::Greeting),
}

fn pieces(work: Work) -> Vec<Piece> {
    let groups = work.groups.into_iter().map(Piece::Group);
    let chats = work.chats.into_iter().map(Piece::Chat);
    groups.chain(chats).chain(work.greetings.into_iter().map(Piece::Greeting)).collect()
}

async fn do_piece(state: &State, piece: Piece) -> (String, Tally) {
    match piece {
        Piece::Group(group) => {
            let tally = audience::tell(state, &group).await;
            (group.sequence_number, tally)
        }
        Piece::Chat(news) => {
            let tally = chats::tell(state, &news).await;
            (news.sequence_number, tally)
        }
        Piece::Greeting(greeting) => {
            let tally = greeting::greet(state, &greeting.connection_id).await;
            (greeting.sequence_number, tally)
        }
    }
}

fn report(oldest_millis: Option<i64>, total: Tally, failures: usize) {
    let lag = oldest_millis.map_or(0, |oldest| (now().millis() - oldest).max(0));
    #[expect(clippy::cast_precision_loss, reason = "a metric needs no 53 bits")]
    let metrics = [
        ("FanoutLag", lag as f64, Unit::Milliseconds),
        ("Posts", f64::from(total.posts), Unit::Count),
        ("GoneConnections", f64::from(total.gone), Unit::Count),
        ("Repeats", f64::from(total.repeats), Unit::Count),
        ("FailedRecords", failures as f64, Unit::Count),
    ];
    metrics::emit("fanout", &metrics);
}
