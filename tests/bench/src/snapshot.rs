//! Warm snapshots of a conversation of 50 messages.

use crate::cloud::{self, Cloud};
use crate::function::{Function, Start};
use crate::replay::{self, Writes};
use crate::report::{Report, Target, percentile};
use crate::wire::Wire;
use crate::{Binaries, Result, event};
use domain::event::{EventBody, Speaker};
use std::time::{Duration, Instant};

const GROUP: &str = "warm snapshot of 50 messages, ms";
const MESSAGES: usize = 50;
const WARM_UP: usize = 200;
const ROUNDS: usize = 2000;
/// A conversation of the demo's, in the benchmark's organization.
pub(crate) const CONVERSATION: &str = "conv_14155550142_20251003_120000";

pub(crate) async fn measure(cloud: &Cloud, binaries: &Binaries, report: &mut Report) -> Result<()> {
    let admin = cloud.admin()?;
    fill(cloud, &admin).await?;
    let token = format!("Bearer {}", admin.token);
    let path = format!("/api/conversation/{CONVERSATION}");
    let request = event::rest(
        "GET",
        "/api/conversation/{conversation_id}",
        &path,
        &[("authorization", &token), ("accept", "application/json")],
        None,
    );

    let table = replay::start(cloud.dynamodb(), Writes::Asked).await?;
    for (what, url) in [
        ("function, by the Runtime API; table answers at once", Some(table)),
        ("function, by the Runtime API; embedded table", None),
    ] {
        let mut environment = cloud.environment("snapshots")?;
        environment.extend(url.map(|url| ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), url)));
        let program = binaries.path("snapshots");
        let start = Start { program: &program, environment: &environment, processor: None };
        let (function, _) = Function::start(&start, None).await?;
        let mut times = Vec::with_capacity(ROUNDS);
        for round in 0..WARM_UP + ROUNDS {
            let asked = Instant::now();
            let answer = function.invoke(&request).await?;
            check(&answer.body, "\\\"success\\\":true")?;
            if round >= WARM_UP {
                times.push(answer.at - asked);
            }
        }
        function.stop().await?;
        tell(report, what, times, Some(Target::AtMost(1.0)));
    }

    let mut wire = Wire::connect(cloud.address()).await?;
    let headers = format!("authorization: {token}\r\naccept: application/json\r\n");
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..WARM_UP + ROUNDS {
        let asked = Instant::now();
        let answer = wire.ask(&format!("GET {path}"), &headers, b"").await?;
        let time = asked.elapsed();
        check(&answer.body, "\"success\":true")?;
        if round >= WARM_UP {
            times.push(time);
        }
    }
    tell(report, "whole local cloud, over HTTP", times, None);
    Ok(())
}

fn tell(report: &mut Report, what: &str, mut times: Vec<Duration>, target: Option<Target>) {
    let p50 = percentile(&mut times, 0.5);
    match target {
        Some(target) => report.judge(GROUP, what, p50, "ms", target),
        None => report.add(GROUP, what, p50, "ms"),
    }
    report.p99(percentile(&mut times, 0.99));
}

fn check(body: &[u8], expected: &str) -> Result<()> {
    if body.windows(expected.len()).any(|window| window == expected.as_bytes()) {
        return Ok(());
    }
    Err(format!("not a snapshot: {}", String::from_utf8_lossy(body)).into())
}

/// Brings the conversation to 50 messages.
async fn fill(cloud: &Cloud, admin: &cloud::User) -> Result<()> {
    let store = cloud.store().await?;
    let id = domain::ids::ConversationId::parse(CONVERSATION)?;
    let tenant = store.tenant(&domain::ids::OrganizationId::parse(&admin.organization_id)?);
    let conversation = tenant.conversation(&id).await?.ok_or("the demo data has no such conversation")?;
    let missing = MESSAGES.saturating_sub(usize::try_from(conversation.messages)?);
    let bodies: Vec<EventBody> = (0..missing)
        .map(|number| EventBody::Message {
            role: if number % 2 == 0 { Speaker::Customer } else { Speaker::Assistant },
            text: format!("Message {number}: the rear wheel makes a noise when I brake, but only when it has rained."),
            sources: String::new(),
        })
        .collect();
    for some in bodies.chunks(store::MAX_EVENTS) {
        cloud::append(&store, admin, CONVERSATION, some.to_vec()).await?;
    }
    Ok(())
}
