//! Starts and stops everything, in this order: ports, database, secrets, internal endpoint, functions, client port,
//! demo data, streams, queues and schedules, `info.json`, banner.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::aws::Aws;
use crate::cli::{BadPort, Cli};
use crate::data_dir::{self, DataDir};
use crate::dynamodb::{self, Dynamodb};
use crate::environment::{self, Environment};
use crate::listeners::{self, Listeners};
use crate::mail::Mailbox;
use crate::process::{self, Children};
use crate::queues::{self, Consumers, Queues};
use crate::routes::{self, Local};
use crate::runtime_api::Functions;
use crate::schedules::{self, Schedules};
use crate::seed::{self, Demo, SeedContext};
use crate::settings::Settings;
use crate::stand_ins::{self, StandIns};
use crate::streams::{self, DeadLetters, StreamCounts, Streams};
use crate::template::{Template, TemplateError};
use crate::{http, info, kill_points, logging, output, secrets, ws};

/// How long requests may still run after the signal to stop, before their functions end.
const GRACE: Duration = Duration::from_millis(500);

/// Why the local cloud does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Port(#[from] BadPort),
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    #[error(transparent)]
    Listeners(#[from] listeners::Error),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Dynamodb(#[from] dynamodb::Error),
    #[error(transparent)]
    Secrets(#[from] secrets::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Streams(#[from] streams::Error),
    #[error(transparent)]
    Queues(#[from] queues::Error),
    #[error(transparent)]
    Schedules(#[from] schedules::Error),
    #[error(transparent)]
    Seed(#[from] seed::Error),
    #[error(transparent)]
    StandIns(#[from] stand_ins::Error),
    #[error("the local cloud cannot {0}")]
    Io(&'static str, #[source] std::io::Error),
}

/// Runs the local cloud until Ctrl-C or SIGTERM.
pub(crate) fn run(cli: Cli) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Io("start its threads", error))?;
    let result = runtime.block_on(start_and_stop(cli));
    // Open sockets and reads that block are not worth waiting for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

async fn start_and_stop(cli: Cli) -> Result<(), Error> {
    let mut signal = std::pin::pin!(signal());
    let environment = Environment::read(cli.env.clone());
    let data_dir = DataDir::open(&cli.data_dir, cli.fresh())?;
    info::remove(data_dir.path());
    logging::start(data_dir.path()).map_err(|error| Error::Io("write its log", error))?;

    let cloud = tokio::select! {
        cloud = Box::pin(start(&cli, &environment, data_dir.path())) => cloud?,
        result = &mut signal => {
            // The functions that were started die with the dropped future; give them the time.
            tokio::time::sleep(GRACE).await;
            return result.map_err(|error| Error::Io("wait for signals", error));
        }
    };
    let result = signal.await.map_err(|error| Error::Io("wait for signals", error));
    tracing::info!("stopping");
    output::say("\nStopping.");
    info::remove(data_dir.path());
    cloud.stop().await;
    result
}

/// Ends with Ctrl-C or SIGTERM.
async fn signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// All that runs.
struct Cloud {
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    children: Children,
    streams: Streams,
    schedules: Schedules,
    /// Until the end: what runs may still finish within the grace.
    _consumers: Consumers,
}

impl Cloud {
    async fn stop(self) {
        drop(self.streams);
        drop(self.schedules);
        self.stop.send_replace(true);
        let servers = async {
            for server in self.servers {
                let _ = server.await;
            }
        };
        let children = async {
            tokio::time::sleep(GRACE).await;
            self.children.shutdown().await;
        };
        tokio::join!(servers, children);
    }
}

/// The addresses of this run.
pub(crate) struct Urls {
    pub(crate) base: String,
    pub(crate) public_base: String,
    pub(crate) websocket: String,
    pub(crate) aws: String,
    pub(crate) dynamodb: String,
}

async fn start(cli: &Cli, environment: &Environment, data_dir: &Path) -> Result<Cloud, Error> {
    let mut settings = cli.settings(cli.wanted_port(environment)?, data_dir.to_owned());
    let listeners = Listeners::open(&settings).await?;
    settings.port = listeners.port;
    let settings = Arc::new(settings);
    let template = environment::find_template(cli.template.as_deref());
    let template = Arc::new(Template::load(&template, &BTreeMap::new())?);
    let (stop, stopped) = watch::channel(false);

    let dynamodb = dynamodb::start(data_dir, &template.tables).await?;
    let secrets = secrets::load(data_dir, environment)?;
    let (mailbox, hub) = (Mailbox::open(data_dir), ws::Hub::default());
    let (base, public_base) = bases(cli, environment, &settings);
    let context =
        stand_ins::Context { data_dir, secrets: &secrets, base: &base, public_base: &public_base, settings: &settings };
    let stand_ins = StandIns::open(&context, environment)?;
    let management = ws::management_router(hub.clone(), &template.stage);
    let routers = [mailbox.api(), secrets::router(&secrets), stand_ins.api(), management];
    let aws = Aws::start(cli.aws_port, &dynamodb.kill_points, routers, stopped.clone()).await?;

    let urls = urls(base, public_base, &settings, &aws, &dynamodb);
    let variables = environment.for_functions(&template, variables(&urls, &template.stage, environment));
    let (functions, children) = process::start_all(&template, &settings, variables).await?;
    aws.serve_functions(functions.clone());
    dynamodb.kill_points.aim_at(functions.clone());

    let dead_letters =
        DeadLetters::open(data_dir).map_err(|error| Error::Io("make the folder of its dead letters", error))?;
    let queues = Queues::open(&template, &settings)?;
    let counts: Arc<OnceLock<StreamCounts>> = Arc::default();
    let local = Local {
        data_dir: data_dir.to_owned(),
        mailbox,
        stand_ins,
        dead_letters: dead_letters.clone(),
        counters: Arc::clone(&dynamodb.counters),
        delay: dynamodb.delay.clone(),
        streams: Arc::clone(&counts),
        queues: queues.clone(),
        kill_points: dynamodb.kill_points.clone(),
    };
    let websocket = ws::client_router(Arc::clone(&template), functions.clone(), Arc::clone(&settings), hub);
    let gateway = http::gateway(Arc::clone(&template), functions.clone(), Arc::clone(&settings));
    let mut servers = listeners.serve(&routes::router(local, websocket, gateway), &stopped);
    servers.push(aws.task);

    let demo = if cli.no_demo { Demo::default() } else { demo(&template, &settings, &urls, secrets).await? };
    let streams = start_streams(&template, &dynamodb, &functions, &settings, &dead_letters, &queues)?;
    let _ = counts.set(streams.counts.clone());
    let consumers = queues::start(&template, &queues, &functions, &settings, &stopped)?;
    let schedules = schedules::start(&template, &functions, &settings)?;
    info::write(data_dir, &demo.info, &urls).map_err(|error| Error::Io("write info.json", error))?;
    tracing::info!(port = settings.port, "ready");
    output::say(&banner(&urls, data_dir, &demo, environment));
    Ok(Cloud { stop, servers, children, streams, schedules, _consumers: consumers })
}

fn start_streams(
    template: &Template,
    dynamodb: &Dynamodb,
    functions: &Functions,
    settings: &Settings,
    dead_letters: &DeadLetters,
    queues: &Queues,
) -> Result<Streams, streams::Error> {
    streams::start(template, &streams::Context { dynamodb, functions, settings, dead_letters, queues })
}

/// Where clients reach this machine, and where providers do.
fn bases(cli: &Cli, environment: &Environment, settings: &Settings) -> (String, String) {
    let base = format!("http://localhost:{}", settings.port);
    let public = cli.public_base_url.as_deref().or_else(|| environment.get("PUBLIC_BASE_URL")).unwrap_or(&base);
    (base.clone(), public.trim_end_matches('/').to_owned())
}

fn urls(base: String, public_base: String, settings: &Settings, aws: &Aws, dynamodb: &Dynamodb) -> Urls {
    Urls {
        public_base,
        websocket: format!("ws://localhost:{}/chat/ws", settings.port),
        aws: aws.url.clone(),
        dynamodb: dynamodb.url.clone(),
        base,
    }
}

/// What makes functions talk to this machine.
fn variables(urls: &Urls, stage: &str, environment: &Environment) -> BTreeMap<String, String> {
    let Urls { public_base, websocket, aws, dynamodb, .. } = urls;
    [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", kill_points::ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.clone()),
        ("AWS_ENDPOINT_URL_SESV2", aws.clone()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws.clone()),
        ("PUBLIC_BASE_URL", public_base.clone()),
        ("WEBSOCKET_ENDPOINT", format!("{aws}/{stage}")),
        ("WEBSOCKET_URL", websocket.clone()),
        // As long as a function may run: like a Lambda, it never learns that its client left.
        ("STREAM_LEASE_SECONDS", "840".to_owned()),
        // A limit of production would stop whoever measures.
        ("QUESTIONS_PER_MINUTE", "6000".to_owned()),
    ]
    .into_iter()
    .chain(stand_ins::variables(aws, environment))
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

async fn demo(
    template: &Template,
    settings: &Settings,
    urls: &Urls,
    secrets: BTreeMap<String, String>,
) -> Result<Demo, seed::Error> {
    let table = |variable: &str| {
        let found = template.functions.iter().find_map(|function| function.environment.get(variable));
        found.cloned().unwrap_or_default()
    };
    let context = SeedContext {
        dynamodb_url: urls.dynamodb.clone(),
        data_dir: settings.data_dir.clone(),
        base_url: urls.base.clone(),
        secrets,
        core_table: table("CORE_TABLE"),
        ephemeral_table: table("EPHEMERAL_TABLE"),
    };
    seed::run(&context).await
}

fn banner(urls: &Urls, data_dir: &Path, demo: &Demo, environment: &Environment) -> String {
    let Urls { base, public_base, websocket, aws, dynamodb } = urls;
    let mut banner = format!(
        "\nSwitchboard runs at {base}\n\n  WebSocket  {websocket}\n  Mail       {base}/local/mail\n  Metrics    {base}/local/metrics\n  \
         DynamoDB   {dynamodb}\n  AWS        {aws}\n  Data       {}\n",
        data_dir.display()
    );
    if public_base != base {
        banner.push_str(&format!("  Public     {public_base}\n"));
    }
    banner.push_str(&stand_ins::banner(base, public_base, environment));
    if !demo.banner.is_empty() {
        banner.push('\n');
        banner.push_str(demo.banner.trim_end());
        banner.push('\n');
    }
    banner.push_str("\nCtrl-C stops it.");
    banner
}
