//! What the voice agent is told of a caller with a long past, while the phone rings.

use crate::cloud::Cloud;
use crate::function::{Function, Start};
use crate::report::{Report, Target, percentile};
use crate::wire::Wire;
use crate::{Binaries, Result, event};
use domain::context::brief;
use domain::conversation::{Conversation, Medium, NewConversation, Urgency};
use domain::event::{EventBody, Speaker};
use domain::ids::{ConversationId, OrganizationId};
use domain::phone::PhoneNumber;
use std::time::{Duration, Instant};
use store::{Append, Tenant, now};

const GROUP: &str = "conversation initiation of a caller with 10,000 messages, warm, ms";
const PATH: &str = "/api/webhooks/elevenlabs/conversation-initiation";
const MESSAGES: usize = 10_000;
const WARM_UP: usize = 200;
const ROUNDS: usize = 2000;
/// The phone rings: that long at most, in all but one of a hundred calls (G44).
const MOST: f64 = 100.0;
/// BICI's number, and somebody who calls it often.
const CALLED: &str = "+14165550120";
const CALLER: &str = "+14155550188";
const CONVERSATION: &str = "conv_14155550188_20251003_120000";
/// Events to look for the latest messages in.
const LOOK_BACK: i32 = 200;

pub(crate) async fn measure(cloud: &Cloud, binaries: &Binaries, report: &mut Report) -> Result<()> {
    let store = cloud.store().await?;
    let tenant = store.tenant(&OrganizationId::parse(&cloud.admin()?.organization_id)?);
    fill(&tenant).await?;
    let (name, secret) = cloud.initiation_header()?;
    let body =
        format!(r#"{{"caller_id":"{CALLER}","agent_id":"agent_bench","called_number":"{CALLED}","call_sid":"CA1"}}"#);

    let headers = [("content-type", "application/json"), (name, secret)];
    let request = event::rest("POST", PATH, PATH, &headers, Some(&body));
    let program = binaries.path("webhooks");
    let environment = cloud.environment("webhooks")?;
    let start = Start { program: &program, environment: &environment, processor: None };
    let (function, _) = Function::start(&start, None).await?;
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..WARM_UP + ROUNDS {
        let asked = Instant::now();
        let answer = function.invoke(&request).await?;
        check(&answer.body, "\\\"total_messages\\\":\\\"10000\\\"")?;
        if round >= WARM_UP {
            times.push(answer.at - asked);
        }
    }
    function.stop().await?;
    tell(report, "function, by the Runtime API; embedded table", times);

    let mut wire = Wire::connect(cloud.address()).await?;
    let headers = format!("content-type: application/json\r\n{name}: {secret}\r\n");
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..WARM_UP + ROUNDS {
        let asked = Instant::now();
        let answer = wire.ask(&format!("POST {PATH}"), &headers, body.as_bytes()).await?;
        let time = asked.elapsed();
        check(&answer.body, "\"total_messages\":\"10000\"")?;
        if round >= WARM_UP {
            times.push(time);
        }
    }
    tell(report, "whole local cloud, over HTTP", times);
    Ok(())
}

fn tell(report: &mut Report, what: &str, mut times: Vec<Duration>) {
    report.add(GROUP, what, percentile(&mut times, 0.5), "ms");
    let p99 = percentile(&mut times, 0.99);
    report.p99(p99);
    report.judge(GROUP, "    its 99th percentile", p99, "ms", Target::AtMost(MOST));
}

fn check(body: &[u8], expected: &str) -> Result<()> {
    if body.windows(expected.len()).any(|window| window == expected.as_bytes()) {
        return Ok(());
    }
    Err(format!("not the caller's variables: {}", String::from_utf8_lossy(body)).into())
}

/// Makes the contact's past, and the briefing that the replies function would have made of it.
async fn fill(tenant: &Tenant) -> Result<()> {
    let phone = PhoneNumber::from_provider(CALLER)?;
    let contact_id = tenant.contact_or_new(&phone).await?.id;
    let id = ConversationId::parse(CONVERSATION)?;
    let bodies: Vec<EventBody> = (0..MESSAGES)
        .map(|number| EventBody::Message {
            role: if number % 2 == 0 { Speaker::Customer } else { Speaker::Assistant },
            text: format!("Message {number}: the rear wheel makes a noise when I brake, but only when it has rained."),
            sources: String::new(),
        })
        .collect();
    let mut chunks = bodies.chunks(store::MAX_EVENTS);
    let first = chunks.next().unwrap_or_default().to_vec();
    let new = NewConversation {
        contact_id: contact_id.clone(),
        phone: phone.clone(),
        medium: Medium::Sms,
        urgency: Urgency::Medium,
        started_at: now(),
    };
    let conversation = Conversation::begin(id.clone(), None, tenant.organization_id().clone(), new);
    tenant.open_as(conversation, Append::new(first, now())).await?;
    for chunk in chunks {
        tenant.append(&id, Append::new(chunk.to_vec(), now())).await?.ok_or("the conversation is gone")?;
    }
    let events = tenant.latest_of_contact(&contact_id, LOOK_BACK).await?;
    let messages = tenant.timeline(&contact_id).await?.messages;
    let briefing = brief(&events, messages, &domain::contact::Briefing::default(), None);
    tenant.put_briefing(&phone, &briefing).await?;
    Ok(())
}
