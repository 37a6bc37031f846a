//! What a batch says of chats: which questions were asked, and which answers are over.

use crate::batch::in_stream_order;
use domain::chat::Exchange;
use domain::ids::ExchangeId;
use std::collections::{BTreeMap, HashSet};
use store::item::exchange_from_texts;

/// A record of an exchange, as far as it matters here.
pub(crate) struct Item<'a> {
    /// Whether the exchange is new; else it has changed.
    pub(crate) is_new: bool,
    pub(crate) question: &'a str,
    pub(crate) outcome: Option<&'a str>,
    /// What there was before; `None` also where the record does not say.
    pub(crate) old_outcome: Option<&'a str>,
    pub(crate) sequence_number: &'a str,
}

/// What happened to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// The question was asked.
    Asked,
    /// The answer is over.
    Ended,
}

/// The news of one chat: in order, each once.
#[derive(Debug)]
pub(crate) struct News {
    /// Never empty.
    pub(crate) exchanges: Vec<(What, Exchange)>,
    /// The lowest stream position among them.
    pub(crate) sequence_number: String,
}

/// The news of a batch's records, chat by chat.
pub(crate) fn of_batch(mut items: Vec<Item<'_>>) -> Vec<News> {
    items.sort_by(|a, b| in_stream_order(a.sequence_number, b.sequence_number));
    let mut known: HashSet<(ExchangeId, What)> = HashSet::new();
    let mut chats: BTreeMap<(String, String), News> = BTreeMap::new();
    for item in items {
        let whats = item.whats();
        if whats.is_empty() {
            continue;
        }
        // One that this version cannot read would fail for ever; readers of the chat will say so too.
        let exchange = match exchange_from_texts(item.question, item.outcome) {
            Ok(exchange) => exchange,
            Err(error) => {
                tracing::error!(%error, "an unreadable exchange is passed over");
                continue;
            }
        };
        let question = &exchange.question;
        let key = (question.organization_id.to_string(), question.chat_id.to_string());
        let fresh = |what: &&What| known.insert((question.id.clone(), **what));
        let whats: Vec<What> = whats.iter().filter(fresh).copied().collect();
        if whats.is_empty() {
            continue;
        }
        let news = chats
            .entry(key)
            .or_insert_with(|| News { exchanges: Vec::new(), sequence_number: item.sequence_number.to_owned() });
        news.exchanges.extend(whats.into_iter().map(|what| (what, exchange.clone())));
    }
    chats.into_values().collect()
}

impl Item<'_> {
    fn whats(&self) -> &'static [What] {
        match (self.is_new, self.outcome, self.old_outcome) {
            (true, None, _) => &[What::Asked],
            // Its answer was given before, to the same question.
            (true, Some(_), _) => &[What::Asked, What::Ended],
            (false, Some(_), None) => &[What::Ended],
            (false, _, _) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(chat: &str, id: &str) -> String {
        let question = json!({
            "id": id, "chat_id": chat, "organization_id": "org", "user_id": "uma", "number": 1, "message": "2+2?",
            "message_type": "chat", "asked_at": 1, "max_tokens": 100, "reserve": {"points": 5, "tokens_per_point": 30},
        });
        question.to_string()
    }

    fn outcome() -> String {
        let outcome = json!({
            "response": "4", "ending": {"kind": "complete", "why": "stop"}, "tokens_used": 150, "points_cost": 5,
            "ended_at": 2, "response_time_ms": 1, "tokens": 1,
        });
        outcome.to_string()
    }

    fn told(items: Vec<Item<'_>>) -> Vec<Vec<(String, What)>> {
        let of = |news: News| news.exchanges.iter().map(|(what, one)| (one.question.id.to_string(), *what)).collect();
        of_batch(items).into_iter().map(of).collect()
    }

    #[test]
    fn a_shuffled_and_doubled_batch_tells_each_thing_once_in_order() {
        let (one, two, other, outcome) = (question("a", "1"), question("a", "2"), question("b", "3"), outcome());
        let new = |question, sequence_number| Item {
            is_new: true,
            question,
            outcome: None,
            old_outcome: None,
            sequence_number,
        };
        let over = |question, sequence_number| Item {
            outcome: Some(&outcome),
            is_new: false,
            ..new(question, sequence_number)
        };
        let batch = || vec![new(&one, "98"), new(&two, "99"), over(&one, "100"), over(&two, "101"), new(&other, "7")];
        let expected = vec![
            vec![
                ("1".to_owned(), What::Asked),
                ("2".to_owned(), What::Asked),
                ("1".to_owned(), What::Ended),
                ("2".to_owned(), What::Ended),
            ],
            vec![("3".to_owned(), What::Asked)],
        ];
        let mut messy = batch();
        messy.extend(batch());
        messy.reverse();
        assert_eq!(told(messy), expected);
        assert_eq!(of_batch(batch())[0].sequence_number, "98");
    }

    #[test]
    fn only_the_first_outcome_is_news() {
        let (question, outcome) = (question("a", "1"), outcome());
        let item = |is_new, outcome, old_outcome| Item {
            is_new,
            question: &question,
            outcome,
            old_outcome,
            sequence_number: "1",
        };
        let outcome = Some(outcome.as_str());
        let whats = |item: Item<'_>| told(vec![item]).concat().iter().map(|(_, what)| *what).collect::<Vec<_>>();
        assert_eq!(whats(item(true, outcome, None)), [What::Asked, What::Ended], "an answer of the cache");
        assert_eq!(whats(item(false, outcome, outcome)), []);
        assert_eq!(whats(item(false, None, None)), []);
        assert!(told(vec![Item { question: "{}", ..item(true, None, None) }]).is_empty(), "poison");
    }
}
