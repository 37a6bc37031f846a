//! Cold starts: from the start of a function's process to the end of its first answer, with the event waiting already.
//!
//! The store and the secret are plain HTTP on this machine, because the functions trust Amazon's roots only. What TLS adds
//! is therefore seen in two parts: building the client, which is measured (`with the TLS client`), and the handshake,
//! which is not.

use crate::cloud::Cloud;
use crate::function::{Function, Start};
use crate::report::{Report, Target, percentile};
use crate::{Binaries, Result, event};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const GROUP: &str = "cold start, ms from spawn to first answer";
/// Starts of each.
const ROUNDS: usize = 15;
/// Over the bare function (perf.md 8).
const MOST_OVER_BARE: f64 = 10.0;

struct Contestant {
    what: &'static str,
    program: PathBuf,
    environment: BTreeMap<String, String>,
    payload: Arc<[u8]>,
    /// What its answer has in it.
    expected: &'static str,
    answers: Vec<Duration>,
    inits: Vec<Duration>,
}

pub(crate) async fn measure(cloud: &Cloud, binaries: &Binaries, report: &mut Report) -> Result<()> {
    let mut contestants = contestants(cloud, binaries)?;
    // Taken in turn, so that what else the machine does meets all alike. The first round fills the page cache.
    for round in 0..=ROUNDS {
        for contestant in &mut contestants {
            let (answer, init) = contestant.run().await?;
            if round > 0 {
                contestant.answers.push(answer);
                contestant.inits.push(init);
            }
        }
    }
    let mut bare = f64::NAN;
    for contestant in &mut contestants {
        let p50 = percentile(&mut contestant.answers, 0.5);
        report.add(GROUP, contestant.what, p50, "ms");
        report.p99(percentile(&mut contestant.answers, 0.99));
        if bare.is_nan() {
            bare = p50;
        } else {
            let target = Target::AtMost(MOST_OVER_BARE);
            report.judge(GROUP, "    more than bare", p50 - bare, "ms", target);
        }
        report.add(GROUP, "    until it asks for work (init)", percentile(&mut contestant.inits, 0.5), "ms");
    }
    Ok(())
}

fn contestants(cloud: &Cloud, binaries: &Binaries) -> Result<Vec<Contestant>> {
    let health = event::rest("GET", "/health", "/health", &[], None);
    let token = format!("Bearer {}", cloud.admin()?.token);
    let conversation = "/api/conversation/conv_14155550142_20251003_120000";
    let snapshot = event::rest(
        "GET",
        "/api/conversation/{conversation_id}",
        conversation,
        &[("authorization", &token), ("accept", "application/json")],
        None,
    );
    let webhook = "/api/webhooks/twilio/sms/incoming";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let sms = event::rest("POST", webhook, webhook, &form, Some("From=%2B14155550199&To=%2B14155550198&Body=x"));
    let deployed = cloud.environment("snapshots")?;
    let contestant = |what, program: &str, environment, payload: &Arc<[u8]>, expected| Contestant {
        what,
        program: binaries.path(program),
        environment,
        payload: payload.clone(),
        expected,
        answers: Vec::new(),
        inits: Vec::new(),
    };
    // The secret from the environment instead of the secret store: no request at all before the first answer.
    let mut alone = deployed.clone();
    alone.remove("SECRETS_ID");
    alone.insert("JWT_SECRET".to_owned(), "x".repeat(64));
    // Without an endpoint the client is AWS's: HTTPS, ring, five pinned roots. GET /health makes no request with it.
    let mut tls = alone.clone();
    tls.remove("AWS_ENDPOINT_URL_DYNAMODB");
    Ok(vec![
        contestant("bare: lambda_runtime and an echo", "bare", alone.clone(), &health, "/health"),
        contestant(
            "snapshots: GET /health, secret from the environment",
            "snapshots",
            alone,
            &health,
            "\"statusCode\":200",
        ),
        contestant("snapshots: the same with the TLS client", "snapshots", tls, &health, "\"statusCode\":200"),
        contestant(
            "snapshots: GET /health, secret read first",
            "snapshots",
            deployed.clone(),
            &health,
            "\"statusCode\":200",
        ),
        contestant("snapshots: a snapshot (secret, 3 reads)", "snapshots", deployed, &snapshot, "\"statusCode\":200"),
        contestant(
            "webhooks: a forged SMS (secret, 1 read)",
            "webhooks",
            cloud.environment("webhooks")?,
            &sms,
            "\"statusCode\":403",
        ),
    ])
}

impl Contestant {
    /// One start: until the answer, and until it asked for work.
    async fn run(&self) -> Result<(Duration, Duration)> {
        let start = Start { program: &self.program, environment: &self.environment, processor: None };
        let (function, first) = Function::start(&start, Some(&self.payload)).await?;
        let answer = first.ok_or("nothing was asked")?.answer().await?;
        let text = String::from_utf8_lossy(&answer.body);
        if !text.contains(self.expected) {
            return Err(format!("{} answered {text}", self.what).into());
        }
        let times = (answer.at - function.started(), function.init().unwrap_or_default());
        function.stop().await?;
        Ok(times)
    }
}
