//! Any run of appends and reads against a model in memory.

use crate::support::backstage::said;
use crate::support::cloud::Cloud;
use crate::support::threads::{contact_of, new_conversation};
use domain::conversation::{Conversation, Medium};
use domain::event::{Event, EventBody};
use domain::ids::ConversationId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use store::{Append, Appended, MAX_EVENTS, Tenant, Thread, now};

/// Two conversations of one contact and one of another.
const PHONES: [&str; 3] = ["+14155550171", "+14155550171", "+14155550172"];

#[derive(Clone, Debug)]
enum Step {
    /// So many events of a length, delivered once or twice.
    Append { conversation: usize, texts: Vec<String>, doubled: bool },
    /// A read of a thread after some share of its numbers.
    Read { conversation: usize, whole_contact: bool, after: u64, limit: usize },
    /// A snapshot within so many bytes.
    Snapshot { conversation: usize, after: u64, max_bytes: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let texts = vec("[a-z\u{e9}]{0,12}", 1..5);
    prop_oneof![
        3 => (0..3_usize, texts, any::<bool>())
            .prop_map(|(conversation, texts, doubled)| Step::Append { conversation, texts, doubled }),
        2 => (0..3_usize, any::<bool>(), 0..30_u64, 0..20_usize).prop_map(
            |(conversation, whole_contact, after, limit)| Step::Read { conversation, whole_contact, after, limit }
        ),
        1 => (0..3_usize, 0..20_u64, 0..4000_usize)
            .prop_map(|(conversation, after, max_bytes)| Step::Snapshot { conversation, after, max_bytes }),
    ]
}

/// What the log should hold.
#[derive(Default)]
struct Model {
    /// Conversation and text of everything, in the order of writing.
    all: Vec<(usize, String)>,
}

impl Model {
    fn texts(&self, conversation: usize, whole_contact: bool) -> Vec<&str> {
        let wanted =
            |other: usize| if whole_contact { PHONES[other] == PHONES[conversation] } else { other == conversation };
        self.all.iter().filter(|(other, _)| wanted(*other)).map(|(_, text)| text.as_str()).collect()
    }
}

fn text(event: &Event) -> &str {
    match &event.body {
        EventBody::Message { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

fn texts(events: &[Event]) -> Vec<&str> {
    events.iter().map(text).collect()
}

fn slice<'a>(all: &[&'a str], after: u64, limit: usize) -> Vec<&'a str> {
    all.iter().skip(after as usize).take(limit).copied().collect()
}

async fn run(tenant: &Tenant, steps: Vec<Step>) {
    let mut model = Model::default();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Append { conversation, texts, doubled } => {
                for delivery in 0..=usize::from(doubled) {
                    append(tenant, conversation, &texts, number, delivery > 0).await;
                }
                model.all.extend(texts.into_iter().map(|text| (conversation, text)));
            }
            Step::Read { conversation, whole_contact, after, limit } => {
                let thread = match whole_contact {
                    true => Thread::Contact(contact_of(PHONES[conversation])),
                    false => Thread::Conversation(id(tenant, conversation)),
                };
                let events = tenant.events_after(&thread, after, limit).await.unwrap();
                let expected = model.texts(conversation, whole_contact);
                assert_eq!(texts(&events), slice(&expected, after, limit));
                let numbers = events.iter().map(|event| thread.seq_of(event));
                assert!(numbers.eq(after + 1..=after + events.len() as u64), "contiguous from the cursor");
                assert_head(tenant, &thread, expected.len() as u64).await;
            }
            Step::Snapshot { conversation, after, max_bytes } => {
                let expected = model.texts(conversation, false);
                let log = tenant.read(&id(tenant, conversation), after, max_bytes).await.unwrap();
                let Some(log) = log else {
                    assert!(expected.is_empty());
                    continue;
                };
                assert_eq!(log.conversation.last_seq, expected.len() as u64);
                assert_eq!(texts(&log.events), slice(&expected, after, log.events.len()), "a prefix");
                assert_eq!(log.seq, after + log.events.len() as u64);
                let bytes = |event: &Event| serde_json::to_string(event).unwrap().len();
                let size: usize = log.events.iter().map(bytes).sum();
                assert!(size <= max_bytes);
                let left_out = expected.len().saturating_sub(after as usize) > log.events.len();
                assert!(!left_out || size + 800 > max_bytes, "nothing is left out that had room: {size} {max_bytes}");
            }
        }
    }
}

async fn assert_head(tenant: &Tenant, thread: &Thread, last: u64) {
    let head = match thread {
        Thread::Conversation(id) => tenant.conversation(id).await.unwrap().map_or(0, |head| head.last_seq),
        Thread::Contact(id) => tenant.timeline(id).await.unwrap().last_seq,
    };
    assert_eq!(head, last);
}

fn id(tenant: &Tenant, conversation: usize) -> ConversationId {
    ConversationId::parse(&format!("conv_{}_{conversation}", tenant.organization_id())).unwrap()
}

async fn append(tenant: &Tenant, conversation: usize, texts: &[String], marker: usize, again: bool) {
    let id = id(tenant, conversation);
    let bodies = || Append::new(texts.iter().map(|text| said(text)).collect(), now()).once("model", marker.to_string());
    let appended = match tenant.append(&id, bodies()).await.unwrap() {
        Some(appended) => appended,
        None => {
            let new = new_conversation(PHONES[conversation], Medium::Chat, now());
            let begin = Conversation::begin(id.clone(), None, tenant.organization_id().clone(), new);
            tenant.open_as(begin, bodies()).await.unwrap()
        }
    };
    match appended {
        Appended::New { events, .. } => assert!(!again && events.len() == texts.len()),
        Appended::Duplicate { conversation_id, .. } => assert!(again && conversation_id == id),
        Appended::Refused(refused) => panic!("{refused:?}"),
    }
}

#[test]
fn any_run_of_appends_and_reads_gives_the_contiguous_prefix() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cloud = runtime.block_on(Cloud::silent_with(&["--no-demo"]));
    let config = ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let case = std::sync::atomic::AtomicU32::new(0);
    let result = TestRunner::new_with_rng(config, rng).run(&vec(step(), 1..25), |steps| {
        let number = case.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        runtime.block_on(async { run(&cloud.tenant(&format!("org-{number}")).await, steps).await });
        Ok(())
    });
    result.unwrap();
}

#[tokio::test]
async fn an_append_of_too_many_events_or_none_is_refused_whole() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let open = |count: usize| {
        let append = Append::new((0..count).map(|number| said(&number.to_string())).collect(), now());
        tenant.append_sms(new_conversation(PHONES[0], Medium::Sms, now()), append)
    };
    assert!(open(0).await.is_err());
    assert!(open(MAX_EVENTS + 1).await.is_err());
    assert_eq!(tenant.timeline(&contact_of(PHONES[0])).await.unwrap().last_seq, 0);
    assert!(open(MAX_EVENTS).await.is_ok());
    assert_eq!(tenant.timeline(&contact_of(PHONES[0])).await.unwrap().last_seq, MAX_EVENTS as u64);
}
