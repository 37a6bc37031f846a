//! A power cut in the middle of a storm of webhooks.

use crate::support::DEADLINE;
use crate::support::cloud::{BICI, BICI_NUMBER, Cloud};
use crate::support::threads::{contact_of, log_of};
use crate::support::twilio::{INCOMING, Sms};
use domain::event::{Event, EventBody};
use futures_util::future::{Either, join_all, select};
use reqwest::{Client, Request};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::time::Duration;
use store::Thread;
use tokio::sync::Notify;

const MESSAGES: usize = 1000;
const SENDERS: usize = 12;
/// Webhooks on their way at once.
const AT_ONCE: usize = 16;
/// When the power is cut: so many have been answered.
const CUT_AT: usize = 300;

fn sender(number: usize) -> String {
    format!("+141555503{:02}", number % SENDERS)
}

/// What the provider has to deliver, and what was answered.
struct Provider {
    http: Client,
    waiting: RefCell<VecDeque<(String, Request)>>,
    answered: RefCell<BTreeSet<String>>,
    retries: Cell<usize>,
    /// Told when enough was answered to cut the power.
    enough: Notify,
}

impl Provider {
    fn new(cloud: &Cloud) -> Self {
        let waiting = (0..MESSAGES).map(|number| {
            let from = sender(number);
            let sms = Sms { sid: format!("SM{number:032x}"), ..Sms::new(&from, BICI_NUMBER, number.to_string()) };
            (sms.sid.clone(), cloud.signed(INCOMING, sms.form(cloud)).build().unwrap())
        });
        Self {
            http: Client::builder().timeout(Duration::from_secs(20)).build().unwrap(),
            waiting: RefCell::new(waiting.collect()),
            answered: RefCell::default(),
            retries: Cell::new(0),
            enough: Notify::new(),
        }
    }

    /// Delivers until all is answered with 200; whatever fails is delivered again under its id.
    async fn deliver(&self) {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let Some((sid, request)) = next else { return };
            match self.http.execute(request.try_clone().unwrap()).await {
                Ok(answer) if answer.status() == 200 => {
                    self.answered.borrow_mut().insert(sid);
                    if self.answered.borrow().len() == CUT_AT {
                        self.enough.notify_one();
                    }
                }
                failed => {
                    if let Ok(answer) = failed {
                        assert!(answer.status().is_server_error(), "{}", answer.status());
                    }
                    self.retries.set(self.retries.get() + 1);
                    self.waiting.borrow_mut().push_back((sid, request));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

fn ids(events: &[Event]) -> Vec<String> {
    let id = |event: &Event| match &event.body {
        EventBody::SmsReceived { provider_id, .. } => Some(provider_id.clone()),
        _ => None,
    };
    events.iter().filter_map(id).collect()
}

/// Everything that the senders' timelines hold, after checking that their numbers have no gap.
async fn recorded(cloud: &Cloud) -> Vec<String> {
    let tenant = cloud.tenant(BICI).await;
    let mut all = Vec::new();
    for number in 0..SENDERS {
        let thread = Thread::Contact(contact_of(&sender(number)));
        let events = log_of(&tenant, &thread).await;
        let Thread::Contact(contact) = &thread else { unreachable!() };
        let head = tenant.timeline(contact).await.unwrap();
        assert_eq!(head.last_seq, events.len() as u64, "the head is that of the log");
        // One conversation, whose numbers are the timeline's.
        assert!(events.iter().zip(1..).all(|(event, seq)| (event.seq, event.contact_seq) == (seq, seq)));
        all.extend(ids(&events));
    }
    all
}

#[tokio::test]
async fn a_power_cut_in_a_storm_of_a_thousand_messages_loses_nothing_that_was_acknowledged() {
    let mut cloud = Cloud::silent().await;
    let provider = Provider::new(&cloud);
    let mut storm = pin!(join_all((0..AT_ONCE).map(|_| provider.deliver())));
    {
        let cut = pin!(provider.enough.notified());
        let Either::Right((_, _)) = select(&mut storm, cut).await else { panic!("over before the cut") };
    }
    // Nothing is read from the sockets meanwhile: what is answered now counts as not acknowledged.
    let acknowledged = provider.answered.borrow().clone();
    cloud.kill_and_restart().await;

    let after_restart = recorded(&cloud).await;
    let distinct: BTreeSet<String> = after_restart.iter().cloned().collect();
    assert_eq!(distinct.len(), after_restart.len(), "nothing twice");
    let lost: Vec<&String> = acknowledged.difference(&distinct).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(distinct.len() < MESSAGES);

    // As long as it takes on a busy machine, but never without progress.
    loop {
        let before = provider.answered.borrow().len();
        match tokio::time::timeout(DEADLINE, &mut storm).await {
            Ok(_) => break,
            Err(_) => assert!(provider.answered.borrow().len() > before, "no answers any more"),
        }
    }
    let all = recorded(&cloud).await;
    assert_eq!(all.len(), MESSAGES, "each message once, {} retries", provider.retries.get());
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), MESSAGES);
    assert_eq!(provider.answered.borrow().len(), MESSAGES);
    assert!(provider.retries.get() > 0, "the cut was felt");
}
