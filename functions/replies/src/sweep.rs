//! What nobody else would finish: controls of people who are gone, messages of senders that died, answers whose maker died.

use conversations::reply::Replier;
use conversations::texting::organization;
use conversations::{chat, control};
use store::{StoreError, now};

/// Messages of one sweep, and answers; the next one goes on.
const MESSAGES: i32 = 50;
const ANSWERS: i32 = 200;
/// An answer that was asked for since is somebody's: a lease is shorter.
const ANSWER_SECONDS: i64 = 20;

/// Runs one sweep. What fails of it does not keep the rest from being done.
pub(crate) async fn run(replier: &Replier) -> Result<(), StoreError> {
    let (controls, messages, answers) = tokio::join!(
        control::end_abandoned(&replier.store),
        send_unsent(replier),
        chat::end_abandoned(&replier.store, now().plus_seconds(-ANSWER_SECONDS), ANSWERS),
    );
    let (controls_ended, messages_found, answers_ended) = (controls?, messages?, answers?);
    if controls_ended > 0 || messages_found > 0 || answers_ended > 0 {
        tracing::info!(controls_ended, messages_found, answers_ended, "swept");
    }
    Ok(())
}

async fn send_unsent(replier: &Replier) -> Result<usize, StoreError> {
    // Whoever recorded a message sends it at once; only what is older was left behind.
    let waiting = replier.store.outbox(now().plus_seconds(-replier.texting.patience_seconds), MESSAGES).await?;
    let found = waiting.len();
    for message in waiting {
        let tenant = replier.store.tenant(&message.organization_id);
        let organization = organization(&tenant).await?;
        // In the order of its conversation, not only this one.
        replier.texting.deliver(&tenant, &organization, &message.conversation_id).await?;
    }
    Ok(found)
}
