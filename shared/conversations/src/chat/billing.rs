//! What an answer counts and costs (C11, G6): a whole one what the provider counted, a stopped one what was delivered, one
//! that failed nothing, unless its points were what ended it.

use domain::chat::{Ending, Finish, Reserve};
use providers::llm::Usage;

/// Tokens and points of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bill {
    pub(super) tokens: u64,
    pub(super) estimated: bool,
    pub(super) points: u64,
}

/// The bill of an answer: `asked` and `delivered` are estimates of its question and of what was delivered.
pub(super) fn bill(ending: Ending, usage: Option<Usage>, asked: u64, delivered: u64, reserve: &Reserve) -> Bill {
    let (tokens, estimated) = match (ending, usage) {
        (Ending::Complete(Finish::Stopped), _) => (delivered, true),
        (Ending::Complete(_), Some(usage)) => (usage.total_tokens, usage.estimated),
        (Ending::Complete(_), None) => (asked + delivered, true),
        // What delivered nothing costs nothing.
        (Ending::Failed(failure), _) if failure.is_paid() && delivered > 0 => (asked + delivered, true),
        (Ending::Failed(_), _) => (0, true),
    };
    let price = reserve.price(tokens);
    // An estimate may be too high; beyond what was set aside only a provider's count is charged.
    let points = if estimated { price.min(reserve.points) } else { price };
    Bill { tokens, estimated, points }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::chat::Failure;

    const RESERVE: Reserve = Reserve { points: 10, tokens_per_point: 30, tight: false, month: None };

    fn usage(total_tokens: u64) -> Usage {
        Usage { prompt_tokens: 1, completion_tokens: total_tokens - 1, total_tokens, estimated: false }
    }

    #[test]
    fn each_ending_has_its_bill() {
        let of = |ending, usage| {
            let bill = bill(ending, usage, 60, 90, &RESERVE);
            (bill.tokens, bill.estimated, bill.points)
        };
        assert_eq!(of(Ending::Complete(Finish::Stop), Some(usage(150))), (150, false, 5));
        assert_eq!(of(Ending::Complete(Finish::Stop), Some(usage(600))), (600, false, 20));
        assert_eq!(of(Ending::Complete(Finish::Stop), None), (150, true, 5));
        assert_eq!(of(Ending::Complete(Finish::Stopped), Some(usage(150))), (90, true, 3));
        assert_eq!(of(Ending::Failed(Failure::Interrupted), Some(usage(150))), (0, true, 0));
        assert_eq!(of(Ending::Failed(Failure::PointsExhausted), None), (150, true, 5));
        let nothing = bill(Ending::Failed(Failure::PointsExhausted), None, 60, 0, &RESERVE);
        assert_eq!((nothing.tokens, nothing.points), (0, 0));
    }

    #[test]
    fn an_estimate_never_costs_more_than_was_set_aside() {
        let bill = bill(Ending::Failed(Failure::PointsExhausted), None, 1000, 1000, &RESERVE);
        assert_eq!((bill.tokens, bill.points), (2000, 10));
    }
}
