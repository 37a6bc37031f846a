//! Disturbances that a stream may show, chosen by a seed: batches twice, late, or out of order between partition keys.
//! Queues take their numbers from here too.

use std::time::Duration;

use super::record::Record;

/// A small deterministic generator (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Chaos {
    state: u64,
}

/// What happens to one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Disturbance {
    pub(super) late: Option<Duration>,
    pub(super) twice: bool,
    pub(super) reordered: bool,
}

impl Chaos {
    /// Each stream mapping and queue gets disturbances of its own from one seed.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let fold = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self { state: name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, fold) }
    }

    pub(super) fn disturbance(&mut self) -> Disturbance {
        Disturbance {
            late: (self.below(8) == 0).then(|| Duration::from_millis(50 + self.below(1000))),
            twice: self.below(6) == 0,
            reordered: self.below(4) == 0,
        }
    }

    /// Cuts the batch by partition key, in any order of the keys. Within a key the order holds: it is what DynamoDB
    /// guarantees, and what another shard layout would show.
    pub(super) fn reorder(&mut self, records: Vec<Record>) -> Vec<Vec<Record>> {
        let mut groups: Vec<Vec<Record>> = Vec::new();
        for record in records {
            let same =
                |group: &&mut Vec<Record>| group.first().is_some_and(|first| first.partition == record.partition);
            match groups.iter_mut().find(same) {
                Some(group) => group.push(record),
                None => groups.push(vec![record]),
            }
        }
        for index in (1..groups.len()).rev() {
            let other = self.below(index as u64 + 1);
            groups.swap(index, usize::try_from(other).unwrap_or(index));
        }
        groups
    }

    /// A number from 0 to less than `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let run = |seed| {
            let mut chaos = Chaos::new(seed, "fanout");
            (0..50).map(|_| chaos.disturbance()).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let all = run(1);
        assert!(all.iter().any(|one| one.twice) && all.iter().any(|one| one.reordered));
        assert!(all.iter().any(|one| one.late.is_some()) && all.contains(&Disturbance::default()));
    }

    proptest! {
        #[test]
        fn reordering_loses_nothing_and_keeps_each_partition(keys in prop::collection::vec(0u8..4, 0..30), seed: u64) {
            let record = |(number, key): (usize, &u8)| Record {
                sequence: format!("{number:03}"),
                partition: key.to_string(),
                created: 0.0,
                json: String::new(),
            };
            let records: Vec<Record> = keys.iter().enumerate().map(record).collect();
            let groups = Chaos::new(seed, "x").reorder(records);
            let mut all: Vec<String> = groups.iter().flatten().map(|record| record.sequence.clone()).collect();
            for group in &groups {
                prop_assert!(group.is_sorted_by(|a, b| a.partition == b.partition && a.sequence < b.sequence));
            }
            all.sort();
            let expected: Vec<String> = (0..keys.len()).map(|number| format!("{number:03}")).collect();
            prop_assert_eq!(all, expected);
        }
    }
}
