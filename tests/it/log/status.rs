//! Delivery states of messages of ours: in any order, doubled, and before our own record.

use crate::support::backstage::said;
use crate::support::cloud::Cloud;
use crate::support::dice::Dice;
use crate::support::threads::{log_of, open, phone};
use domain::conversation::Medium;
use domain::event::{Event, EventBody};
use domain::ids::ConversationId;
use domain::message::messages;
use domain::sms::MessageStatus::{self, Accepted, Delivered, Queued, Read, Sending, Sent, Undelivered};
use domain::time::Zone;
use futures_util::future::join_all;
use store::{Append, StatusChange, Tenant, Thread, now};

async fn send(tenant: &Tenant, id: &ConversationId, provider_id: &str) {
    let body = EventBody::SmsSent {
        text: "on its way".into(),
        from: phone("+14155550110"),
        provider_id: Some(provider_id.into()),
        answers: 0,
    };
    tenant.append(id, Append::new(vec![body], now())).await.unwrap().unwrap();
}

async fn arrive(tenant: &Tenant, provider_id: &str, status: MessageStatus) -> StatusChange {
    tenant.sms_status(provider_id, status, None, now()).await.unwrap()
}

async fn events(tenant: &Tenant, id: &ConversationId) -> Vec<Event> {
    log_of(tenant, &Thread::Conversation(id.clone())).await
}

/// The states of a message that the log tells, in its order.
fn told(events: &[Event], message: &str) -> Vec<MessageStatus> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::SmsStatus { provider_id, status, .. } if provider_id.as_deref() == Some(message) => {
                Some(*status)
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn shuffled_and_doubled_callbacks_only_ever_move_a_message_forward() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let id = open(&tenant, "conv_1", "+14155550177", Medium::Sms).await;
    for seed in 0..12 {
        let message = format!("SM{seed}");
        send(&tenant, &id, &message).await;
        let mut dice = Dice::new(seed);
        let last = if dice.below(2) == 0 { Delivered } else { Undelivered };
        let mut callbacks = [Accepted, Queued, Sending, Sent, last].repeat(2);
        dice.shuffle(&mut callbacks);

        let mut accepted = 0;
        for status in &callbacks {
            accepted += usize::from(arrive(&tenant, &message, *status).await == StatusChange::Appended);
        }

        let events = events(&tenant, &id).await;
        let told = told(&events, &message);
        assert!(told.windows(2).all(|pair| pair[0].rank() < pair[1].rank()), "seed {seed}: {told:?}");
        assert_eq!(told.len(), accepted, "one event for each accepted state");
        assert_eq!(told.last(), Some(&last));
        assert_eq!(told.first(), callbacks.first(), "whatever comes first is news");
        let shown = messages(&events, &Zone::utc()).last().unwrap().delivery_status;
        assert_eq!(shown, Some(last));
    }
}

#[tokio::test]
async fn one_state_many_times_at_once_is_one_event() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let id = open(&tenant, "conv_1", "+14155550177", Medium::Sms).await;
    send(&tenant, &id, "SM1").await;

    let changes = join_all((0..10).map(|_| arrive(&tenant, "SM1", Delivered))).await;

    let appended = changes.iter().filter(|change| **change == StatusChange::Appended).count();
    assert_eq!(appended, 1, "{changes:?}");
    assert_eq!(told(&events(&tenant, &id).await, "SM1"), [Delivered]);
}

#[tokio::test]
async fn a_callback_before_our_record_of_the_message_is_kept() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let id = open(&tenant, "conv_1", "+14155550177", Medium::Sms).await;
    assert_eq!(arrive(&tenant, "SM1", Delivered).await, StatusChange::Unknown);
    send(&tenant, &id, "SM1").await;

    assert_eq!(arrive(&tenant, "SM1", Sent).await, StatusChange::Stale, "the earlier state does not come back");
    assert_eq!(arrive(&tenant, "SM1", Delivered).await, StatusChange::Appended, "the provider's retry is told");
    assert_eq!(arrive(&tenant, "SM1", Delivered).await, StatusChange::Stale);
    assert_eq!(arrive(&tenant, "SM1", Read).await, StatusChange::Appended);
    assert_eq!(told(&events(&tenant, &id).await, "SM1"), [Delivered, Read]);
}

#[tokio::test]
async fn a_callback_for_another_organizations_message_changes_nothing_there() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let (a, b) = (cloud.tenant("org-a").await, cloud.tenant("org-b").await);
    let id = open(&a, "conv_1", "+14155550177", Medium::Sms).await;
    send(&a, &id, "SM1").await;

    assert_eq!(arrive(&b, "SM1", Delivered).await, StatusChange::Unknown);
    assert!(told(&events(&a, &id).await, "SM1").is_empty());
    assert_eq!(arrive(&a, "SM1", Sent).await, StatusChange::Appended);
    a.append(&id, Append::new(vec![said("and on")], now())).await.unwrap().unwrap();
}
