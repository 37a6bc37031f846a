//! A client that leaves, asks again, stops, and puts up with everything.

use super::{FATES, PEOPLE, STREAMS};
use crate::support::cloud::Cloud;
use crate::support::dice::Dice;
use crate::support::sse::Sse;
use futures_util::future::join;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// What one client was told of one answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Its exchange.
    pub(super) message_id: String,
    /// What it was asked: as often as it was asked, it is the same exchange.
    pub(super) key: String,
    /// The last event, where the client stayed for it.
    pub(super) end: Option<Value>,
    /// The tokens that it got.
    pub(super) text: String,
}

/// The way of asking in which the answer is stopped.
const STOPS: u64 = 1;

/// When a client leaves.
#[derive(Clone, Copy)]
enum Leaves {
    AtTheEnd,
    /// Before it knows that there is an answer.
    AtOnce(Duration),
    After(usize),
}

pub(super) struct Client<'a> {
    cloud: &'a Cloud,
    begun: &'a watch::Sender<usize>,
    dice: Dice,
    seed: u64,
    asked: usize,
    /// Its chat with each person's token.
    chats: BTreeMap<&'static str, String>,
    seen: Vec<Seen>,
}

impl<'a> Client<'a> {
    pub(super) fn new(cloud: &'a Cloud, seed: u64, begun: &'a watch::Sender<usize>) -> Self {
        let (chats, seen) = (BTreeMap::new(), Vec::new());
        Self { cloud, begun, dice: Dice::new(seed), seed, asked: 0, chats, seen }
    }

    /// Asks until all have asked enough; what it was told.
    pub(super) async fn run(mut self) -> Vec<Seen> {
        while *self.begun.borrow() < STREAMS {
            self.asked += 1;
            self.one().await;
        }
        self.seen
    }

    async fn one(&mut self) {
        let email = PEOPLE[self.dice.below(PEOPLE.len() as u64) as usize];
        let key = format!("key-{}-{}", self.seed, self.asked);
        let way = self.dice.below(6);
        // A stop takes its time to get there.
        let fate = if way == STOPS { "(slow)" } else { fate(&mut self.dice) };
        let mut body = json!({"message": format!("{key} {fate}"), "max_tokens": 60});
        if self.dice.below(2) == 0
            && let Some(chat) = self.chats.get(email)
        {
            body["interaction_id"] = chat.as_str().into();
        }
        let request = || self.cloud.ask(email, &body).header("idempotency-key", &key);
        let leaves = leaves(&mut self.dice);
        let seen = match way {
            // Twice at once, as a client does whose first answer was slow to come.
            0 => {
                let (one, two) = join(
                    self.follow(request(), leaves, false, email),
                    self.follow(request(), Leaves::AtTheEnd, false, email),
                )
                .await;
                vec![one, two]
            }
            STOPS => vec![self.follow(request(), Leaves::AtTheEnd, true, email).await],
            // Again, after it left.
            2 => {
                let first = self.follow(request(), leaves, false, email).await;
                vec![first, self.follow(request(), Leaves::AtTheEnd, false, email).await]
            }
            _ => vec![self.follow(request(), leaves, false, email).await],
        };
        for (chat, seen) in seen.into_iter().flatten() {
            self.chats.insert(email, chat);
            self.seen.push(Seen { key: key.clone(), ..seen });
        }
    }

    /// Sends a request until somebody takes it or refuses it; reads as long as it likes. Its chat, and what it saw.
    async fn follow(
        &self,
        request: RequestBuilder,
        leaves: Leaves,
        stops: bool,
        email: &str,
    ) -> Option<(String, Seen)> {
        if let Leaves::AtOnce(patience) = leaves {
            // Where this is in time, the answer is left unread.
            let _ = tokio::time::timeout(patience, request.send()).await;
            return None;
        }
        let mut stream = Sse::of(self.accepted(request).await?);
        let metadata = stream.next().await?.data;
        self.begun.send_modify(|begun| *begun += 1);
        let chat = metadata["interaction_id"].as_str()?.to_owned();
        let message_id = metadata["message_id"].as_str()?.to_owned();
        let mut seen = Seen { message_id, ..Seen::default() };
        for count in 1.. {
            if matches!(leaves, Leaves::After(most) if count > most) {
                break;
            }
            if stops && count == 1 {
                // A process that has just died stops nothing.
                let path = format!("/api/stream/interactions/{chat}/stop");
                let _ = self.cloud.request(reqwest::Method::POST, &path, email).send().await;
            }
            let Some(block) = stream.next().await else { break };
            match block.name() {
                "token" => seen.text.push_str(block.data["content"].as_str()?),
                _ => seen.end = Some(block.data),
            }
        }
        Some((chat, seen))
    }

    /// The stream, or `None` where there is to be none.
    async fn accepted(&self, request: RequestBuilder) -> Option<Response> {
        loop {
            let Ok(response) = request.try_clone()?.send().await else { continue };
            match response.status() {
                StatusCode::OK => return Some(response),
                // Points are used up; another answer of the chat is under way; the chat's first question was lost.
                StatusCode::PAYMENT_REQUIRED | StatusCode::CONFLICT | StatusCode::NOT_FOUND => return None,
                status if status.is_server_error() => {}
                status => panic!("{status}: {}", response.text().await.unwrap()),
            }
        }
    }
}

fn fate(dice: &mut Dice) -> &'static str {
    let mut roll = dice.below(FATES.iter().map(|(_, share)| share).sum());
    for (fate, share) in FATES {
        if roll < share {
            return fate;
        }
        roll -= share;
    }
    unreachable!()
}

fn leaves(dice: &mut Dice) -> Leaves {
    match dice.below(10) {
        0 => Leaves::AtOnce(Duration::from_millis(dice.between(1, 60))),
        1..=4 => Leaves::After(dice.between(1, 12) as usize),
        _ => Leaves::AtTheEnd,
    }
}
