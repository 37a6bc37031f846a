//! Functions that run by the clock.

use std::time::Duration;

use super::error::TemplateError;
use super::model::Schedule;
use super::node::Node;

/// Reads the properties of one `Schedule` event.
pub(super) fn read(function: &str, name: String, properties: &Node) -> Result<Schedule, TemplateError> {
    properties.only(&["Description", "Schedule"])?;
    let node = properties.required("Schedule")?;
    let period = period(&node.text()?).ok_or_else(|| {
        node.error("the local cloud understands rate(1 minute), rate(5 minutes), rate(1 hour) and the like only")
    })?;
    Ok(Schedule { function: function.to_owned(), name, period })
}

/// EventBridge wants the singular for one and the plural for more.
fn period(rate: &str) -> Option<Duration> {
    let (number, unit) = rate.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let number: u32 = number.parse().ok()?;
    let unit = match (number, unit) {
        (1, "minute") | (2.., "minutes") => 60,
        (1, "hour") | (2.., "hours") => 3600,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_eventbridge() {
        for (text, seconds) in
            [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(1 hour)", 3600), ("rate(12 hours)", 43_200)]
        {
            assert_eq!(period(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "rate(-1 minutes)", "cron(0 * * * ? *)", ""]
        {
            assert_eq!(period(text), None, "{text}");
        }
    }
}
