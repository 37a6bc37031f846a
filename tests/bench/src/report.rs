//! The figures, as a table and as JSON.

use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// All figures of a run.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    /// What the run ran on.
    pub(crate) machine: Vec<String>,
    rows: Vec<Row>,
}

/// One figure.
#[derive(Serialize)]
struct Row {
    group: &'static str,
    what: String,
    figure: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Report {
    /// Adds a figure.
    pub(crate) fn add(&mut self, group: &'static str, what: impl Into<String>, figure: f64, unit: &'static str) {
        self.rows.push(Row { group, what: what.into(), figure, unit, p99: None, target: None, met: None });
    }

    /// Adds a figure that has a target.
    pub(crate) fn judge(
        &mut self,
        group: &'static str,
        what: impl Into<String>,
        figure: f64,
        unit: &'static str,
        target: Target,
    ) {
        self.add(group, what, figure, unit);
        if let Some(row) = self.rows.last_mut() {
            row.met = Some(match target {
                Target::AtMost(most) => figure <= most,
                Target::AtLeast(least) => figure >= least,
            });
            row.target = Some(target);
        }
    }

    /// Gives the latest figure its 99th percentile.
    pub(crate) fn p99(&mut self, figure: f64) {
        if let Some(row) = self.rows.last_mut() {
            row.p99 = Some(figure);
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for line in &self.machine {
            let _ = writeln!(text, "{line}");
        }
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        let mut group = "";
        for row in &self.rows {
            if row.group != group {
                group = row.group;
                let _ = writeln!(text, "\n{group:<width$}  {:>10}  {:>10}  {:<6}  target", "p50/value", "p99", "unit");
            }
            let p99 = row.p99.map(number).unwrap_or_default();
            let figure = number(row.figure);
            let _ = write!(text, "{:<width$}  {figure:>10}  {p99:>10}  {:<6}", row.what, row.unit);
            if let (Some(target), Some(met)) = (row.target, row.met) {
                let (sign, value) = match target {
                    Target::AtMost(value) => ("<=", value),
                    Target::AtLeast(value) => (">=", value),
                };
                let _ = write!(text, "  {sign} {} {}", number(value), if met { "met" } else { "MISSED" });
            }
            text.push('\n');
        }
        text
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The value below which `share` of the samples are, in milliseconds.
pub(crate) fn percentile(samples: &mut [Duration], share: f64) -> f64 {
    samples.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank among a few thousand"
    )]
    let rank = ((samples.len().saturating_sub(1)) as f64 * share).round() as usize;
    samples.get(rank).map_or(f64::NAN, |sample| millis(*sample))
}

/// A time in milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
