//! Getting a frame to a WebSocket client, with the patience that each kind of failure deserves.

use crate::connections;
use domain::ids::ConnectionId;
use domain::time::Timestamp;
use providers::push::{Push, PushError};
use std::time::Duration;
use store::{Store, StoreError, Subscription, now};

/// A connection younger than this may not stand yet (L5): its 410 is no reason to forget it.
const YOUNG_MILLIS: i64 = 10_000;
/// First wait before another try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(25);
/// Tries for a connection that is throttled or fails.
const TRIES: u32 = 4;
/// Tries for one that may not stand yet: about 1.5 s in all.
const YOUNG_TRIES: u32 = 7;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Sent,
    /// The connection is gone for good: forget it.
    Gone,
    /// The connection does not stand yet, or not any more; too young to tell.
    NotYet,
    /// The client reads too slowly. Close it: it resumes by number.
    TooSlow,
    /// The gateway failed.
    Failed,
}

/// Posts a frame to a reader. One that is gone is forgotten; one that reads too slowly, or whose token has ended, is
/// closed and then gone.
pub async fn tell(store: &Store, push: &Push, reader: &Subscription, frame: &[u8]) -> Result<Delivery, StoreError> {
    let id = &reader.connection_id;
    if reader.principal.expires_at <= now().seconds() {
        connections::end(store, push, id).await?;
        return Ok(Delivery::Gone);
    }
    match post(push, id, reader.connected_at, frame).await {
        Delivery::Gone => store.remove_connection(id).await?,
        // One slow client must not hold up the others: it comes back, and resumes.
        Delivery::TooSlow => connections::end(store, push, id).await?,
        delivery @ (Delivery::Sent | Delivery::NotYet | Delivery::Failed) => return Ok(delivery),
    }
    Ok(Delivery::Gone)
}

/// Posts a frame to a connection made at `connected_at`.
pub async fn post(push: &Push, id: &ConnectionId, connected_at: Timestamp, frame: &[u8]) -> Delivery {
    let mut wait = FIRST_WAIT;
    let mut tried = 0;
    loop {
        tried += 1;
        let (outcome, tries) = match push.send(id, frame).await {
            Ok(()) => return Delivery::Sent,
            Err(PushError::Gone) if is_young(connected_at) => (Delivery::NotYet, YOUNG_TRIES),
            Err(PushError::Gone) => return Delivery::Gone,
            Err(PushError::Throttled) => (Delivery::TooSlow, TRIES),
            Err(error @ (PushError::TooLarge | PushError::Forbidden)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a frame cannot be posted");
                return Delivery::Failed;
            }
            Err(error @ PushError::Failed(_)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a post failed");
                (Delivery::Failed, TRIES)
            }
        };
        if tried >= tries {
            return outcome;
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

fn is_young(connected_at: Timestamp) -> bool {
    now().millis() - connected_at.millis() < YOUNG_MILLIS
}
