//! EventBridge rules that invoke a function again and again.
//!
//! One loop per rule, so that a run is never joined by the next one; a period that a long run has used up is left out.
//! A failed run is not repeated: the next period does it.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::http::system::{self, ACCOUNT};
use crate::runtime_api::Functions;
use crate::settings::Settings;
use crate::streams::{self, Invoke};
use crate::template::{Schedule, Template};

/// However fast time runs, functions do other things too.
const SHORTEST_PERIOD: Duration = Duration::from_millis(100);

/// Why the schedules do not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template names a function that is not there.
    #[error("the schedule {schedule} invokes {function}, which does not exist")]
    Missing {
        /// The rule.
        schedule: String,
        /// Binary name of the function.
        function: String,
    },
}

/// The running schedules; dropping it stops them.
#[derive(Debug)]
pub struct Schedules {
    _tasks: JoinSet<()>,
}

/// Starts a loop for every schedule of the template. The first invocation is one period away, as on AWS.
///
/// # Errors
///
/// Fails if a schedule names a function that is not there.
pub fn start(template: &Template, functions: &Functions, settings: &Settings) -> Result<Schedules, Error> {
    let mut tasks = JoinSet::new();
    for schedule in &template.schedules {
        let Some(function) = functions.get(&schedule.function) else {
            let (schedule, function) = (schedule.name.clone(), schedule.function.clone());
            return Err(Error::Missing { schedule, function });
        };
        let period = settings.scaled(schedule.period).max(SHORTEST_PERIOD);
        tasks.spawn(run(schedule.clone(), period, streams::invoke(function)));
    }
    Ok(Schedules { _tasks: tasks })
}

async fn run(schedule: Schedule, period: Duration, invoke: Invoke) {
    let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if let Err(error) = invoke(Bytes::from(event(&schedule.name).to_string())).await {
            let (function, name) = (&schedule.function, &schedule.name);
            tracing::warn!(function, schedule = name, %error, "the function failed on a scheduled event");
        }
    }
}

fn event(rule: &str) -> Value {
    json!({
        "version": "0",
        "id": system::uuid().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": format!("{:.0}", jiff::Timestamp::now()),
        "region": "us-east-1",
        "resources": [format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}")],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_period_and_never_two_at_once() {
        let seen: Arc<Mutex<Vec<(Duration, Value)>>> = Arc::default();
        let (start, record) = (Instant::now(), Arc::clone(&seen));
        let invoke: Invoke = Arc::new(move |payload| {
            let event = serde_json::from_slice(&payload).unwrap();
            record.lock().unwrap().push((start.elapsed(), event));
            let first = record.lock().unwrap().len() == 1;
            Box::pin(async move {
                // The first run takes two and a half periods and fails.
                tokio::time::sleep(Duration::from_secs(if first { 150 } else { 1 })).await;
                if first { Err(crate::runtime_api::InvokeError::Timeout) } else { Ok(Bytes::new()) }
            })
        });
        let period = Duration::from_secs(60);
        let schedule = Schedule { function: "replies".to_owned(), name: "Sweep".to_owned(), period };
        let _ = tokio::time::timeout(Duration::from_secs(305), run(schedule, period, invoke)).await;
        let seen = seen.lock().unwrap();
        let times: Vec<u64> = seen.iter().map(|(at, _)| at.as_secs()).collect();
        assert_eq!(times, [60, 210, 240, 300]);
        let event = &seen[0].1;
        assert_eq!((&event["detail-type"], &event["source"]), (&json!("Scheduled Event"), &json!("aws.events")));
        assert_eq!(event["resources"][0], "arn:aws:events:us-east-1:123456789012:rule/Sweep");
        let time = event["time"].as_str().unwrap();
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    }
}
