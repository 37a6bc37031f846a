//! CloudWatch metrics in the embedded metric format: one JSON line on standard output, no API call.

use domain::chat::{Ending, Exchange, Finish, Outcome};
use serde_json::{Map, Value, json};
use std::io::Write;
use store::now;

/// A metric's unit.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A time.
    Milliseconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// Emits metrics under the function's name.
pub fn emit(function: &str, metrics: &[(&str, f64, Unit)]) {
    let line = line(function, metrics, now().millis());
    // A closed standard output ends the process soon enough; a lost metric is no reason to fail an event.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Emits what an answer that is over took, under the name of the function that made it or found it ready.
pub fn answer(function: &str, exchange: &Exchange) {
    if let Some(outcome) = &exchange.outcome {
        emit(function, &of_answer(outcome));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no 53 bits")]
fn of_answer(outcome: &Outcome) -> Vec<(&'static str, f64, Unit)> {
    let one_if = |is: bool| f64::from(u8::from(is));
    let first_token = outcome.raw_events.first_token_ms.map(|ms| ("FirstTokenTime", ms as f64, Unit::Milliseconds));
    let mut metrics = vec![
        ("AnswerDuration", outcome.response_time_ms as f64, Unit::Milliseconds),
        ("Tokens", outcome.tokens_used as f64, Unit::Count),
        ("Points", outcome.points_cost as f64, Unit::Count),
        ("CachedAnswers", one_if(outcome.cached), Unit::Count),
        ("FailedAnswers", one_if(matches!(outcome.ending, Ending::Failed(_))), Unit::Count),
        ("StoppedAnswers", one_if(outcome.ending == Ending::Complete(Finish::Stopped)), Unit::Count),
    ];
    metrics.extend(first_token);
    metrics
}

fn line(function: &str, metrics: &[(&str, f64, Unit)], millis: i64) -> Value {
    let definitions: Vec<Value> =
        metrics.iter().map(|(name, _, unit)| json!({"Name": name, "Unit": unit.as_str()})).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": millis,
            "CloudWatchMetrics": [{"Namespace": "Switchboard", "Dimensions": [["Function"]], "Metrics": definitions}],
        }),
    );
    line.insert("Function".to_owned(), Value::from(function));
    line.extend(metrics.iter().map(|(name, value, _)| ((*name).to_owned(), Value::from(*value))));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_measured_by_how_it_ended() {
        let outcome = |kind: &str, why: &str| -> Outcome {
            serde_json::from_value(json!({
                "response": "4", "ending": {"kind": kind, "why": why}, "tokens_used": 150, "points_cost": 5,
                "ended_at": 1, "response_time_ms": 900, "tokens": 1, "raw_events": {"first_token_ms": 300},
            }))
            .unwrap()
        };
        let value = |outcome: &Outcome, name: &str| of_answer(outcome).iter().find(|one| one.0 == name).unwrap().1;
        let stopped = outcome("complete", "stopped");
        assert_eq!((value(&stopped, "FirstTokenTime"), value(&stopped, "AnswerDuration")), (300.0, 900.0));
        assert_eq!((value(&stopped, "StoppedAnswers"), value(&stopped, "FailedAnswers")), (1.0, 0.0));
        let failed = outcome("failed", "timeout");
        assert_eq!((value(&failed, "StoppedAnswers"), value(&failed, "FailedAnswers")), (0.0, 1.0));
        assert_eq!((value(&failed, "Tokens"), value(&failed, "Points")), (150.0, 5.0));
    }

    #[test]
    fn a_line_defines_and_holds_each_metric() {
        let line = line("fanout", &[("Posts", 3.0, Unit::Count), ("Lag", 1.5, Unit::Milliseconds)], 7);
        assert_eq!(line["Posts"], 3.0);
        assert_eq!(line["Function"], "fanout");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][1], json!({"Name": "Lag", "Unit": "Milliseconds"}));
    }
}
