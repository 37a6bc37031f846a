//! The server of a language model, as far as answers of a script take one: OpenAI-compatible events, each in its own
//! HTTP chunk and with the time at which it was written where that is wanted.

use crate::Result;
use crate::wire::{Wire, spawn};
use std::fmt::{self, Write};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

/// What stands before a script in a question's text.
const MARK: &str = "bench-relay ";
const WORDS: [&str; 8] = [" the", " rear", " wheel", " of", " your", " bike", " is", " true"];
/// A longer token: this many of them are a kilobyte.
const BLOCK: &str = " The rear wheel is true, and its brake is quiet in the rain too.";
const BEGIN: &str = r#"data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1759492684,"model":"bench-1","system_fingerprint":"fp_bench","choices":[{"index":0,"delta":"#;
const END: &str = r#","logprobs":null,"finish_reason":null}]}"#;
const LAST: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1759492684,"model":"bench-1","system_fingerprint":"fp_bench","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1759492684,"model":"bench-1","system_fingerprint":"fp_bench","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":100,"total_tokens":200}}"#;

/// The zero of all times that tokens carry.
static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment, in nanoseconds since some moment of this run.
pub(crate) fn nanos(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*ZERO).as_nanos()).unwrap_or(u64::MAX)
}

/// What the model is to answer. Travels as the question's text.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    pub(crate) tokens: usize,
    /// Time between two writes; none where it writes as fast as it can.
    pub(crate) gap: Duration,
    /// Tokens of one write.
    pub(crate) at_once: usize,
    pub(crate) says: Says,
}

/// What the tokens are.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Says {
    /// The time at which each was written.
    Times,
    /// Short words.
    Words,
    /// 64 bytes each.
    Blocks,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match self.says {
            Says::Times => 0,
            Says::Words => 1,
            Says::Blocks => 2,
        };
        write!(f, "{MARK}{} {} {} {says}", self.tokens, self.gap.as_micros(), self.at_once)
    }
}

impl Script {
    /// Length of the answer's text, where that is known before.
    pub(crate) fn bytes(&self) -> Option<usize> {
        (self.says != Says::Times).then(|| (0..self.tokens).map(|number| self.token(number).len()).sum())
    }

    fn token(&self, number: usize) -> String {
        match self.says {
            Says::Times => format!(" {}", nanos(Instant::now())),
            Says::Words => WORDS.get(number % WORDS.len()).copied().unwrap_or_default().to_owned(),
            Says::Blocks => BLOCK.to_owned(),
        }
    }

    /// The script in a request.
    fn find(request: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(request)?;
        let (_, script) = text.rsplit_once(MARK).ok_or("a request without a script")?;
        let mut numbers = script.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let mut next = || -> Result<u32> { Ok(numbers.next().ok_or("half a script")??) };
        Ok(Self {
            tokens: next()? as usize,
            gap: Duration::from_micros(u64::from(next()?)),
            at_once: next()? as usize,
            says: match next()? {
                0 => Says::Times,
                1 => Says::Words,
                _ => Says::Blocks,
            },
        })
    }
}

/// Starts one; gives its host and port.
pub(crate) async fn start() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn(async move {
                // A connection that breaks is the end of its reader.
                let _ = serve(stream).await;
            });
        }
    });
    Ok(address)
}

async fn serve(stream: TcpStream) -> Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(request) = wire.read().await? {
        answer(&mut wire, Script::find(&request.body)?).await?;
    }
    Ok(())
}

/// The first write has the head and the first token: the first byte's time is that token's.
async fn answer(wire: &mut Wire, script: Script) -> Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut bytes = String::from(head);
    chunk(&mut bytes, &format!(r#"{BEGIN}{{"role":"assistant","content":""}}{END}"#));
    let mut ticks = (!script.gap.is_zero()).then(|| tokio::time::interval(script.gap));
    if let Some(ticks) = &mut ticks {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    for number in 0..script.tokens {
        if let Some(ticks) = ticks.as_mut().filter(|_| number % script.at_once == 0) {
            if number > 0 {
                wire.write(bytes.as_bytes()).await?;
                bytes.clear();
            }
            ticks.tick().await;
        }
        chunk(&mut bytes, &format!(r#"{BEGIN}{{"content":"{}"}}{END}"#, script.token(number)));
    }
    for data in [LAST, USAGE, "[DONE]"] {
        chunk(&mut bytes, &format!("data: {data}"));
    }
    bytes.push_str("0\r\n\r\n");
    wire.write(bytes.as_bytes()).await
}

fn chunk(bytes: &mut String, event: &str) {
    let _ = write!(bytes, "{:x}\r\n{event}\n\n\r\n", event.len() + 2);
}
