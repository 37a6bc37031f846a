//! What each connection has been sent, and its turn: one writer per connection at a time.
//!
//! The memory lives as long as the execution environment. It makes repeats invisible and gaps repairable in the usual
//! case; after a cold start the numbers in every frame let clients do the same.

use crate::news::What;
use domain::ids::{ConnectionId, ConversationId, ExchangeId};
use domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Thread, now};

/// Connections remembered before the memory starts over.
const MAX_CONNECTIONS: usize = 50_000;

/// Under what a number is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// Events of a thread.
    Thread(Thread),
    /// The inbox's frames about a conversation.
    Inbox(ConversationId),
    /// Frames about an exchange of a chat; the number says nothing.
    Exchange(ExchangeId, What),
}

/// The latest number sent of each.
pub(crate) type Sent = HashMap<Mark, u64>;

/// The memory of all connections.
pub(crate) struct Desk {
    memory: Mutex<Memory>,
}

struct Memory {
    since: Timestamp,
    connections: HashMap<ConnectionId, Arc<tokio::sync::Mutex<Sent>>>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { memory: Mutex::new(Memory { since: now(), connections: HashMap::new() }) }
    }

    /// Since when nothing has been forgotten: a subscription made later has had exactly what its catch-up reached.
    pub(crate) fn remembers_since(&self) -> Timestamp {
        self.memory().since
    }

    /// A connection's memory. Whoever holds its lock is the only one to post to the connection.
    pub(crate) fn of(&self, id: &ConnectionId) -> Arc<tokio::sync::Mutex<Sent>> {
        let mut memory = self.memory();
        if memory.connections.len() >= MAX_CONNECTIONS {
            *memory = Memory { since: now(), connections: HashMap::new() };
        }
        memory.connections.entry(id.clone()).or_default().clone()
    }

    /// Forgets a connection that is gone.
    pub(crate) fn forget(&self, id: &ConnectionId) {
        self.memory().connections.remove(id);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
