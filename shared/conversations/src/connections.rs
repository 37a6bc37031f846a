//! Ending the WebSocket connections of a person whose access has ended (G13).

use domain::ids::UserId;
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
        match push.close(&connection.connection_id).await {
            Ok(()) | Err(PushError::Gone) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not closed"),
        }
        store.remove_connection(&connection.connection_id).await?;
    }
    Ok(())
}
