//! The three ways a function runs. Each serves one event at a time on classic Lambda, and many at once where the
//! environment allows (`AWS_LAMBDA_MAX_CONCURRENCY`): Managed Instances and the local cloud.

use crate::environment::{ConfigError, Environment};
use crate::logs;
use axum::Router;
use lambda_http::Request;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use web::lambda::Adapter;

/// Runs an HTTP function whose answers are buffered.
pub fn http(router: impl FnOnce(&Environment) -> Option<Router>) -> ExitCode {
    start(async {
        let adapter = adapter(router).await?;
        lambda_http::run_concurrent(service_fn(move |request: Request| {
            let adapter = adapter.clone();
            async move { Ok::<_, Infallible>(adapter.answer_buffered(request).await) }
        }))
        .await
    })
}

/// Runs an HTTP function whose answers are streams.
pub fn streaming(router: impl FnOnce(&Environment) -> Option<Router>) -> ExitCode {
    start(async {
        let adapter = adapter(router).await?;
        lambda_http::run_with_streaming_response_concurrent(service_fn(move |request: Request| {
            let adapter = adapter.clone();
            async move { Ok::<_, Infallible>(adapter.answer(request).await) }
        }))
        .await
    })
}

/// Runs a function of events other than HTTP. The event comes unparsed, so that a batch is read once, into the types
/// its function needs.
pub fn events<S, F, R>(
    state: impl FnOnce(&Environment) -> Option<S>,
    handle: impl Fn(Arc<S>, Box<RawValue>) -> F + Clone + Send + 'static,
) -> ExitCode
where
    S: Send + Sync + 'static,
    F: Future<Output = Result<R, lambda_runtime::Error>> + Send + 'static,
    R: Serialize + Send + Sync + 'static,
{
    start(async {
        let state = Arc::new(build(state).await?);
        lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            handle(state.clone(), event.payload)
        }))
        .await
    })
}

async fn build<S>(state: impl FnOnce(&Environment) -> Option<S>) -> Result<S, ConfigError> {
    let environment = Environment::load().await?;
    let detailed = environment.flag("ENABLE_LOGS").then_some("debug");
    logs::init(detailed.or(environment.text("LOG_LEVEL")).unwrap_or("info"));
    let state = state(&environment);
    environment.check()?;
    state.ok_or_else(ConfigError::unexplained)
}

async fn adapter(router: impl FnOnce(&Environment) -> Option<Router>) -> Result<Adapter, ConfigError> {
    build(|environment| {
        let router = router(environment)?;
        Some(Adapter::new(router, environment.text("ALLOWED_ORIGIN").unwrap_or("*")))
    })
    .await
}

fn start(run: impl Future<Output = Result<(), lambda_runtime::Error>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    logs::init("info");
    tracing::error!(error, "the function cannot run");
    ExitCode::FAILURE
}
