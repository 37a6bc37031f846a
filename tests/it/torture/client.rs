//! A client as one should be written: it remembers the last number it has, resumes there on either transport, and drops
//! what it has already. It never puts anything in order.

use crate::support::cloud::Cloud;
use crate::support::dice::Dice;
use crate::support::in_time;
use crate::support::socket::{Socket, events};
use crate::support::sse::Block;
use tokio::sync::watch;

pub(super) struct Client<'a> {
    cloud: &'a Cloud,
    email: &'a str,
    conversation: &'a str,
    progress: &'a watch::Sender<u64>,
    start: u64,
    seen: Vec<u64>,
    pub(super) cuts: u32,
    pub(super) by_stream: usize,
    pub(super) by_socket: usize,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        cloud: &'a Cloud,
        email: &'a str,
        conversation: &'a str,
        start: u64,
        progress: &'a watch::Sender<u64>,
    ) -> Self {
        let (seen, cuts, by_stream, by_socket) = (Vec::new(), 0, 0, 0);
        Self { cloud, email, conversation, progress, start, seen, cuts, by_stream, by_socket }
    }

    fn cursor(&self) -> u64 {
        self.seen.last().copied().unwrap_or(self.start)
    }

    /// Takes numbers in, up to the one at which the connection is cut; false when it is.
    fn take(&mut self, numbers: impl IntoIterator<Item = u64>, cut_at: u64) -> bool {
        for number in numbers {
            if number > self.cursor() {
                self.seen.push(number);
                self.progress.send_replace(number);
            }
            if self.cursor() >= cut_at {
                return false;
            }
        }
        true
    }

    /// Reads until `last`, on connections that are cut at any place, in the middle of a frame too.
    pub(super) async fn run_until(&mut self, last: u64, seed: u64) {
        let mut dice = Dice::new(seed);
        while self.cursor() < last {
            // Mostly short: those are in the past when they are cut. The long ones come into the present.
            let length = if dice.below(4) == 0 { dice.between(40, 160) } else { dice.between(1, 25) };
            let cut_at = (self.cursor() + length).min(last);
            let before = self.seen.len();
            if dice.below(2) == 0 {
                self.read_stream(cut_at).await;
                self.by_stream += self.seen.len() - before;
            } else {
                self.read_socket(cut_at).await;
                self.by_socket += self.seen.len() - before;
            }
            self.cuts += 1;
        }
    }

    async fn read_stream(&mut self, cut_at: u64) {
        let mut stream = self.cloud.stream(self.conversation, self.email, Some(self.cursor())).await;
        while let Some(block) = stream.next().await {
            if !self.take(numbers(&block), cut_at) {
                return;
            }
        }
    }

    async fn read_socket(&mut self, cut_at: u64) {
        let url = format!("{}?token={}", self.cloud.info.websocket_url, self.cloud.token(self.email));
        // Under chaos a function may refuse; a client tries again.
        let Ok(mut socket) = Socket::connect(&url).await else { return };
        socket.subscribe(self.conversation, Some(self.cursor())).await;
        let read = async {
            while let Some(frame) = socket.next().await {
                let numbers = events(&frame).into_iter().map(|event| event["seq"].as_u64().unwrap());
                if !self.take(numbers.collect::<Vec<_>>(), cut_at) {
                    return;
                }
            }
        };
        in_time("the events before the cut", read).await;
    }

    /// Every number once, strictly in order.
    pub(super) fn assert_saw_all(&self, last: u64) {
        assert_eq!(self.seen, (self.start + 1..=last).collect::<Vec<_>>());
    }
}

fn numbers(block: &Block) -> Vec<u64> {
    let numbers = block.seqs();
    if let (Some(id), Some(last)) = (block.id, numbers.last()) {
        assert_eq!(id, *last, "a block's id is the number of its last event");
    }
    numbers
}
