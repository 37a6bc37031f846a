//! CloudWatch metrics in the embedded metric format: one JSON line on standard output, no API call.

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
    fn a_line_defines_and_holds_each_metric() {
        let line = line("fanout", &[("Posts", 3.0, Unit::Count), ("Lag", 1.5, Unit::Milliseconds)], 7);
        assert_eq!(line["Posts"], 3.0);
        assert_eq!(line["Function"], "fanout");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][1], json!({"Name": "Lag", "Unit": "Milliseconds"}));
    }
}
