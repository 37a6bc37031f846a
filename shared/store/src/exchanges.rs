//! Asking and answering: one transaction when a question is asked, one when its answer is over (G6, datastore.md 4.4).
//!
//! Asking keeps the question, sets its points aside and begins the run. The end keeps the outcome, pays it and gives the
//! rest back. The end happens once, whoever comes first: it is conditional on there being no outcome.

use crate::chats::{chat_item, outcome_text, question_item};
use crate::error::StoreError;
use crate::item::{Item, from_item, n, s, to_item};
use crate::keys;
use crate::points::{ATTEMPTS, Balance, Cause, LedgerEntry};
use crate::runs::{Batch, Maker};
use crate::table::{action, cancellation, is_busy, pause, put_new, update_action};
use crate::{Tenant, now};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use domain::chat::{Chat, Ending, Exchange, Outcome, Question};
use domain::ids::{ChatId, UserId};
use serde::{Deserialize, Serialize};

/// How long a request's idempotency key stands for its exchange.
const KEY_SECONDS: i64 = 24 * 3600;

/// A question to be kept.
pub struct Asking<'a> {
    /// The chat as it was read, or a new one.
    pub chat: Chat,
    /// The question, with the number after the chat's last.
    pub question: Question,
    /// Who makes the answer; `None` when it is there already.
    pub maker: Option<Maker>,
    /// The answer, when it is there already.
    pub outcome: Option<Outcome>,
    /// The request's idempotency key.
    pub key: Option<RequestKey<'a>>,
    /// Whether another answer of this chat may be under way.
    pub beside_others: bool,
    /// Answers that the person may have under way.
    pub answers_at_once: u32,
    /// Points that the organization may spend in the month.
    pub monthly_points: Option<u64>,
}

/// An idempotency key, and what it is for.
#[derive(Clone, Copy)]
pub struct RequestKey<'a> {
    /// The key.
    pub key: &'a str,
    /// A digest of the request, so that the key cannot stand for another one.
    pub request: &'a str,
}

/// What became of a question.
#[derive(Debug)]
pub enum Asked {
    /// It is kept; the chat just after it.
    Begun(Box<Chat>),
    /// The chat has changed since it was read: read it again.
    Moved,
    /// Another answer of the chat is under way.
    Busy,
    /// The person has fewer points than are to be set aside.
    NoPoints,
    /// The organization has fewer.
    NoPointsOfMonth,
    /// The person has as many answers under way as they may.
    TooMany,
    /// The request was made before.
    Known(Known),
}

/// The exchange of an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    /// Digest of the request.
    pub request: String,
    /// The chat.
    pub chat_id: ChatId,
    /// The exchange's number.
    pub number: u64,
    ttl: i64,
}

/// What became of an end.
#[derive(Debug)]
pub enum Ended {
    /// It is kept, with what was really paid.
    Now(Box<Outcome>),
    /// Somebody else had ended the exchange before, like this.
    Before(Box<Exchange>),
}

/// An action of a transaction, and what it means when its condition does not hold.
struct Step {
    action: TransactWriteItem,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Chat,
    Question,
    Balance,
    Month,
    Key,
    Other,
}

impl Tenant {
    /// The exchange of an idempotency key.
    pub async fn known(&self, user: &UserId, key: &str) -> Result<Option<Known>, StoreError> {
        let key = keys::asked(&self.organization_id, user, key);
        let item = self.store.get(self.store.ephemeral(), &key).await?;
        let known: Option<Known> = item.map(from_item).transpose()?;
        Ok(known.filter(|known| known.ttl > now().seconds()))
    }

    /// Keeps a question and sets its points aside.
    pub async fn ask(&self, asking: &Asking<'_>) -> Result<Asked, StoreError> {
        for attempt in 0..ATTEMPTS {
            let mut chat = asking.chat.clone();
            chat.last = asking.question.number;
            chat.updated_at = asking.question.asked_at;
            chat.open += u64::from(asking.maker.is_some());
            let steps = self.asking(asking, &chat)?;
            match self.commit_steps(steps).await? {
                Commit::Done => return Ok(Asked::Begun(Box::new(chat))),
                Commit::Busy => pause(attempt).await,
                Commit::Failed(What::Chat, Some(old)) => {
                    let old: Chat = from_item(old)?;
                    let moved = old.last != asking.chat.last || !old.active;
                    return Ok(if moved { Asked::Moved } else { Asked::Busy });
                }
                Commit::Failed(What::Balance, old) => {
                    let old: Balance = old.map(from_item).transpose()?.unwrap_or_default();
                    let poor = old.available < asking.question.reserve.points;
                    return Ok(if poor { Asked::NoPoints } else { Asked::TooMany });
                }
                Commit::Failed(What::Month, _) => return Ok(Asked::NoPointsOfMonth),
                Commit::Failed(What::Key, _) => match asking.key {
                    // One that ended in between is free now.
                    Some(key) => match self.known(&asking.question.user_id, key.key).await? {
                        Some(known) => return Ok(Asked::Known(known)),
                        None => pause(attempt).await,
                    },
                    None => return Ok(Asked::Moved),
                },
                Commit::Failed(What::Chat | What::Question | What::Other, _) => return Ok(Asked::Moved),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Lets a key stand for an exchange, whatever it stood for before.
    pub async fn remember(&self, key: &str, request: &str, question: &Question) -> Result<(), StoreError> {
        let item = self.known_item(question, RequestKey { key, request })?;
        self.store.put(self.store.ephemeral(), item).await
    }

    fn known_item(&self, question: &Question, key: RequestKey<'_>) -> Result<Item, StoreError> {
        let known = Known {
            request: key.request.to_owned(),
            chat_id: question.chat_id.clone(),
            number: question.number,
            ttl: now().plus_seconds(KEY_SECONDS).seconds(),
        };
        to_item(&keys::asked(&self.organization_id, &question.user_id, key.key), "asked", &known)
    }

    fn asking(&self, asking: &Asking<'_>, chat: &Chat) -> Result<Vec<Step>, StoreError> {
        let question = &asking.question;
        let core = self.store.core();
        let mut steps = vec![Step { action: self.chat_step(asking, chat)?, what: What::Chat }];
        let mut item = question_item(question)?;
        match &asking.outcome {
            Some(outcome) => steps.extend(others(self.keep(question, outcome, &mut item)?)),
            None => {
                item.insert("gsi1pk".to_owned(), s(keys::RUNNING));
                let sort = keys::index_sort(question.asked_at.millis(), question.id.as_str());
                item.insert("gsi1sk".to_owned(), s(sort));
            }
        }
        steps.push(Step { action: put_new(core, item)?, what: What::Question });
        if let Some(maker) = &asking.maker {
            steps.push(Step { action: self.set_aside(asking)?, what: What::Balance });
            steps.extend(others(self.begin_run(question, maker)?));
        }
        if asking.maker.is_some()
            && let Some(month) = &question.reserve.month
        {
            steps.push(Step { action: self.set_aside_of_month(asking, month)?, what: What::Month });
        }
        if let Some(key) = asking.key {
            steps.push(Step { action: self.take_key(question, key)?, what: What::Key });
        }
        Ok(steps)
    }

    fn set_aside_of_month(&self, asking: &Asking<'_>, month: &str) -> Result<TransactWriteItem, StoreError> {
        let points = asking.question.reserve.points;
        let update = Update::builder()
            .table_name(self.store.core())
            .set_key(Some(keys::usage_of_month(&self.organization_id, month).attributes()))
            .update_expression("ADD points :points")
            .expression_attribute_values(":points", n(points));
        update_action(match asking.monthly_points {
            None => update,
            Some(limit) => {
                // The first of a month finds no record; `limit >= points` then says whether it fits.
                let fits = if limit >= points { "attribute_not_exists(pk) OR " } else { "" };
                update
                    .condition_expression(format!("{fits}points <= :most"))
                    .expression_attribute_values(":most", n(i128::from(limit) - i128::from(points)))
            }
        })
    }

    fn take_key(&self, question: &Question, key: RequestKey<'_>) -> Result<TransactWriteItem, StoreError> {
        // One that has ended may not be removed yet.
        let put = Put::builder()
            .table_name(self.store.ephemeral())
            .set_item(Some(self.known_item(question, key)?))
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", n(now().seconds()));
        action(put)
    }

    fn chat_step(&self, asking: &Asking<'_>, chat: &Chat) -> Result<TransactWriteItem, StoreError> {
        let org = &self.organization_id;
        let item = chat_item(org, chat)?;
        if asking.chat.last == 0 {
            return put_new(self.store.core(), item);
        }
        let sort = item.get("gsi1sk").cloned().unwrap_or_else(|| s(""));
        let alone = if asking.beside_others { "" } else { " AND #open = :none" };
        let update = Update::builder()
            .table_name(self.store.core())
            .set_key(Some(keys::chat(org, &chat.id).attributes()))
            .update_expression("SET #last = :next, updated_at = :now, gsi1sk = :sort, #open = #open + :more")
            .condition_expression(format!("#last = :last AND #active = :yes{alone}"))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_names("#last", "last")
            .expression_attribute_names("#active", "active")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":next", n(chat.last))
            .expression_attribute_values(":last", n(asking.chat.last))
            .expression_attribute_values(":now", n(chat.updated_at.millis()))
            .expression_attribute_values(":sort", sort)
            .expression_attribute_values(":more", n(u64::from(asking.maker.is_some())))
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        let none = (!asking.beside_others).then(|| n(0));
        update_action(none.into_iter().fold(update, |update, none| update.expression_attribute_values(":none", none)))
    }

    fn set_aside(&self, asking: &Asking<'_>) -> Result<TransactWriteItem, StoreError> {
        let question = &asking.question;
        let update = Update::builder()
            .table_name(self.store.core())
            .set_key(Some(keys::balance(&self.organization_id, &question.user_id).attributes()))
            .update_expression("SET available = available - :points, held = held + :points ADD running :id")
            .condition_expression("available >= :points AND (attribute_not_exists(running) OR size(running) < :max)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_values(":points", n(question.reserve.points))
            .expression_attribute_values(":max", n(asking.answers_at_once))
            .expression_attribute_values(":id", AttributeValue::Ss(vec![question.id.as_str().to_owned()]));
        update_action(update)
    }

    /// Ends an exchange: keeps its outcome, pays it, and gives back what was set aside beyond that. A price beyond it is
    /// taken from what the person has left; nobody gets below zero. On a month's account nothing is beyond it: its limit
    /// holds.
    pub async fn end_exchange(
        &self,
        question: &Question,
        mut outcome: Outcome,
        rest: Option<&Batch>,
    ) -> Result<Ended, StoreError> {
        if question.reserve.month.is_some() {
            outcome.points_cost = outcome.points_cost.min(question.reserve.points);
        }
        for attempt in 0..ATTEMPTS {
            let steps = self.ending(question, &outcome, rest)?;
            match self.commit_steps(steps).await? {
                Commit::Done => return Ok(Ended::Now(Box::new(outcome))),
                Commit::Busy => pause(attempt).await,
                Commit::Failed(What::Question, _) => {
                    let exchange = self.exchange(&question.chat_id, question.number).await?;
                    let exchange = exchange.ok_or_else(|| StoreError::corrupt("an exchange that is not there"))?;
                    return Ok(Ended::Before(Box::new(exchange)));
                }
                Commit::Failed(What::Balance, old) => {
                    let old: Balance = old.map(from_item).transpose()?.unwrap_or_default();
                    outcome.points_cost = outcome.points_cost.min(question.reserve.points + old.available);
                }
                Commit::Failed(What::Chat | What::Month | What::Key | What::Other, _) => {
                    return Err(StoreError::corrupt("an exchange without its records"));
                }
            }
        }
        Err(StoreError::Conflict)
    }

    fn ending(&self, question: &Question, outcome: &Outcome, rest: Option<&Batch>) -> Result<Vec<Step>, StoreError> {
        let org = &self.organization_id;
        let core = self.store.core();
        let (text, pieces) = outcome_text(question, outcome)?;
        let keep = Update::builder()
            .table_name(core)
            .set_key(Some(keys::exchange(org, &question.chat_id, question.number).attributes()))
            .update_expression("SET outcome = :outcome, pieces = :pieces REMOVE gsi1pk, gsi1sk")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(outcome)")
            .expression_attribute_values(":outcome", s(text))
            .expression_attribute_values(":pieces", n(u64::try_from(pieces.len()).unwrap_or(0)));
        let mut steps = vec![Step { action: update_action(keep)?, what: What::Question }];
        for piece in pieces {
            steps.push(Step { action: put_new(core, piece)?, what: What::Question });
        }
        steps.push(Step { action: self.pay(question, outcome)?, what: What::Balance });
        let close = Update::builder()
            .table_name(core)
            .set_key(Some(keys::chat(org, &question.chat_id).attributes()))
            .update_expression("SET #open = #open - :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":one", n(1));
        steps.push(Step { action: update_action(close)?, what: What::Chat });
        steps.extend(others(self.account(question, outcome)?));
        steps.extend(others(self.end_run(&question.id, outcome.tokens, rest)?));
        Ok(steps)
    }

    /// An outcome that is there from the start, with its records.
    fn keep(
        &self,
        question: &Question,
        outcome: &Outcome,
        item: &mut Item,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let (text, pieces) = outcome_text(question, outcome)?;
        item.insert("outcome".to_owned(), s(text));
        item.insert("pieces".to_owned(), n(u64::try_from(pieces.len()).unwrap_or(0)));
        let mut actions = self.account(question, outcome)?;
        for piece in pieces {
            actions.push(put_new(self.store.core(), piece)?);
        }
        Ok(actions)
    }

    fn pay(&self, question: &Question, outcome: &Outcome) -> Result<TransactWriteItem, StoreError> {
        let (held, cost) = (question.reserve.points, outcome.points_cost);
        // One change is an addition or a subtraction, not both.
        let (sign, change, least) = if cost > held { ('-', cost - held, cost - held) } else { ('+', held - cost, 0) };
        let update = Update::builder()
            .table_name(self.store.core())
            .set_key(Some(keys::balance(&self.organization_id, &question.user_id).attributes()))
            .update_expression(format!(
                "SET available = available {sign} :change, held = held - :held, spent = spent + :cost \
                 DELETE running :id"
            ))
            .condition_expression("available >= :least")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_values(":change", n(change))
            .expression_attribute_values(":least", n(least))
            .expression_attribute_values(":held", n(held))
            .expression_attribute_values(":cost", n(cost))
            .expression_attribute_values(":id", AttributeValue::Ss(vec![question.id.as_str().to_owned()]));
        update_action(update)
    }

    /// The ledger's entry, the day's use and the month's.
    fn account(&self, question: &Question, outcome: &Outcome) -> Result<Vec<TransactWriteItem>, StoreError> {
        let org = &self.organization_id;
        let mut actions = Vec::new();
        if outcome.points_cost > 0 {
            let cause = Cause::Answer {
                exchange_id: question.id.clone(),
                chat_id: question.chat_id.clone(),
                tokens: outcome.tokens_used,
            };
            let points = i64::try_from(outcome.points_cost).unwrap_or(i64::MAX);
            let entry = LedgerEntry { at: outcome.ended_at, points: -points, cause };
            actions.push(self.ledger_item(&question.user_id, question.id.as_str(), &entry)?);
        }
        let day = outcome.ended_at.day();
        let update = Update::builder()
            .table_name(self.store.core())
            .set_key(Some(keys::usage_of_day(org, &day, &question.user_id).attributes()))
            .update_expression(
                "SET #day = :day, user_id = :user, etype = :etype ADD exchanges :one, failed :failed, cached :cached, \
                 tokens :tokens, points :points, response_ms :response, first_token_ms :first",
            )
            .expression_attribute_names("#day", "day")
            .expression_attribute_values(":day", s(&day))
            .expression_attribute_values(":user", s(question.user_id.as_str()))
            .expression_attribute_values(":etype", s("day_of_use"))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":failed", n(u64::from(matches!(outcome.ending, Ending::Failed(_)))))
            .expression_attribute_values(":cached", n(u64::from(outcome.cached)))
            .expression_attribute_values(":tokens", n(outcome.tokens_used))
            .expression_attribute_values(":points", n(outcome.points_cost))
            .expression_attribute_values(":response", n(outcome.response_time_ms))
            .expression_attribute_values(":first", n(outcome.raw_events.first_token_ms.unwrap_or(0)));
        actions.push(update_action(update)?);
        if let Some(month) = &question.reserve.month {
            let change = i128::from(outcome.points_cost) - i128::from(question.reserve.points);
            let update = Update::builder()
                .table_name(self.store.core())
                .set_key(Some(keys::usage_of_month(org, month).attributes()))
                .update_expression("ADD points :change")
                .expression_attribute_values(":change", n(change));
            actions.push(update_action(update)?);
        }
        Ok(actions)
    }

    async fn commit_steps(&self, steps: Vec<Step>) -> Result<Commit, StoreError> {
        let (actions, whats): (Vec<_>, Vec<_>) = steps.into_iter().map(|step| (step.action, step.what)).unzip();
        let request = self.store.client.transact_write_items().set_transact_items(Some(actions));
        let Err(error) = request.send().await else { return Ok(Commit::Done) };
        let Some(reasons) = cancellation(&error) else {
            let error = StoreError::from(error);
            return if matches!(error, StoreError::Conflict) { Ok(Commit::Busy) } else { Err(error) };
        };
        let failed = |what: What| {
            let mut of = whats.iter().zip(reasons).filter(|(of, _)| **of == what);
            of.find(|(_, reason)| reason.code() == Some("ConditionalCheckFailed")).map(|(_, reason)| reason)
        };
        // A request that was made before is that first of all, whatever has become of it.
        for what in [What::Key, What::Question, What::Chat, What::Balance, What::Month, What::Other] {
            if let Some(reason) = failed(what) {
                return Ok(Commit::Failed(what, old(reason)));
            }
        }
        if reasons.iter().any(is_busy) { Ok(Commit::Busy) } else { Err(StoreError::from(error)) }
    }
}

enum Commit {
    Done,
    Busy,
    Failed(What, Option<Item>),
}

fn old(reason: &CancellationReason) -> Option<Item> {
    reason.item().cloned()
}

fn others(actions: Vec<TransactWriteItem>) -> impl Iterator<Item = Step> {
    actions.into_iter().map(|action| Step { action, what: What::Other })
}
