//! What must be true of points, ledgers, exchanges and clients when the storm is over.

use super::client::Seen;
use crate::support::answers_sse::words;
use crate::support::cloud::Cloud;
use domain::chat::{Ending, Exchange, Failure};
use std::collections::{BTreeMap, BTreeSet};
use store::{Cause, Tenant};

/// Everything that was found.
#[derive(Default)]
pub(super) struct Books {
    /// Of all people, by id.
    exchanges: BTreeMap<String, Exchange>,
    pub(super) counts: BTreeMap<&'static str, usize>,
}

async fn exchanges_of(tenant: &Tenant, user: &domain::ids::UserId) -> Vec<Exchange> {
    let (mut exchanges, mut after) = (Vec::new(), None);
    loop {
        let page = tenant.chats(user, 100, after.as_deref()).await.unwrap();
        for chat in page.chats {
            assert_eq!(chat.open, 0, "{chat:?}");
            let of_chat = tenant.exchanges(&chat.id, None, 1000).await.unwrap();
            let numbers: Vec<u64> = of_chat.iter().map(|exchange| exchange.question.number).collect();
            assert_eq!(numbers, (1..=chat.last).collect::<Vec<_>>(), "{chat:?}");
            exchanges.extend(of_chat);
        }
        after = page.next;
        if after.is_none() {
            return exchanges;
        }
    }
}

impl Books {
    pub(super) fn count(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// A person's balance, ledger, exchanges and days say the same.
    pub(super) async fn check(&mut self, cloud: &Cloud, email: &str) {
        let (tenant, user) = cloud.tenant_of(email).await;
        let (balance, ledger) = (cloud.balance(email).await, cloud.ledger(email).await);
        assert_eq!((balance.held, balance.running.len()), (0, 0), "{email}: {balance:?}");

        let mut paid = BTreeMap::new();
        for entry in &ledger {
            if let Cause::Answer { exchange_id, .. } = &entry.cause {
                let twice = paid.insert(exchange_id.as_str().to_owned(), entry.points.unsigned_abs());
                assert!(entry.points < 0 && twice.is_none(), "{email}: {entry:?}");
            }
        }
        let exchanges = exchanges_of(&tenant, &user).await;
        let mut spent = 0;
        for exchange in &exchanges {
            let outcome = exchange.outcome.as_ref().expect("every answer is over");
            let cost = paid.remove(exchange.question.id.as_str()).unwrap_or(0);
            assert_eq!(outcome.points_cost, cost, "{email}: {outcome:?}");
            assert!(cost == 0 || !outcome.response.is_empty(), "{email}: paid for nothing: {outcome:?}");
            let free = matches!(outcome.ending, Ending::Failed(failure) if failure != Failure::PointsExhausted);
            assert!(!free || cost == 0, "{email}: paid for a failure: {outcome:?}");
            assert!(words(12).starts_with(&outcome.response), "{}", outcome.response);
            spent += cost;
            *self.counts.entry(exchange.status()).or_default() += 1;
            *self.counts.entry("paid").or_default() += usize::from(cost > 0);
        }
        assert!(paid.is_empty(), "{email}: paid for no exchange: {paid:?}");
        assert_eq!(balance.spent, spent, "{email}");
        let days = tenant.use_by_day("20000101", "29991231").await.unwrap();
        let own: Vec<_> = days.iter().filter(|day| day.user_id == user.as_str()).collect();
        assert_eq!(own.iter().map(|day| day.exchanges).sum::<u64>(), exchanges.len() as u64, "{email}");
        assert_eq!(own.iter().map(|day| day.points).sum::<u64>(), spent, "{email}");
        self.exchanges
            .extend(exchanges.into_iter().map(|exchange| (exchange.question.id.as_str().to_owned(), exchange)));
    }

    /// What clients saw is what is kept, and the same request was the same exchange.
    pub(super) fn check_clients(&self, seen: &[Seen]) {
        let mut of_key: BTreeMap<&str, &str> = BTreeMap::new();
        for seen in seen {
            let known = of_key.insert(&seen.key, &seen.message_id);
            assert!(known.is_none_or(|known| known == seen.message_id), "{seen:?}");
            let exchange = &self.exchanges[&seen.message_id];
            let outcome = exchange.outcome.as_ref().unwrap();
            // What a viewer saw live may be more than was kept of an answer whose maker was killed.
            let abandoned = outcome.ending == Ending::Failed(Failure::Abandoned);
            assert!(abandoned || outcome.response.starts_with(&seen.text), "{seen:?} {outcome:?}");
            if let Some(end) = &seen.end {
                assert_eq!(end["points_cost"], outcome.points_cost, "{end}");
                assert_eq!(end["type"] == "complete", matches!(outcome.ending, Ending::Complete(_)), "{end}");
                assert!(end["type"] == "error" || seen.text == outcome.response, "{seen:?}");
            }
        }
        let asked: BTreeSet<&str> = self.exchanges.values().map(key).collect();
        assert_eq!(asked.len(), self.exchanges.len(), "one exchange for each key");
    }

    /// The model was asked once for each question that it did not refuse.
    pub(super) async fn check_requests(&self, cloud: &Cloud) {
        let requests = cloud.local(reqwest::Method::GET, "llm/requests?limit=10000", serde_json::Value::Null).await;
        let mut of_question: BTreeMap<&str, usize> = BTreeMap::new();
        for request in requests.as_array().unwrap() {
            let question = request["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
            *of_question.entry(question).or_default() += 1;
        }
        for (question, count) in of_question {
            let well = question.ends_with("(well)") || question.ends_with("(slow)");
            assert!(!well || count == 1, "{question}: {count}");
        }
    }
}

/// The key with which an exchange was asked.
fn key(exchange: &Exchange) -> &str {
    exchange.question.message.split(' ').next().unwrap()
}
