//! Ending WebSocket connections: those of a person whose access has ended (G13), and single ones.

use domain::ids::{ConnectionId, UserId};
use providers::push::{Push, PushError};
use store::{Store, StoreError, Subscription, Tenant, Topic};

/// Closes those of a person's connections that `which` takes, and forgets them: nothing is told to them any more.
pub async fn close(
    store: &Store,
    push: &Push,
    tenant: &Tenant,
    person: &UserId,
    which: impl Fn(&Subscription) -> bool,
) -> Result<(), StoreError> {
    for connection in tenant.subscribers(&Topic::User(person.clone())).await?.into_iter().filter(which) {
        end(store, push, &connection.connection_id).await?;
    }
    Ok(())
}

/// Closes a connection from our side and forgets it.
pub async fn end(store: &Store, push: &Push, id: &ConnectionId) -> Result<(), StoreError> {
    match push.close(id).await {
        Ok(()) | Err(PushError::Gone) => {}
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not closed"),
    }
    store.remove_connection(id).await
}
