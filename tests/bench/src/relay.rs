//! Tokens on their way from the model to a client, through the real function: what that adds to a direct connection.
//!
//! The model is a server in this program, and so is the client: it reads the response at the Runtime API, piece by piece.
//! The table answers at once and forgets what is written. The function has a processor for itself where that can be
//! arranged; model, table and client share the other.

mod figures;
mod model;
mod paced;
mod reading;

use crate::cloud::{Cloud, User};
use crate::function::{Function, Start};
use crate::machine::{self, Processors};
use crate::replay::{self, Writes};
use crate::report::Report;
use crate::{Binaries, Error, Result, event};
use domain::ids::{OrganizationId, UserId};
use model::{Says, Script};
use reading::Reading;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::oneshot;

/// More than any script takes.
const MAX_TOKENS: u32 = 1_000_000;
const POINTS: u64 = 10_000_000;
/// Answers that one process makes at once, where it makes more than one.
const AT_ONCE: u32 = 256;

pub(crate) async fn measure(cloud: &Cloud, binaries: &Binaries, report: &mut Report) -> Result<()> {
    let admin = cloud.admin()?;
    prepare(cloud, &admin).await?;
    let (model, table) = surroundings(cloud.dynamodb().to_owned()).await?;
    let processors = Processors::two();
    if let Some(processors) = &processors {
        processors.keep_off(cloud.pid());
    }
    let relay = Relay {
        program: binaries.path("llm-stream"),
        environment: environment(cloud, &model, &table)?,
        token: format!("Bearer {}", admin.token),
        model,
        processor: processors.as_ref().map(|processors| processors.measured),
    };
    let measured = relay.measure(report).await;
    if let Some(processors) = &processors {
        processors.release(cloud.pid());
    }
    measured
}

/// What all figures are taken with.
struct Relay {
    program: PathBuf,
    environment: BTreeMap<String, String>,
    token: String,
    /// Host and port of the model.
    model: String,
    processor: Option<&'static str>,
}

impl Relay {
    async fn measure(&self, report: &mut Report) -> Result<()> {
        let function = self.start(1).await?;
        self.firsts(&function, report).await?;
        self.one_stream(&function, report).await?;
        self.bursts(&function, report).await?;
        function.stop().await?;

        // A process of its own: what bursts leave behind is not this answer's.
        let function = self.start(1).await?;
        self.memory(&function, report).await?;
        function.stop().await?;

        let function = self.start(AT_ONCE).await?;
        self.many_streams(&function, report).await?;
        self.whole(&function, report).await?;
        function.stop().await
    }

    async fn start(&self, at_once: u32) -> Result<Function> {
        let mut environment = self.environment.clone();
        if at_once > 1 {
            environment.insert("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), at_once.to_string());
        }
        let start = Start { program: &self.program, environment: &environment, processor: self.processor };
        let (function, _) = Function::start(&start, None).await?;
        let warm_up = Script { tokens: 100, gap: Duration::ZERO, at_once: 1, says: Says::Words };
        self.ask(&function, warm_up, &Reading::default()).await?;
        Ok(function)
    }

    /// Asks, and reads the whole answer.
    async fn ask(&self, function: &Function, script: Script, reading: &Reading) -> Result<()> {
        const ROUTE: &str = "/api/stream/stream-conversation";
        let headers = [("authorization", self.token.as_str()), ("content-type", "application/json")];
        let body = serde_json::json!({"message": script.to_string(), "max_tokens": MAX_TOKENS, "cache": false});
        let payload = event::rest("POST", ROUTE, ROUTE, &headers, Some(&body.to_string()));
        let seen = reading.clone();
        function.stream(&payload, Box::new(move |block, at| seen.relayed(block, at))).await?;
        reading.check(script)
    }

    /// Asks the model itself, or the function where there is one.
    async fn ask_either(&self, function: Option<&Function>, script: Script, reading: &Reading) -> Result<()> {
        match function {
            Some(function) => self.ask(function, script, reading).await,
            None => reading.direct(&self.model, script).await,
        }
    }
}

/// Somebody who may ask for long answers.
async fn prepare(cloud: &Cloud, admin: &User) -> Result<()> {
    let tenant = cloud.store().await?.tenant(&OrganizationId::parse(&admin.organization_id)?);
    let user = UserId::parse(&admin.id)?;
    let mut organization = tenant.organization().await?.ok_or("the demo data has no organization")?;
    organization.ai.max_tokens = MAX_TOKENS;
    tenant.update_organization(&organization).await?;
    tenant.balance(&user, organization.ai.starting_points).await?;
    tenant.grant(&user, POINTS, &user, "bench", "bench").await?;
    Ok(())
}

/// Model and table, in a thread of their own. Gives the host and port of the model and the URL of the table.
async fn surroundings(table: String) -> Result<(String, String)> {
    let (sender, ready) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let both = async {
                let model = model::start().await?;
                Ok::<_, Error>((model, replay::start(&table, Writes::Forgotten).await?))
            };
            let _ = sender.send(both.await);
            std::future::pending::<()>().await;
        });
    });
    ready.await?
}

fn environment(cloud: &Cloud, model: &str, table: &str) -> Result<BTreeMap<String, String>> {
    let mut environment = cloud.environment("llm-stream")?;
    let ours = [
        ("AWS_ENDPOINT_URL_DYNAMODB", table.to_owned()),
        ("LLM_BASE_URL", format!("http://{model}/v1")),
        ("LLM_MODEL", "bench-1".to_owned()),
        ("LLM_API_KEY", "bench".to_owned()),
        ("LLM_PROVIDERS", "primary".to_owned()),
        ("LLM_SECONDS", "60".to_owned()),
    ];
    environment.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    Ok(environment)
}

/// Processor time of a process, in microseconds.
fn processor_micros(function: &Function) -> f64 {
    function.pid().and_then(machine::processor_seconds).unwrap_or_default() * 1e6
}
