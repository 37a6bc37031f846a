//! The open connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::event::Peer;
use crate::http::system;

/// Frames that wait for a slow client before posts are refused.
const QUEUE_FRAMES: usize = 256;

/// Bytes that wait for a slow client before posts are refused.
const QUEUE_BYTES: usize = 1024 * 1024;

/// Age below which chaos may call a connection gone: clients of `@connections` have to expect that of a new one.
const YOUNG_MS: u64 = 10_000;

/// The connections of the WebSocket API, shared by the clients' side and `@connections`. Cheap to clone.
#[derive(Clone, Default)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    connections: Mutex<HashMap<String, Arc<Connection>>>,
    chaos: Mutex<Option<Chaos>>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").field("connections", &self.len()).finish()
    }
}

/// One connection.
pub(super) struct Connection {
    pub(super) peer: Peer,
    last_active: AtomicU64,
    queue: mpsc::Sender<Bytes>,
    queued_bytes: AtomicUsize,
    /// Told when `@connections` deletes the connection.
    pub(super) deleted: Notify,
}

/// Why a post was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Gone,
    /// The client reads too slowly, or chaos says so.
    Limit,
}

impl Hub {
    /// How many connections are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections().len()
    }

    /// Whether no connection is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes `@connections` misbehave now and then, in a way that repeats for the same seed.
    pub(super) fn disturb(&self, seed: Option<u64>) {
        *self.inner.chaos.lock().unwrap_or_else(PoisonError::into_inner) = seed.map(Chaos);
    }

    pub(super) fn open(&self, peer: Peer) -> (Arc<Connection>, mpsc::Receiver<Bytes>) {
        let (queue, outbox) = mpsc::channel(QUEUE_FRAMES);
        let connection = Arc::new(Connection {
            last_active: AtomicU64::new(peer.connected_at),
            peer,
            queue,
            queued_bytes: AtomicUsize::new(0),
            deleted: Notify::new(),
        });
        self.connections().insert(connection.peer.connection_id.clone(), Arc::clone(&connection));
        (connection, outbox)
    }

    pub(super) fn close(&self, id: &str) {
        self.connections().remove(id);
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Connection>> {
        self.connections().get(id).cloned()
    }

    /// What a function posts to a connection.
    pub(super) fn post(&self, id: &str, payload: Bytes) -> Result<(), Refused> {
        let connection = self.get(id).ok_or(Refused::Gone)?;
        let age_ms = system::now_ms().saturating_sub(connection.peer.connected_at);
        let mut chaos = self.inner.chaos.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = chaos.as_mut().and_then(|chaos| chaos.strike(age_ms)) {
            return Err(refused);
        }
        drop(chaos);
        connection.send(payload)
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.inner.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Queues a message for the client.
    pub(super) fn send(&self, payload: Bytes) -> Result<(), Refused> {
        let length = payload.len();
        let before = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        let refused = if before > 0 && before + length > QUEUE_BYTES {
            Refused::Limit
        } else {
            match self.queue.try_send(payload) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => Refused::Limit,
                Err(mpsc::error::TrySendError::Closed(_)) => Refused::Gone,
            }
        };
        self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        Err(refused)
    }

    /// A message has left the queue.
    pub(super) fn sent(&self, length: usize) {
        self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        self.touch();
    }

    /// A frame went by.
    pub(super) fn touch(&self) {
        self.last_active.store(system::now_ms(), Ordering::Relaxed);
    }

    pub(super) fn last_active(&self) -> u64 {
        self.last_active.load(Ordering::Relaxed)
    }
}

/// A SplitMix64 generator: good enough dice, and the same throws for the same seed.
struct Chaos(u64);

impl Chaos {
    fn strike(&mut self, age_ms: u64) -> Option<Refused> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut throw = self.0;
        throw = (throw ^ (throw >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        throw = (throw ^ (throw >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        match (throw ^ (throw >> 31)) % 16 {
            0 => Some(Refused::Limit),
            1 | 2 if age_ms < YOUNG_MS => Some(Refused::Gone),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: &str) -> Peer {
        Peer {
            connection_id: id.to_owned(),
            connected_at: system::now_ms(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            host: "localhost".to_owned(),
            domain_name: "localhost".to_owned(),
        }
    }

    #[test]
    fn a_slow_client_is_refused_by_frames_and_by_bytes() {
        let hub = Hub::default();
        let (_, mut outbox) = hub.open(peer("a="));
        for _ in 0..QUEUE_FRAMES {
            assert_eq!(hub.post("a=", Bytes::from_static(b"x")), Ok(()));
        }
        assert_eq!(hub.post("a=", Bytes::from_static(b"x")), Err(Refused::Limit));
        outbox.try_recv().unwrap();
        assert_eq!(hub.post("a=", Bytes::from_static(b"x")), Ok(()));

        let (_, _outbox) = hub.open(peer("b="));
        let large = Bytes::from(vec![0; 128 * 1024]);
        let taken = (0..20).take_while(|_| hub.post("b=", large.clone()).is_ok()).count();
        assert_eq!(taken, QUEUE_BYTES / large.len());
    }

    #[test]
    fn what_is_closed_is_gone() {
        let hub = Hub::default();
        let (_, outbox) = hub.open(peer("a="));
        assert_eq!(hub.len(), 1);
        drop(outbox);
        assert_eq!(hub.post("a=", Bytes::new()), Err(Refused::Gone));
        hub.close("a=");
        assert_eq!(hub.post("a=", Bytes::new()), Err(Refused::Gone));
        assert!(hub.is_empty());
    }

    #[test]
    fn chaos_repeats_for_its_seed() {
        let throws = |seed| {
            let mut chaos = Chaos(seed);
            (0..200).map(|_| chaos.strike(0)).collect::<Vec<_>>()
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
        assert!(throws(7).contains(&Some(Refused::Gone)) && throws(7).contains(&Some(Refused::Limit)));
        let mut old = Chaos(7);
        assert!((0..200).all(|_| old.strike(YOUNG_MS) != Some(Refused::Gone)));
    }
}
