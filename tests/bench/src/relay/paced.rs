//! Streams of 50 tokens a second, each token with the time at which the model wrote it.

use super::model::{Says, Script, nanos};
use super::reading::Reading;
use super::{Relay, processor_micros};
use crate::Result;
use crate::function::Function;
use crate::report::{Report, Target, percentile};
use futures_util::future::try_join_all;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const FIRST: &str = "first token, us from the model's first byte to the client's read";
const ONE: &str = "one stream of 50 tokens a second, us from the model's write to the client's read";
const MANY: &str = "100 streams of 50 tokens a second in one process, us from write to read";
const FIRSTS: u32 = 200;
const STREAMS: u32 = 100;
const ROUNDS: usize = 3;
/// 50 tokens a second, for six seconds.
const PACED: Script = Script { tokens: 300, gap: Duration::from_millis(20), at_once: 1, says: Says::Times };
/// Time between the beginnings of two streams: all phases of the model's rhythm.
const APART: Duration = Duration::from_micros(10_200);
/// What is left out after the last beginning and before the first end: asking and ending are other work.
const MARGIN: Duration = Duration::from_millis(400);

/// Some streams, while all of them were under way.
struct Paced {
    p50: f64,
    p99: f64,
    /// Processor time of the function per token, in microseconds.
    processor: f64,
    tokens: usize,
}

impl Relay {
    pub(super) async fn firsts(&self, function: &Function, report: &mut Report) -> Result<()> {
        let script = Script { tokens: 1, ..PACED };
        let (mut both, mut before) = (Vec::new(), Vec::new());
        for function in [None, Some(function)] {
            let mut times = Vec::new();
            for _ in 0..FIRSTS {
                let (reading, asked) = (Reading::default(), nanos(std::time::Instant::now()));
                self.ask_either(function, script, &reading).await?;
                let read = reading.get();
                times.extend(read.times.iter().map(|(_, time)| *time));
                if function.is_some() {
                    before.extend(
                        read.times.iter().map(|(written, _)| Duration::from_nanos(written.saturating_sub(asked))),
                    );
                }
            }
            both.push((micros(&mut times, 0.5), micros(&mut times, 0.99)));
        }
        if let [direct, relayed] = both[..] {
            report.add(FIRST, "direct", direct.0, "us");
            report.p99(direct.1);
            report.judge(FIRST, "relayed", relayed.0, "us", Target::AtMost(5000.0));
            report.p99(relayed.1);
        }
        report.add(FIRST, "    before: from the event to the model's first byte", micros(&mut before, 0.5), "us");
        report.p99(micros(&mut before, 0.99));
        Ok(())
    }

    pub(super) async fn one_stream(&self, function: &Function, report: &mut Report) -> Result<()> {
        let direct = self.paced(None, 1).await?;
        let relayed = self.paced(Some(function), 1).await?;
        tell(report, ONE, &direct, &relayed);
        Ok(())
    }

    pub(super) async fn many_streams(&self, function: &Function, report: &mut Report) -> Result<()> {
        let mut best: Option<(Paced, Paced)> = None;
        for _ in 0..ROUNDS {
            let direct = self.paced(None, STREAMS).await?;
            let relayed = self.paced(Some(function), STREAMS).await?;
            // The round in which the machine disturbed the direct connections least.
            if best.as_ref().is_none_or(|(best, _)| direct.p99 < best.p99) {
                best = Some((direct, relayed));
            }
        }
        let (direct, relayed) = best.ok_or("no rounds")?;
        tell(report, MANY, &direct, &relayed);
        report.judge(MANY, "added, p99", relayed.p99 - direct.p99, "us", Target::AtMost(300.0));
        report.add(MANY, "processor time of the function per token", relayed.processor, "us");
        #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
        report.add(MANY, "tokens looked at", relayed.tokens as f64, "");
        Ok(())
    }

    async fn paced(&self, function: Option<&Function>, streams: u32) -> Result<Paced> {
        let begun = Instant::now();
        let (from, to) = (begun + APART * streams + MARGIN, begun + PACED.gap * 300 - MARGIN);
        let readings: Vec<(u32, Reading)> = (0..streams).map(|number| (number, Reading::default())).collect();
        let asking = readings.iter().map(|(number, reading)| async move {
            sleep_until(begun + APART * *number).await;
            self.ask_either(function, PACED, reading).await
        });
        let watching = async {
            sleep_until(from).await;
            let before = function.map(processor_micros).unwrap_or_default();
            sleep_until(to).await;
            function.map(processor_micros).unwrap_or_default() - before
        };
        let (answered, processor) = tokio::join!(try_join_all(asking), watching);
        answered?;
        let window = nanos(from.into_std())..nanos(to.into_std());
        let mut times = Vec::new();
        for (_, reading) in &readings {
            let read = reading.get();
            times.extend(read.times.iter().filter(|(written, _)| window.contains(written)).map(|(_, time)| *time));
        }
        let tokens = times.len();
        #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
        let processor = processor / tokens as f64;
        Ok(Paced { p50: micros(&mut times, 0.5), p99: micros(&mut times, 0.99), processor, tokens })
    }
}

fn tell(report: &mut Report, group: &'static str, direct: &Paced, relayed: &Paced) {
    report.add(group, "direct", direct.p50, "us");
    report.p99(direct.p99);
    report.add(group, "relayed", relayed.p50, "us");
    report.p99(relayed.p99);
    report.add(group, "added", relayed.p50 - direct.p50, "us");
    report.p99(relayed.p99 - direct.p99);
    report.add(group, "    relayed to direct", relayed.p50 / direct.p50, "x");
    report.p99(relayed.p99 / direct.p99);
}

fn micros(times: &mut [Duration], share: f64) -> f64 {
    percentile(times, share) * 1000.0
}
