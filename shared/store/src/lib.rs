//! The event log and the repositories, on DynamoDB.
//!
//! Data of an organization is reached through a [`Tenant`] only: its keys carry the organization, so a query that
//! forgets it cannot be written. [`Store`] itself offers what has no tenant yet: finding one by a number or an
//! address, set-up, connections and one-time things.
//!
//! Two tables: `core` keeps what must never be lost; `ephemeral` expires and has no backup. Each has a stream: that of
//! `core` feeds the fan-out and the reply queue, that of `ephemeral` the chat queue alone. The fan-out writes only to
//! `ephemeral`, so it can never wake itself. [`keys`] lists every key.

mod answers;
mod append;
mod calls;
mod chats;
mod clock;
mod connections;
mod contacts;
mod conversations;
mod credentials;
mod error;
mod exchanges;
mod guards;
mod inbox;
pub mod item;
pub mod keys;
mod leases;
mod log;
mod one_time;
mod organizations;
mod outgoing;
mod people;
mod points;
mod revocations;
mod runs;
mod subscriptions;
mod table;

pub use answers::CachedAnswer;
pub use append::{Append, Appended, Guard, MAX_EVENTS, Marker, Refused};
pub use chats::ChatPage;
pub use clock::now;
pub use connections::{Connection, Greeting};
pub use contacts::{ContactPage, NewContact};
pub use conversations::{ConversationFilter, ConversationPage};
pub use credentials::{Account, Credential, NewAccount};
pub use error::StoreError;
pub use exchanges::{Asked, Asking, Ended, Known, RequestKey};
pub use guards::{Limit, Once};
pub use inbox::{InboxPage, Verdict, Webhook, WebhookKind};
pub use leases::Lease;
pub use log::{Log, Thread};
pub use one_time::{Attempt, CodePurpose, Ticket};
pub use outgoing::{Claim, Outgoing, StatusChange};
pub use people::{Invitation, OwnChange};
pub use points::{Balance, Cause, DayOfUse, LedgerEntry};
pub use revocations::{Head, Watch};
pub use runs::{Batch, Maker, Run, Saved};
pub use subscriptions::{Subscription, SubscriptionState, Topic};

use aws_sdk_dynamodb::Client;
use domain::ids::OrganizationId;
use std::sync::Arc;

/// The two tables and a client for them.
#[derive(Clone)]
pub struct Store {
    client: Client,
    tables: Arc<Tables>,
}

/// Names of the two tables.
#[derive(Clone, Debug)]
pub struct Tables {
    /// What must never be lost; its stream feeds the fan-out.
    pub core: String,
    /// Connections, tickets, codes, markers.
    pub ephemeral: String,
}

impl Store {
    /// A store over a client.
    pub fn new(client: Client, tables: Tables) -> Self {
        Self { client, tables: Arc::new(tables) }
    }

    /// The handle through which one organization's data is reached.
    pub fn tenant(&self, organization_id: &OrganizationId) -> Tenant {
        Tenant { store: self.clone(), organization_id: organization_id.clone() }
    }

    fn core(&self) -> &str {
        &self.tables.core
    }

    fn ephemeral(&self) -> &str {
        &self.tables.ephemeral
    }
}

/// One organization's data, and nobody else's.
#[derive(Clone)]
pub struct Tenant {
    store: Store,
    organization_id: OrganizationId,
}

impl Tenant {
    /// Whose data this is.
    pub fn organization_id(&self) -> &OrganizationId {
        &self.organization_id
    }
}
