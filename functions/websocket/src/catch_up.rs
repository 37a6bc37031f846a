//! What a new reader has missed, posted in order before the fan-out takes over (see `store::subscriptions`).

use crate::frames::{Answer, Named};
use crate::{State, message};
use conversations::frames;
use domain::access::{may_view, retain_visible};
use store::{Connection, Subscription, Tenant, Thread, Topic};
use web::{ApiError, Code};

/// Events read and posted at once.
const BATCH: usize = 200;

/// Posts the log after the subscription's number, then `subscribed`, until the subscription is live. `subscribed` comes
/// while nobody else posts, so that no later event can overtake it.
pub(crate) async fn run(
    state: &State,
    tenant: &Tenant,
    subscription: &Subscription,
    topic: &Topic,
    thread: &Thread,
    named: &Named,
) -> Result<(), ApiError> {
    let connection =
        Connection::new(subscription.connection_id.clone(), subscription.principal.clone(), subscription.connected_at);
    let (mut reached, mut announced) = (subscription.reached, false);
    loop {
        let mut events = tenant.events_after(thread, reached, BATCH).await?;
        let more = events.len() == BATCH;
        if let Some(last) = events.last() {
            // Of a contact's conversations some may be another's; what may not be seen is left out below.
            if matches!(thread, Thread::Conversation(_)) {
                may_view(&subscription.principal, tenant.organization_id(), last.state.admin_id.as_ref())?;
            }
            let end = thread.seq_of(last);
            retain_visible(&subscription.principal, &mut events);
            // A contact's events may belong to several conversations; a frame holds one's.
            for run in events.chunk_by(|a, b| a.conversation_id == b.conversation_id) {
                for frame in frames::of_events(run).map_err(|_| Code::Internal)? {
                    if !message::deliver(state, &connection, &frame).await {
                        return Ok(());
                    }
                }
            }
            reached = end;
        }
        if more {
            continue;
        }
        if !announced {
            message::send(state, &connection, &Answer::Subscribed { subject: named, seq: reached }).await;
            announced = true;
        }
        if tenant.go_live(topic, &connection.id, reached).await? {
            return Ok(());
        }
    }
}
