//! What nobody else would finish: controls of people who are gone, messages of senders that died.

use conversations::control::end_abandoned;
use conversations::reply::Replier;
use conversations::texting::organization;
use store::{StoreError, now};

/// Messages of one sweep; the next one goes on.
const MESSAGES: i32 = 50;

/// Runs one sweep.
pub(crate) async fn run(replier: &Replier) -> Result<(), StoreError> {
    let ended = end_abandoned(&replier.store).await?;
    // Whoever recorded a message sends it at once; only what is older was left behind.
    let waiting = replier.store.outbox(now().plus_seconds(-replier.texting.patience_seconds), MESSAGES).await?;
    let found = waiting.len();
    for message in waiting {
        let tenant = replier.store.tenant(&message.organization_id);
        let organization = organization(&tenant).await?;
        // In the order of its conversation, not only this one.
        replier.texting.deliver(&tenant, &organization, &message.conversation_id).await?;
    }
    if ended > 0 || found > 0 {
        tracing::info!(controls_ended = ended, messages_found = found, "swept");
    }
    Ok(())
}
