//! The event log at the repositories: numbers without a gap whoever writes, exactly once, each organization for itself.

mod model;
mod paging;
mod status;

use crate::support::backstage::{ended, said};
use crate::support::cloud::Cloud;
use crate::support::threads::{contact_of, follow, log_of, new_conversation, open, phone};
use conversations::inbound::record_sms;
use domain::conversation::{Medium, Status};
use domain::event::{Event, EventBody};
use domain::ids::ConversationId;
use futures_util::future::{join, join_all};
use providers::twilio::webhook::IncomingSms;
use std::collections::BTreeSet;
use store::{Append, Appended, ConversationFilter, StatusChange, Tenant, Thread, now};

const PHONE: &str = "+14155550177";

/// What a writer saw of its messages.
#[derive(Debug, Default)]
struct Written {
    new: u64,
    duplicates: u64,
}

impl Written {
    fn add(mut self, other: &Self) -> Self {
        self.new += other.new;
        self.duplicates += other.duplicates;
        self
    }
}

/// Writes messages one after the other, each delivered twice at once.
async fn write_doubled(tenant: &Tenant, id: &ConversationId, writer: usize, messages: usize) -> Written {
    let mut written = Written::default();
    for number in 0..messages {
        let name = format!("{id} {writer}-{number}");
        let deliver = || async {
            let append = Append::new(vec![said(&name)], now()).once("test", &name);
            tenant.append(id, append).await.unwrap().unwrap()
        };
        let seq_of = |appended: Appended| match appended {
            Appended::New { events, .. } => (events[0].seq, true),
            Appended::Duplicate { seq, .. } => (seq, false),
            Appended::Refused(refused) => panic!("{refused:?}"),
        };
        let (one, other) = join(deliver(), deliver()).await;
        let ((one, first), (other, second)) = (seq_of(one), seq_of(other));
        assert_eq!(one, other, "both deliveries name the same place");
        written.new += u64::from(first) + u64::from(second);
        written.duplicates += u64::from(!first) + u64::from(!second);
    }
    written
}

fn texts(events: &[Event]) -> BTreeSet<&str> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Message { text, .. } | EventBody::SmsReceived { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn numbers(thread: &Thread, events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| thread.seq_of(event)).collect()
}

#[tokio::test]
async fn six_writers_at_once_leave_no_gap_and_a_live_reader_misses_nothing() {
    const MESSAGES: u64 = 300;
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let id = open(&tenant, "conv_1", PHONE, Medium::Chat).await;
    let thread = Thread::Conversation(id.clone());
    let writers = join_all((0..6).map(|writer| write_doubled(&tenant, &id, writer, 50)));

    let (written, read) = join(writers, follow(&tenant, &thread, MESSAGES + 1)).await;

    let total = written.iter().fold(Written::default(), Written::add);
    assert_eq!((total.new, total.duplicates), (MESSAGES, MESSAGES), "every second delivery is refused, once");
    assert_eq!(numbers(&thread, &read), (1..=MESSAGES + 1).collect::<Vec<_>>());
    assert_eq!(texts(&read).len() as u64, MESSAGES + 1);
    let conversation = tenant.conversation(&id).await.unwrap().unwrap();
    assert_eq!((conversation.last_seq, u64::from(conversation.messages)), (MESSAGES + 1, MESSAGES + 1));
}

#[tokio::test]
async fn a_contacts_timeline_is_the_union_of_two_conversations_written_at_once() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let chat = open(&tenant, "conv_chat", PHONE, Medium::Chat).await;
    let voice = open(&tenant, "conv_voice", PHONE, Medium::Voice).await;
    let thread = Thread::Contact(contact_of(PHONE));
    let writers = join_all((0..6).map(|writer| {
        let id = if writer % 2 == 0 { &chat } else { &voice };
        write_doubled(&tenant, id, writer, 15)
    }));

    let (_, timeline) = join(writers, follow(&tenant, &thread, 92)).await;

    assert_eq!(numbers(&thread, &timeline), (1..=92).collect::<Vec<_>>());
    for id in [chat, voice] {
        let of_timeline: Vec<&Event> = timeline.iter().filter(|event| event.conversation_id == id).collect();
        let log = log_of(&tenant, &Thread::Conversation(id)).await;
        assert_eq!(log.len(), 46);
        assert_eq!(of_timeline, log.iter().collect::<Vec<_>>(), "the same events in the same order");
    }
    assert_eq!(tenant.timeline(&contact_of(PHONE)).await.unwrap().last_seq, 92);
}

fn incoming(sid: usize, from: &str) -> IncomingSms {
    let form = format!("MessageSid=SM{sid:032x}&AccountSid=AC{:032x}&From={from}&To=14155550110&Body=number+{sid}", 1);
    IncomingSms::parse(form.replace('+', "%2B").replace("number%2B", "number+").as_bytes()).unwrap()
}

#[tokio::test]
async fn twenty_first_messages_at_once_make_one_contact_and_one_conversation() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let at = now();

    let recorded = join_all((0..20).map(|sid| record_sms(&tenant, incoming(sid, PHONE), at))).await;

    assert!(recorded.iter().all(|result| matches!(result, Ok(Appended::New { .. }))), "{recorded:?}");
    assert_eq!(tenant.contacts(None, 100).await.unwrap().contacts.len(), 1);
    let page = tenant.conversations(&ConversationFilter::default(), &|_| true, None, 100).await.unwrap();
    let [conversation] = page.conversations.as_slice() else { panic!("{} conversations", page.conversations.len()) };
    assert_eq!((conversation.last_seq, conversation.messages), (20, 20));
    let log = log_of(&tenant, &Thread::Conversation(conversation.id.clone())).await;
    assert_eq!((log.len(), texts(&log).len()), (20, 20));
}

#[tokio::test]
async fn one_number_in_two_organizations_in_the_same_second_is_two_conversations() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let (a, b) = (cloud.tenant("org-a").await, cloud.tenant("org-b").await);
    let at = now();
    let write = |tenant: &Tenant, text: &'static str| {
        let tenant = tenant.clone();
        async move {
            // The provider's id may be the same too: it is claimed per organization.
            let append = Append::new(vec![said(text)], at).once("twilio", "SM1");
            match tenant.append_sms(new_conversation(PHONE, Medium::Sms, at), append).await.unwrap() {
                Appended::New { conversation, .. } => conversation.id,
                other => panic!("{other:?}"),
            }
        }
    };

    let (of_a, of_b) = Box::pin(join(write(&a, "for a"), write(&b, "for b"))).await;

    assert_ne!(of_a, of_b);
    for (tenant, other, own_id, foreign_id, text) in [(&a, &b, &of_a, &of_b, "for a"), (&b, &a, &of_b, &of_a, "for b")]
    {
        let log = log_of(tenant, &Thread::Conversation(own_id.clone())).await;
        assert_eq!(texts(&log), BTreeSet::from([text]));
        assert_eq!(log_of(tenant, &Thread::Contact(contact_of(PHONE))).await, log, "nothing of the other's");
        assert!(tenant.conversation(foreign_id).await.unwrap().is_none());
        assert!(tenant.append(foreign_id, Append::new(vec![said("x")], at)).await.unwrap().is_none());
        let owner = cloud.store().await.conversation_owner(foreign_id).await.unwrap();
        assert_eq!(owner.as_ref(), Some(other.organization_id()));
    }
}

#[tokio::test]
async fn a_message_after_a_silent_day_ends_the_old_conversation_and_opens_another() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let (today, yesterday) = (now(), now().plus_seconds(-25 * 3600));
    let first = tenant
        .append_sms(new_conversation(PHONE, Medium::Sms, yesterday), Append::new(vec![said("yesterday")], yesterday));
    let Appended::New { conversation: old, .. } = first.await.unwrap() else { panic!("not new") };

    let today = join_all((0..5).map(|number| {
        let append = Append::new(vec![said("today")], today).once("twilio", format!("SM{number}"));
        tenant.append_sms(new_conversation(PHONE, Medium::Sms, today), append)
    }));
    let opened: BTreeSet<ConversationId> = today
        .await
        .into_iter()
        .map(|appended| match appended.unwrap() {
            Appended::New { conversation, .. } => conversation.id,
            other => panic!("{other:?}"),
        })
        .collect();

    assert_eq!(opened.len(), 1, "of five at once");
    assert!(!opened.contains(&old.id));
    let log = log_of(&tenant, &Thread::Conversation(old.id.clone())).await;
    assert_eq!(log.len(), 2, "ended once");
    assert_eq!(log[1].state.status, Status::Ended);
}

#[tokio::test]
async fn what_has_ended_takes_no_message_but_still_learns_of_deliveries() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let at = now();
    let sent = EventBody::SmsSent {
        text: "hello".into(),
        from: phone("+14155550110"),
        provider_id: Some("SM1".into()),
        answers: 0,
    };
    let append = Append::new(vec![sent, ended()], at);
    let opened = tenant.append_sms(new_conversation(PHONE, Medium::Sms, at), append).await.unwrap();
    let Appended::New { conversation: old, .. } = opened else { panic!("not new") };

    let change = tenant.sms_status("SM1", domain::sms::MessageStatus::Delivered, None, now()).await.unwrap();
    assert_eq!(change, StatusChange::Appended);
    let append = Append::new(vec![said("again")], at);
    let next = tenant.append_sms(new_conversation(PHONE, Medium::Sms, at), append).await.unwrap();
    let Appended::New { conversation: next, .. } = next else { panic!("not new") };
    assert_ne!(next.id, old.id, "the same second, another conversation");
    let old = tenant.conversation(&old.id).await.unwrap().unwrap();
    assert_eq!((old.status(), old.last_seq), (Status::Ended, 3));
}
