//! Things that work once or a few times: e-mail codes, stream tickets, counters of attempts.

use crate::error::StoreError;
use crate::item::{from_item, n, to_item};
use crate::keys;
use crate::table::held;
use crate::{Store, now};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::user::{Email, Principal};
use serde::{Deserialize, Serialize};

/// What a code proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePurpose {
    /// That the address is theirs.
    VerifyEmail,
    /// That they sign in.
    SignIn,
}

impl CodePurpose {
    /// The purpose's name in keys and digests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::SignIn => "sign-in",
        }
    }
}

/// What became of a guess of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was right; the code is used up.
    Right,
    /// It was wrong, or there was no code.
    Wrong,
    /// Too many guesses; a new code is needed.
    Exhausted,
}

/// Guesses one code allows (protocols.md 5.4).
const MAX_GUESSES: u32 = 5;

#[derive(Serialize, Deserialize)]
struct CodeRecord {
    digest: String,
    guesses: u32,
    /// Second at which it was made.
    made_at: i64,
    ttl: i64,
}

/// A one-time ticket: who it stands for and where it opens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// Whoever asked for it.
    pub principal: Principal,
    /// The path it opens.
    pub path: String,
    /// Second at which it ends.
    pub ttl: i64,
}

impl Store {
    /// Keeps a code's digest; an earlier code of the same purpose ends. False, and nothing changes, when the earlier one
    /// is not used and younger than `pause_seconds`.
    pub async fn put_code(
        &self,
        purpose: CodePurpose,
        email: &Email,
        digest: &str,
        seconds: i64,
        pause_seconds: i64,
    ) -> Result<bool, StoreError> {
        let now = now();
        let record = CodeRecord {
            digest: digest.to_owned(),
            guesses: 0,
            made_at: now.seconds(),
            ttl: now.plus_seconds(seconds).seconds(),
        };
        let result = self
            .client
            .put_item()
            .table_name(self.ephemeral())
            .set_item(Some(to_item(&keys::code(purpose.as_str(), email), "code", &record)?))
            .condition_expression("attribute_not_exists(pk) OR made_at <= :before OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":before", n(now.plus_seconds(-pause_seconds).seconds()))
            .expression_attribute_values(":now", n(now.seconds()))
            .send()
            .await;
        held(result)
    }

    /// Forgets a code that did not reach its reader.
    pub async fn remove_code(&self, purpose: CodePurpose, email: &Email) -> Result<(), StoreError> {
        self.take(&keys::code(purpose.as_str(), email)).await.map(|_| ())
    }

    /// Tries a code. Every try counts before it is compared; the right one uses the code up, once.
    pub async fn try_code(&self, purpose: CodePurpose, email: &Email, digest: &str) -> Result<Attempt, StoreError> {
        let key = keys::code(purpose.as_str(), email);
        let counted = self
            .client
            .update_item()
            .table_name(self.ephemeral())
            .set_key(Some(key.attributes()))
            .update_expression("ADD guesses :one")
            .condition_expression("attribute_exists(pk) AND #ttl > :now AND guesses < :max")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":max", n(MAX_GUESSES))
            .expression_attribute_values(":now", n(now().seconds()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let record: CodeRecord = match counted {
            Ok(output) => from_item(output.attributes.unwrap_or_default())?,
            Err(error) => {
                let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
                    return Err(error.into());
                };
                let exhausted = failed.item().is_some_and(still_valid);
                return Ok(if exhausted { Attempt::Exhausted } else { Attempt::Wrong });
            }
        };
        if record.digest != digest {
            return Ok(Attempt::Wrong);
        }
        let removed = self.take(&key).await?;
        Ok(if removed.is_some() { Attempt::Right } else { Attempt::Wrong })
    }

    /// Keeps a ticket under the hash of its text.
    pub async fn put_ticket(&self, hash: &str, ticket: &Ticket) -> Result<(), StoreError> {
        self.put(self.ephemeral(), to_item(&keys::ticket(hash), "ticket", ticket)?).await
    }

    /// Uses a ticket up. Of many callers at once only one gets it.
    pub async fn redeem_ticket(&self, hash: &str) -> Result<Option<Ticket>, StoreError> {
        let ticket: Option<Ticket> = self.take(&keys::ticket(hash)).await?.map(from_item).transpose()?;
        Ok(ticket.filter(|ticket| ticket.ttl > now().seconds()))
    }

    /// Counts one more of something in a window of time; false when `max` had been reached.
    pub async fn count(&self, what: &str, who: &str, max: u32, window_seconds: i64) -> Result<bool, StoreError> {
        let window = now().seconds() / window_seconds.max(1);
        let result = self
            .client
            .update_item()
            .table_name(self.ephemeral())
            .set_key(Some(keys::rate(what, who, window).attributes()))
            .update_expression("SET #ttl = if_not_exists(#ttl, :ttl) ADD #count :one")
            .condition_expression("attribute_not_exists(#count) OR #count < :max")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":ttl", n((window + 1) * window_seconds + 60))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":max", n(max))
            .send()
            .await;
        held(result)
    }

    /// Forgets a counter of the present window.
    pub async fn reset_count(&self, what: &str, who: &str, window_seconds: i64) -> Result<(), StoreError> {
        let window = now().seconds() / window_seconds.max(1);
        self.take(&keys::rate(what, who, window)).await.map(|_| ())
    }
}

fn still_valid(item: &crate::item::Item) -> bool {
    let ttl = item.get("ttl").and_then(|ttl| ttl.as_n().ok()).and_then(|ttl| ttl.parse::<i64>().ok());
    ttl.is_some_and(|ttl| ttl > now().seconds())
}
