//! Whatever happens in whatever order: per group in order, never two batches of a group at once, nothing lost, nothing
//! twice without a failure or a restart.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Action {
    /// A message of a group with an id; the same pair may come again.
    Send(u8, u8),
    Receive,
    /// Ends the running batch with this number, so many of its messages done.
    Settle(usize, usize),
    Pass(u64),
    Redrive,
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0u8..4, 0u8..20).prop_map(|(group, id)| Action::Send(group, id)),
        5 => Just(Action::Receive),
        4 => (0usize..4, 0usize..4).prop_map(|(batch, taken)| Action::Settle(batch, taken)),
        2 => (1u64..500).prop_map(Action::Pass),
        1 => Just(Action::Redrive),
        1 => Just(Action::Restart),
    ]
}

struct Model {
    folder: tempfile::TempDir,
    template: Template,
    state: State,
    now: u64,
    running: Vec<Vec<Message>>,
    /// Bodies of the messages that were no duplicates.
    sent: BTreeSet<String>,
    handled: BTreeSet<String>,
    /// Where the last batch of each group began.
    last: BTreeMap<String, u64>,
}

impl Model {
    fn new() -> Self {
        let (folder, template) = (tempfile::tempdir().unwrap(), template(3, None));
        let state = State::open(&template, millis, folder.path(), START).unwrap();
        let (sent, handled) = Default::default();
        Self { folder, template, state, now: START, running: vec![], sent, handled, last: BTreeMap::new() }
    }

    fn act(&mut self, number: usize, action: &Action) {
        match action {
            Action::Send(group, id) => {
                let body = format!("{number:04}");
                let sent = self.state.send("Jobs", &format!("g{group}"), &format!("{id}"), &body, self.now);
                if sent.unwrap() == Sent::New {
                    self.sent.insert(body);
                }
            }
            Action::Receive => {
                if let Some(batch) = self.state.receive("Jobs", 3, self.now) {
                    self.received(batch);
                }
            }
            Action::Settle(index, taken) if !self.running.is_empty() => {
                let batch = self.running.remove(index % self.running.len());
                let taken = (*taken).min(batch.len());
                for message in batch.iter().take(taken) {
                    assert!(self.handled.insert(message.body.clone()), "handled twice");
                }
                self.state.settle("Jobs", &batch, taken, self.now);
            }
            Action::Settle(..) => {}
            Action::Pass(seconds) => self.now += seconds * 1000,
            Action::Redrive => drop(self.state.redrive("Dead", self.now)),
            Action::Restart => {
                self.running.clear();
                self.state = State::open(&self.template, millis, self.folder.path(), self.now).unwrap();
            }
        }
    }

    fn received(&mut self, batch: Vec<Message>) {
        let group = batch[0].group.clone();
        assert!(batch.len() <= 3 && batch.iter().all(|message| message.group == group), "one group");
        assert!(self.running.iter().all(|other| other[0].group != group), "never two of a group");
        assert!(batch.is_sorted_by(|a, b| a.sequence < b.sequence), "in order");
        for message in &batch {
            assert!(message.receives <= 3 && self.sent.contains(&message.body));
            assert!(!self.handled.contains(&message.body), "not after it is done");
        }
        // What is done in a group never goes back behind: a later batch starts after it or repeats what failed.
        let last = self.last.entry(group).or_default();
        assert!(batch[0].sequence >= *last, "order of the group");
        *last = batch[0].sequence;
        self.running.push(batch);
    }

    fn finish(&mut self) {
        for _ in 0..1000 {
            while let Some(batch) = self.running.pop() {
                self.state.settle("Jobs", &batch, batch.len(), self.now);
                self.handled.extend(batch.into_iter().map(|message| message.body));
            }
            self.state.redrive("Dead", self.now);
            match self.state.receive("Jobs", 3, self.now) {
                Some(batch) => self.received(batch),
                None => self.now += 1000 * 1000,
            }
            if self.handled.len() == self.sent.len() {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_is_lost_and_groups_keep_their_order(actions in prop::collection::vec(action(), 1..120)) {
        let mut model = Model::new();
        for (number, action) in actions.iter().enumerate() {
            model.act(number, action);
            let sizes = model.state.counts(model.now);
            let in_flight: usize = model.running.iter().map(Vec::len).sum();
            prop_assert_eq!(sizes["Jobs"]["in_flight"].as_u64(), Some(in_flight as u64));
            let held = ["waiting", "in_flight"].map(|it| sizes["Jobs"][it].as_u64().unwrap()).iter().sum::<u64>();
            let dead = sizes["Dead"]["waiting"].as_u64().unwrap();
            prop_assert_eq!(held + dead + model.handled.len() as u64, model.sent.len() as u64);
        }
        model.finish();
        prop_assert_eq!(&model.handled, &model.sent);
    }
}
