//! Telling an answer word by word, beside its making, to the person's connections that wish it (E20, G26).
//!
//! Each connection has a place of its own in the answer: one that comes late, or is slow, gets more at once. Nobody waits
//! for anybody, and the answer for nobody: what a connection has not got in the end is in the `response`.

use crate::State;
use crate::transcript::Transcript;
use conversations::chat::{Update, frames};
use conversations::delivery::{self, Delivery};
use domain::chat::Question;
use domain::ids::ConnectionId;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::time::Duration;
use store::{StoreError, Subscription, Tenant, Topic};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until, timeout};

/// Words that come within this time travel together.
const ROLL_UP: Duration = Duration::from_millis(40);
/// Time between two looks at who wishes to be told.
const LOOK: Duration = Duration::from_millis(400);
/// Time between two `typing` frames while nothing was said.
const TYPING: Duration = Duration::from_secs(5);
/// How long a connection is left alone that did not take a frame.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last words may hold up the end of the answer.
const FLUSH: Duration = Duration::from_millis(250);

/// A connection that is told.
struct Reader {
    subscription: Subscription,
    /// Tokens it has been told.
    told: usize,
    /// Whether a frame is on its way to it.
    is_busy: bool,
    /// Whether it is to be told that the answer still comes.
    wants_typing: bool,
    /// When it may be told more.
    next: Instant,
}

/// What became of a frame.
struct Posted {
    to: ConnectionId,
    /// Tokens that are told with it.
    told: usize,
    delivery: Result<Delivery, StoreError>,
}

struct Teller<'a> {
    state: &'a State,
    question: &'a Question,
    tenant: Tenant,
    transcript: Transcript,
    readers: HashMap<ConnectionId, Reader>,
    posts: FuturesUnordered<BoxFuture<'a, Posted>>,
    /// Least time between two frames to a connection.
    roll_up: Duration,
    /// Whether it is known who wishes to be told.
    has_looked: bool,
}

type Look = BoxFuture<'static, Result<Vec<Subscription>, StoreError>>;

/// Tells an answer until it is made, and a little longer.
pub(crate) async fn tell(state: &State, question: &Question, mut updates: Receiver<Update>) {
    let mut teller = Teller {
        state,
        question,
        tenant: state.chats.store.tenant(&question.organization_id),
        transcript: Transcript::default(),
        readers: HashMap::new(),
        posts: FuturesUnordered::new(),
        roll_up: ROLL_UP,
        has_looked: false,
    };
    let mut looking = teller.look(Instant::now());
    let mut typing = Instant::now() + TYPING;
    loop {
        teller.post_due();
        let due = teller.next_due();
        tokio::select! {
            update = updates.recv() => match update {
                Some(Update::Token { text, .. }) => teller.transcript.push(&text),
                Some(Update::Ended(_)) => {}
                None => break,
            },
            Some(posted) = teller.posts.next() => teller.posted(posted),
            found = &mut looking => {
                teller.found(found);
                looking = teller.look(Instant::now() + LOOK);
            }
            () = sleep_until(due.unwrap_or(typing)), if due.is_some() => {}
            () = sleep_until(typing), if teller.transcript.is_empty() => {
                typing += TYPING;
                teller.readers.values_mut().for_each(|reader| reader.wants_typing = true);
            }
        }
    }
    // Whoever is slower than this gets the rest with the response.
    let _ = timeout(FLUSH, teller.flush(looking)).await;
}

impl<'a> Teller<'a> {
    /// Looks who wishes to be told, at this time.
    fn look(&self, at: Instant) -> Look {
        let (tenant, topic) = (self.tenant.clone(), Topic::User(self.question.user_id.clone()));
        async move {
            sleep_until(at).await;
            tenant.subscribers(&topic).await
        }
        .boxed()
    }

    fn found(&mut self, found: Result<Vec<Subscription>, StoreError>) {
        self.has_looked = true;
        let subscriptions = match found {
            Ok(subscriptions) => subscriptions,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "nobody knows who wishes to be told words");
                return;
            }
        };
        self.readers.retain(|id, _| subscriptions.iter().any(|subscription| subscription.connection_id == *id));
        for subscription in subscriptions.into_iter().filter(|subscription| subscription.tokens) {
            let id = subscription.connection_id.clone();
            self.readers.entry(id).or_insert_with(|| Reader {
                subscription,
                told: 0,
                is_busy: false,
                wants_typing: false,
                next: Instant::now(),
            });
        }
    }

    /// Sends a frame to everybody who is due for one.
    fn post_due(&mut self) {
        let now = Instant::now();
        let Self { state, question, transcript, readers, posts, roll_up, .. } = self;
        for (id, reader) in readers.iter_mut().filter(|(_, reader)| !reader.is_busy && reader.next <= now) {
            let (frame, told) = match transcript.after(reader.told) {
                Some((text, told)) => (frames::token(question, text, u64::try_from(told).unwrap_or(u64::MAX)), told),
                None if reader.wants_typing => (frames::typing(&question.chat_id), reader.told),
                None => continue,
            };
            reader.wants_typing = false;
            reader.is_busy = true;
            reader.next = now + *roll_up;
            let (state, to, subscription) = (*state, id.clone(), reader.subscription.clone());
            let post = async move {
                let delivery = match frame {
                    Ok(frame) => delivery::tell(&state.chats.store, &state.push, &subscription, &frame).await,
                    Err(error) => Err(error.into()),
                };
                Posted { to, told, delivery }
            };
            posts.push(post.boxed());
        }
    }

    fn posted(&mut self, posted: Posted) {
        let Some(reader) = self.readers.get_mut(&posted.to) else { return };
        reader.is_busy = false;
        match posted.delivery {
            Ok(Delivery::Sent) => reader.told = posted.told,
            Ok(Delivery::Gone | Delivery::TooSlow) => {
                self.readers.remove(&posted.to);
            }
            Ok(Delivery::NotYet | Delivery::Failed) => reader.next = Instant::now() + PAUSE,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "words were not told");
                reader.next = Instant::now() + PAUSE;
            }
        }
    }

    /// When somebody is due for a frame.
    fn next_due(&self) -> Option<Instant> {
        let has_news = |reader: &&Reader| reader.told < self.transcript.len() || reader.wants_typing;
        self.readers.values().filter(|reader| !reader.is_busy).filter(has_news).map(|reader| reader.next).min()
    }

    /// Tells everybody the rest, as far as they take it.
    async fn flush(&mut self, looking: Look) {
        // An answer may be quicker than the first look.
        if !self.has_looked {
            let found = looking.await;
            self.found(found);
        }
        self.roll_up = Duration::ZERO;
        let now = Instant::now();
        self.readers.values_mut().for_each(|reader| reader.next = now);
        loop {
            self.post_due();
            match self.posts.next().await {
                Some(posted) => self.posted(posted),
                None => return,
            }
        }
    }
}
