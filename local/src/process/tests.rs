//! With real processes: shell scripts, and this test binary as a function.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::timeout;

use super::*;
use crate::runtime_api::InvokeError;

const DEADLINE: Duration = Duration::from_secs(20);

fn settings(folder: &Path, strict: bool) -> Settings {
    Settings {
        port: 8000,
        data_dir: folder.join("data"),
        time_scale: 1.0,
        strict,
        bin_dir: Some(folder.to_owned()),
        launcher: None,
        chaos: None,
        hold: Vec::new(),
        seed_ports: false,
    }
}

fn template(names: &[&str]) -> Template {
    let functions = names.iter().map(|name| template::Function {
        logical_id: format!("{name}Function"),
        binary: (*name).to_owned(),
        memory_mb: 256,
        timeout: Duration::from_secs(1),
        environment: [("FROM_TEMPLATE", "template"), ("FROM_BOTH", "template")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    });
    Template { functions: functions.collect(), ..Template::default() }
}

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name).join("bootstrap");
    std::fs::create_dir_all(folder.join(name)).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A script that becomes this test binary, running only `child`.
fn function(folder: &Path, name: &str) {
    becomes(folder, name, "child");
}

fn becomes(folder: &Path, name: &str, test: &str) {
    let program = std::env::current_exe().unwrap();
    let program = program.display();
    script(folder, name, &format!("exec '{program}' --exact process::tests::{test} --ignored --nocapture"));
}

/// Not a test: a streaming function on the real runtime crate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child process of the other tests"]
async fn real_runtime() {
    use lambda_http::{Body, Error, Request, RequestExt, Response, service_fn};

    if inherited("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let handler = service_fn(async |request: Request| {
        let id = request.path_parameters().first("id").unwrap_or_default().to_owned();
        let response = Response::builder().status(202).header("x-path", request.raw_http_path());
        Ok::<_, Error>(response.header("set-cookie", "a=b").body(Body::from(id))?)
    });
    lambda_http::run_with_streaming_response_concurrent(handler).await.unwrap();
}

/// Not a test: what the scripts of `function` become.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child process of the other tests"]
async fn child() {
    let Some(api) = inherited("AWS_LAMBDA_RUNTIME_API") else { return };
    let concurrency = inherited("AWS_LAMBDA_MAX_CONCURRENCY").map_or(1, |_| 4);
    let mut pollers = tokio::task::JoinSet::new();
    for _ in 0..concurrency {
        pollers.spawn(poll(format!("http://{api}/2018-06-01/runtime/invocation")));
    }
    pollers.join_all().await;
}

async fn poll(base: String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    loop {
        let Ok(next) = client.get(format!("{base}/next")).send().await else { return };
        let id = next.headers()["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned();
        let event: Value = serde_json::from_slice(&next.bytes().await.unwrap()).unwrap();
        let answer = match event.as_str().unwrap_or_default() {
            "environment" => serde_json::to_string(&environment_of_this_process()).unwrap(),
            "exit" => std::process::exit(3),
            "sleep" => std::future::pending().await,
            _ => std::process::id().to_string(),
        };
        let _ = client.post(format!("{base}/{id}/response")).body(answer).send().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the test looks at what the child got")]
fn environment_of_this_process() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

async fn invoke(functions: &Functions, event: &'static str) -> Result<String, InvokeError> {
    let function = functions.get("good").unwrap();
    let answer = timeout(DEADLINE, function.invoke(Bytes::from_static(event.as_bytes()))).await.unwrap()?;
    Ok(String::from_utf8(answer.to_vec()).unwrap())
}

#[tokio::test]
async fn a_child_has_the_environment_of_lambda_and_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    function(folder.path(), "good");
    let extra = [("FROM_BOTH", "extra"), ("EXTRA", "extra")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (functions, children) =
        start_all(&template(&["good"]), &settings(folder.path(), false), extra.into()).await.unwrap();

    let environment = invoke(&functions, "\"environment\"").await.unwrap();
    let environment: BTreeMap<String, String> = serde_json::from_str(&environment).unwrap();
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "goodFunction"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/goodFunction"),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "128"),
        ("SWITCHBOARD_FUNCTION", "good"),
        ("FROM_TEMPLATE", "template"),
        ("FROM_BOTH", "extra"),
        ("EXTRA", "extra"),
    ] {
        assert_eq!(environment.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(environment.keys().all(|name| !name.starts_with("CARGO")), "{environment:?}");

    let first = invoke(&functions, "1").await.unwrap();
    assert_eq!(invoke(&functions, "1").await.unwrap(), first, "one process serves all");
    assert_eq!(invoke(&functions, "\"exit\"").await, Err(InvokeError::Crashed));
    let second = invoke(&functions, "1").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(invoke(&functions, "\"sleep\"").await, Err(InvokeError::Timeout));
    assert_eq!(invoke(&functions, "1").await.unwrap(), second, "a timeout ends only its invocation");

    let (killed, ()) = tokio::join!(invoke(&functions, "\"sleep\""), async {
        // Any time before the timeout will do.
        tokio::time::sleep(Duration::from_millis(200)).await;
        functions.get("good").unwrap().kill();
    });
    assert_eq!(killed, Err(InvokeError::Crashed));
    let third = invoke(&functions, "1").await.unwrap();
    assert_ne!(second, third);

    let log = std::fs::read_to_string(folder.path().join("data/logs/good.jsonl")).unwrap();
    assert!(log.contains("running 1 test"), "{log}");
    timeout(DEADLINE, children.shutdown()).await.unwrap();
    assert!(!Path::new(&format!("/proc/{third}")).exists(), "the child is gone");
}

#[tokio::test]
async fn in_strict_mode_every_invocation_has_a_process_and_a_timeout_kills_it() {
    let folder = tempfile::tempdir().unwrap();
    function(folder.path(), "good");
    let (functions, children) =
        start_all(&template(&["good"]), &settings(folder.path(), true), BTreeMap::new()).await.unwrap();
    let environment = invoke(&functions, "\"environment\"").await.unwrap();
    assert!(!environment.contains("AWS_LAMBDA_MAX_CONCURRENCY"), "{environment}");

    let first = invoke(&functions, "1").await.unwrap();
    let (slow, other) = tokio::join!(invoke(&functions, "\"sleep\""), async {
        // The first process is asleep, so another one answers.
        invoke(&functions, "1").await.unwrap()
    });
    assert_eq!(slow, Err(InvokeError::Timeout));
    assert_ne!(first, other);
    let gone = async {
        while Path::new(&format!("/proc/{first}")).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, gone).await.unwrap();
    timeout(DEADLINE, children.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_function_that_cannot_start_is_named_with_its_last_line() {
    let folder = tempfile::tempdir().unwrap();
    function(folder.path(), "good");
    script(folder.path(), "bad", "echo starting; echo 'CORE_TABLE is missing' >&2; exit 1");
    let error =
        timeout(DEADLINE, start_all(&template(&["good", "bad"]), &settings(folder.path(), false), BTreeMap::new()))
            .await
            .unwrap()
            .unwrap_err();
    let expected = "the function bad ended 5 times while starting; its last line was: CORE_TABLE is missing";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = start_all(&template(&["absent"]), &settings(folder.path(), false), BTreeMap::new()).await.unwrap_err();
    assert!(matches!(&error, Error::MissingBinary { function, .. } if function == "absent"), "{error}");
}

#[tokio::test]
async fn dropping_the_children_kills_them() {
    let folder = tempfile::tempdir().unwrap();
    function(folder.path(), "good");
    let (functions, children) =
        start_all(&template(&["good"]), &settings(folder.path(), false), BTreeMap::new()).await.unwrap();
    let id = invoke(&functions, "1").await.unwrap();
    drop(children);
    let gone = async {
        while Path::new(&format!("/proc/{id}")).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, gone).await.unwrap();
}

#[tokio::test]
async fn the_real_runtime_crate_works_in_both_modes() {
    let event = include_bytes!("tests/rest_event.json");
    for strict in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        becomes(folder.path(), "real", "real_runtime");
        let (functions, children) =
            start_all(&template(&["real"]), &settings(folder.path(), strict), BTreeMap::new()).await.unwrap();
        let function = functions.get("real").unwrap();
        let calls = (0..10).map(|_| async {
            let invoked = function.invoke_streaming(Bytes::from_static(event));
            let response = timeout(DEADLINE, invoked).await.unwrap().unwrap();
            let body = http_body_util::BodyExt::collect(response.body).await.unwrap().to_bytes();
            assert_eq!((response.status, &body[..]), (202, &b"+1 555"[..]));
            assert_eq!(response.headers["x-path"], "/echo/%2B1%20555");
            assert_eq!(response.headers["set-cookie"], "a=b");
        });
        futures_util::future::join_all(calls).await;
        timeout(DEADLINE, children.shutdown()).await.unwrap();
    }
}
