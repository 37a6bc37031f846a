//! The least a Lambda function in Rust can be: the runtime crate and an echo. Cold starts are compared with it.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    match runtime.block_on(lambda_runtime::run_concurrent(service_fn(echo))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn echo(event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Error> {
    Ok(event.payload)
}
