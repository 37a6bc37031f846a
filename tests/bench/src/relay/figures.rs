//! Answers that come at once, long ones, and many.

use super::model::{Says, Script};
use super::reading::Reading;
use super::{Relay, processor_micros};
use crate::Result;
use crate::function::Function;
use crate::machine;
use crate::report::{Report, Target, percentile};
use futures_util::future::join_all;
use std::time::Duration;

const BURST: &str = "answers of 20,000 tokens as fast as the model writes";
const MEMORY: &str = "resident memory while an answer of 1 MB comes, one invocation at a time";
const WHOLE: &str = "200 streams at once in one process";
const WORDS: Script = Script { tokens: 20_000, gap: Duration::ZERO, at_once: 1, says: Says::Words };
const BURSTS: usize = 15;
/// 1 MB in blocks of 64 bytes, 4 KB at a time.
const LONG: Script = Script { tokens: 16_384, gap: Duration::from_millis(20), at_once: 64, says: Says::Blocks };
const LAST_BYTES: usize = 8192;
/// Time between two looks at the memory.
const LOOK: Duration = Duration::from_millis(2);
const MANY: Script = Script { tokens: 100, gap: Duration::from_millis(20), at_once: 1, says: Says::Times };
const STREAMS: usize = 200;

impl Relay {
    pub(super) async fn bursts(&self, function: &Function, report: &mut Report) -> Result<()> {
        let (direct, _) = self.burst(None).await?;
        let before = processor_micros(function);
        let (relayed, per_event) = self.burst(Some(function)).await?;
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
        let processor = (processor_micros(function) - before) / (WORDS.tokens * BURSTS) as f64;
        let place = if self.processor.is_some() { "on its own core" } else { "no core of its own" };
        report.add(BURST, "direct", direct, "1/s");
        report.judge(BURST, format!("relayed, {place}"), relayed, "1/s", Target::AtLeast(300_000.0));
        report.judge(BURST, "    share of direct", relayed / direct * 100.0, "%", Target::AtLeast(40.0));
        report.add(BURST, "processor time of the function per token, asking and keeping included", processor, "us");
        report.add(BURST, "    tokens per second of processor time", 1e6 / processor, "1/s");
        report.add(BURST, "    tokens per event", per_event, "");
        Ok(())
    }

    /// Tokens per second between the first and the last, the middle of all bursts; and tokens per event.
    async fn burst(&self, function: Option<&Function>) -> Result<(f64, f64)> {
        let (mut times, mut events) = (Vec::new(), 0);
        for _ in 0..BURSTS {
            let reading = Reading::default();
            self.ask_either(function, WORDS, &reading).await?;
            let read = reading.get();
            times.extend(read.first.zip(read.last).map(|(first, last)| last - first));
            events += read.events;
        }
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
        let (tokens, events) = (WORDS.tokens as f64, events as f64 / BURSTS as f64);
        Ok((tokens / percentile(&mut times, 0.5) * 1000.0, tokens / events))
    }

    pub(super) async fn memory(&self, function: &Function, report: &mut Report) -> Result<()> {
        let resident =
            || function.pid().and_then(machine::resident_mb).ok_or("memory cannot be seen: this needs Linux");
        let before = resident()?;
        let reading = Reading::default();
        let asking = self.ask(function, LONG, &reading);
        tokio::pin!(asking);
        let (mut coming, mut end) = (before, before);
        loop {
            tokio::select! {
                answered = &mut asking => break answered?,
                () = tokio::time::sleep(LOOK) => {}
            }
            let is_ending = reading.get().text.len() + LAST_BYTES >= LONG.bytes().unwrap_or_default();
            let now = resident()?;
            end = now.max(end);
            if !is_ending {
                coming = now.max(coming);
            }
        }
        report.add(MEMORY, "before", before, "MB");
        report.add(MEMORY, "most while it came", coming, "MB");
        report.judge(MEMORY, "    more than before", coming - before, "MB", Target::AtMost(4.0));
        report.add(MEMORY, "most at its end, when the whole answer is told once more and kept", end, "MB");
        report.add(MEMORY, "after", resident()?, "MB");
        Ok(())
    }

    pub(super) async fn whole(&self, function: &Function, report: &mut Report) -> Result<()> {
        let ask = async || self.ask(function, MANY, &Reading::default()).await;
        let answers = join_all((0..STREAMS).map(|_| ask())).await;
        let failed = answers.iter().find_map(|answer| answer.as_ref().err());
        #[expect(clippy::cast_precision_loss, reason = "some hundred")]
        let whole = answers.iter().filter(|answer| answer.is_ok()).count() as f64;
        report.judge(WHOLE, "answers that came whole", whole, "", Target::AtLeast(200.0));
        if let Some(failed) = failed {
            report.machine.push(format!("an answer of {STREAMS} at once: {failed}"));
        }
        if let Some(memory) = function.pid().and_then(machine::resident_mb) {
            report.add(WHOLE, "resident memory after it", memory, "MB");
        }
        Ok(())
    }
}
