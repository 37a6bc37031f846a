//! The first frame of a connection: `connected` (E02). `$connect` cannot send it, because the connection stands only when
//! that invocation has returned (L5).

use crate::{State, Tally};
use conversations::delivery::{self, Delivery};
use domain::ids::ConnectionId;
use store::StoreError;

const CONNECTED: &[u8] = br#"{"type":"connected"}"#;

pub(crate) async fn greet(state: &State, id: &ConnectionId) -> Tally {
    match try_greet(state, id).await {
        Ok(tally) => tally,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a connection could not be greeted");
            Tally { failed: true, ..Tally::default() }
        }
    }
}

async fn try_greet(state: &State, id: &ConnectionId) -> Result<Tally, StoreError> {
    // Whoever claims it greets it: this, or the answer to a first frame that came earlier.
    let Some(connection) = state.store.connection(id).await? else { return Ok(Tally::default()) };
    if !state.store.claim_greeting(id).await? {
        return Ok(Tally { repeats: 1, ..Tally::default() });
    }
    match delivery::post(&state.push, id, connection.connected_at, CONNECTED).await {
        Delivery::Sent => {
            state.store.greeting_sent(id).await?;
            Ok(Tally { posts: 1, ..Tally::default() })
        }
        Delivery::Gone | Delivery::NotYet | Delivery::TooSlow | Delivery::Failed => {
            state.store.remove_connection(id).await?;
            Ok(Tally { gone: 1, ..Tally::default() })
        }
    }
}
