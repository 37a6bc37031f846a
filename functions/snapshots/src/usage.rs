//! What was used of the model, and what it cost (C11, E31). Days are UTC's.

use crate::State;
use axum::Json;
use axum::extract::State as Shared;
use domain::ids::{ChatId, ExchangeId};
use domain::time::Timestamp;
use domain::user::{Email, Permission, User};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Cause, DayOfUse, LedgerEntry, now};
use web::extract::Query;
use web::{ApiError, Caller, Code};

const DEFAULT_DAYS: usize = 30;
const MAX_DAYS: usize = 90;
const SECONDS_OF_DAY: i64 = 86_400;
/// Changes of the balance that are shown.
const LEDGER: i32 = 50;

#[derive(Deserialize)]
pub(crate) struct UsageQuery {
    days: Option<usize>,
}

/// A sum of use.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Use {
    exchanges: u64,
    /// Of these.
    failed: u64,
    /// Of these.
    cached: u64,
    tokens_used: u64,
    points: u64,
    /// From question to the answer's end; `null` where there is none.
    response_time_ms_avg: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Day {
    /// `2024-01-31`.
    date: String,
    #[serde(flatten)]
    used: Use,
}

#[derive(Serialize)]
pub(crate) struct UsageResponse {
    /// Available and held.
    balance: u64,
    available: u64,
    /// Set aside for answers under way.
    held: u64,
    /// Every day, the oldest first.
    days: Vec<Day>,
    /// The latest changes of the balance, the newest first.
    ledger: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    at: String,
    /// Negative for what was spent.
    points: i64,
    #[serde(flatten)]
    cause: CauseView,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum CauseView {
    Grant { reason: String },
    Answer { session_id: ChatId, message_id: ExchangeId, tokens_used: u64 },
}

#[derive(Serialize)]
pub(crate) struct OrganizationUsageResponse {
    total: Use,
    /// Who used anything, the most points first.
    users: Vec<Person>,
    days: Vec<Day>,
    /// What the organization may spend in this month, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    points_cap: Option<PointsCap>,
}

#[derive(Debug, Serialize)]
struct Person {
    user_id: String,
    /// `null` for somebody who is not of the organization any more.
    email: Option<Email>,
    name: Option<String>,
    #[serde(flatten)]
    used: Use,
}

#[derive(Serialize)]
struct PointsCap {
    /// `2024-01`.
    month: String,
    limit: u64,
    /// Spent, and set aside for answers under way.
    used: u64,
}

/// `GET /api/usage`: the caller's own points and use.
pub(crate) async fn own(
    Shared(state): Shared<State>,
    Caller(caller): Caller,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageResponse>, ApiError> {
    let days = days(query.days, now())?;
    let tenant = state.store.tenant(&caller.organization_id);
    let (available, held) = match tenant.points(&caller.user_id).await? {
        Some(balance) => (balance.available, balance.held),
        // They get them with their first question.
        None => (tenant.organization().await?.ok_or(Code::Internal)?.ai.starting_points, 0),
    };
    let used = tenant.use_of(&caller.user_id, &days).await?;
    let ledger = tenant.ledger(&caller.user_id, LEDGER).await?;
    Ok(Json(UsageResponse {
        balance: available.saturating_add(held),
        available,
        held,
        days: by_day(&days, &used),
        ledger: ledger.into_iter().map(Entry::from).collect(),
    }))
}

/// `GET /api/usage/organization`: everybody's use, by person and by day.
pub(crate) async fn organization(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<Json<OrganizationUsageResponse>, ApiError> {
    caller.require(Permission::UsageRead)?;
    let today = now();
    let days = days(query.days, today)?;
    let tenant = state.store.tenant(&caller.0.organization_id);
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Err(Code::Internal.into()) };
    let used = tenant.use_by_day(first, last).await?;
    let users = tenant.users().await?;
    let limit = tenant.organization().await?.ok_or(Code::Internal)?.ai.monthly_points;
    let points_cap = match limit {
        None => None,
        Some(limit) => {
            let used = tenant.points_of_month(&today.month()).await?;
            Some(PointsCap { month: dashed(&today.month()), limit, used })
        }
    };
    Ok(Json(OrganizationUsageResponse {
        total: sum(&used),
        users: by_person(&used, &users),
        days: by_day(&days, &used),
        points_cap,
    }))
}

/// The last so many days, today included, the oldest first: `20240131`.
fn days(asked: Option<usize>, today: Timestamp) -> Result<Vec<String>, ApiError> {
    let count = asked.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&count) {
        return Err(ApiError::invalid(format!("days must be between 1 and {MAX_DAYS}")));
    }
    let back = (0..i64::try_from(count).unwrap_or(1)).rev();
    Ok(back.map(|days| today.plus_seconds(-days * SECONDS_OF_DAY).day()).collect())
}

fn by_day(days: &[String], used: &[DayOfUse]) -> Vec<Day> {
    let of = |day: &String| sum(used.iter().filter(|used| used.day == *day));
    days.iter().map(|day| Day { date: dashed(day), used: of(day) }).collect()
}

fn by_person(used: &[DayOfUse], users: &[User]) -> Vec<Person> {
    let mut of: BTreeMap<&str, Vec<&DayOfUse>> = BTreeMap::new();
    for day in used {
        of.entry(&day.user_id).or_default().push(day);
    }
    let known: BTreeMap<&str, &User> = users.iter().map(|user| (user.id.as_str(), user)).collect();
    let person = |(user_id, days): (&str, Vec<&DayOfUse>)| Person {
        user_id: user_id.to_owned(),
        email: known.get(user_id).map(|user| user.email.clone()),
        name: known.get(user_id).map(|user| user.display_name()),
        used: sum(days),
    };
    let mut people: Vec<Person> = of.into_iter().map(person).collect();
    people.sort_by_key(|person| std::cmp::Reverse(person.used.points));
    people
}

fn sum<'a>(used: impl IntoIterator<Item = &'a DayOfUse>) -> Use {
    let (mut sum, mut response_ms) = (Use::default(), 0);
    for day in used {
        sum.exchanges += day.exchanges;
        sum.failed += day.failed;
        sum.cached += day.cached;
        sum.tokens_used += day.tokens;
        sum.points += day.points;
        response_ms += day.response_ms;
    }
    Use { response_time_ms_avg: u64::checked_div(response_ms, sum.exchanges), ..sum }
}

/// `20240131` as `2024-01-31`, `202401` as `2024-01`.
fn dashed(day: &str) -> String {
    let (year, rest) = day.split_at_checked(4).unwrap_or((day, ""));
    let (month, day) = rest.split_at_checked(2).unwrap_or((rest, ""));
    [year, month, day].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

impl From<LedgerEntry> for Entry {
    fn from(entry: LedgerEntry) -> Self {
        let cause = match entry.cause {
            Cause::Grant { reason, .. } => CauseView::Grant { reason },
            Cause::Answer { exchange_id, chat_id, tokens } => {
                CauseView::Answer { session_id: chat_id, message_id: exchange_id, tokens_used: tokens }
            }
        };
        Self { at: entry.at.iso(), points: entry.points, cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::{OrganizationId, UserId};
    use domain::user::{Profile, Role};

    fn used(day: &str, user: &str, exchanges: u64, points: u64) -> DayOfUse {
        DayOfUse {
            day: day.to_owned(),
            user_id: user.to_owned(),
            exchanges,
            failed: 1,
            cached: 1,
            tokens: 30 * points,
            points,
            response_ms: 500 * exchanges,
            first_token_ms: 0,
        }
    }

    fn ada() -> User {
        User {
            id: UserId::parse("ada").unwrap(),
            organization_id: OrganizationId::parse("acme").unwrap(),
            email: Email::parse("ada@example.com").unwrap(),
            role: Role::Admin,
            first_name: "Ada".to_owned(),
            last_name: String::new(),
            email_verified: true,
            active: true,
            created_at: Timestamp::from_millis(0),
            tokens_valid_after: 0,
            profile: Profile::new(),
        }
    }

    #[test]
    fn days_go_back_from_today_and_are_limited() {
        let leap = Timestamp::from_millis(1_709_251_200_000);
        assert_eq!(days(Some(3), leap).unwrap(), ["20240228", "20240229", "20240301"]);
        assert_eq!(days(None, leap).unwrap().len(), 30);
        assert!(days(Some(90), leap).is_ok() && days(Some(91), leap).is_err() && days(Some(0), leap).is_err());
        assert_eq!((dashed("20240229"), dashed("202402")), ("2024-02-29".to_owned(), "2024-02".to_owned()));
    }

    #[test]
    fn sums_are_by_day_by_person_and_of_all() {
        let all = [used("20240101", "ada", 2, 10), used("20240101", "ben", 1, 30), used("20240102", "ada", 4, 5)];
        let total = sum(&all);
        assert_eq!((total.exchanges, total.failed, total.cached), (7, 3, 3));
        assert_eq!((total.tokens_used, total.points, total.response_time_ms_avg), (1350, 45, Some(500)));

        let days = by_day(&["20240101", "20240102", "20240103"].map(str::to_owned), &all);
        let shown: Vec<_> = days.iter().map(|day| (day.date.as_str(), day.used.points)).collect();
        assert_eq!(shown, [("2024-01-01", 40), ("2024-01-02", 5), ("2024-01-03", 0)]);
        assert_eq!(days[2].used, Use::default());

        let people = by_person(&all, &[ada()]);
        let shown: Vec<_> =
            people.iter().map(|one| (one.user_id.as_str(), one.used.points, one.name.as_deref())).collect();
        assert_eq!(shown, [("ben", 30, None), ("ada", 15, Some("Ada"))]);
    }
}
