//! Against a function that is a task.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::{Barrier, mpsc};
use tokio::time::timeout;

use super::fake::{Answer, Fake, spec};
use super::*;
use crate::http::system;

const DEADLINE: Duration = Duration::from_secs(10);

/// Waits until an invocation has found no free environment.
async fn queued(function: &Function) {
    while function.dispatcher().backlog() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_buffered_answer_comes_back_as_it_was_sent() {
    let fake = Fake::start("echo", async |event| Answer::Buffered(event.payload.to_string().into())).await;
    let answer = fake.function.invoke(Bytes::from_static(br#"{"a":[1,2]}"#)).await;
    assert_eq!(answer.unwrap(), r#"{"a":[1,2]}"#);
}

#[tokio::test]
async fn an_invocation_has_the_headers_of_lambda() {
    let fake = Fake::start("echo", async |event| Answer::Buffered(json!(event.headers).to_string().into())).await;
    let before = system::now_ms();
    let answer = fake.function.invoke(Bytes::from_static(b"{}")).await.unwrap();
    let headers: BTreeMap<String, String> = serde_json::from_slice(&answer).unwrap();
    let deadline: u64 = headers["lambda-runtime-deadline-ms"].parse().unwrap();
    assert!((before + 10_000..=system::now_ms() + 10_000).contains(&deadline), "{deadline}");
    assert!(headers["lambda-runtime-invoked-function-arn"].ends_with(":function:echoFunction"));
    assert!(headers["lambda-runtime-trace-id"].starts_with("Root=1-"));
    assert_eq!(headers["lambda-runtime-aws-request-id"].len(), 36);
}

#[tokio::test]
async fn an_error_names_its_type_and_message() {
    let error = json!({"errorType": "Broken", "errorMessage": "on purpose"});
    let fake = Fake::start("fails", move |_| std::future::ready(Answer::Error(error.clone()))).await;
    let expected = InvokeError::FunctionError { error_type: "Broken".to_owned(), message: "on purpose".to_owned() };
    assert_eq!(fake.function.invoke(Bytes::from_static(b"{}")).await.unwrap_err(), expected);
    assert_eq!(fake.function.invoke_streaming(Bytes::from_static(b"{}")).await.unwrap_err(), expected);
}

#[tokio::test]
async fn requests_and_responses_stop_at_6_mb() {
    let fake = Fake::start("large", async |event| {
        Answer::Buffered(vec![b'1'; usize::try_from(event.payload.as_u64().unwrap()).unwrap()].into())
    })
    .await;
    let too_large = Bytes::from(vec![b'1'; REQUEST_LIMIT + 1]);
    assert_eq!(fake.function.invoke(too_large).await, Err(InvokeError::TooLarge));
    let most = fake.function.invoke(RESPONSE_LIMIT.to_string().into()).await.unwrap();
    assert_eq!(most.len(), RESPONSE_LIMIT);
    let more = fake.function.invoke((RESPONSE_LIMIT + 1).to_string().into()).await.unwrap_err();
    assert!(
        matches!(&more, InvokeError::FunctionError { error_type, .. } if error_type == "Function.ResponseSizeTooLarge"),
        "{more:?}"
    );
}

#[tokio::test]
async fn a_streamed_answer_arrives_chunk_by_chunk() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let prelude = json!({"statusCode": 201, "headers": {"content-type": "text/event-stream"}, "cookies": ["a=b"]});
    let fake = Fake::start("stream", move |_| {
        let chunks = receiver.lock().unwrap().take().unwrap();
        std::future::ready(Answer::Streaming(prelude.clone(), chunks))
    })
    .await;

    let response = timeout(DEADLINE, fake.function.invoke_streaming(Bytes::from_static(b"{}"))).await.unwrap().unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.headers["content-type"], "text/event-stream");
    assert_eq!(response.headers["set-cookie"], "a=b");
    let mut body = response.body.into_data_stream();
    // Each chunk is only written when the one before has been read, so nothing may wait for more to come.
    for chunk in ["one", "two", "three"] {
        sender.send(Bytes::from_static(chunk.as_bytes())).unwrap();
        assert_eq!(timeout(DEADLINE, body.next()).await.unwrap().unwrap().unwrap(), chunk);
    }
    drop(sender);
    assert!(timeout(DEADLINE, body.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_client_that_leaves_is_not_reported_and_the_rest_is_drained() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let spec = Spec { concurrency: 1, ..spec("stream") };
    let fake = Fake::with(spec, 1, move |_| {
        let next = receiver.lock().unwrap().take();
        std::future::ready(match next {
            Some(chunks) => Answer::Streaming(json!({"statusCode": 200}), chunks),
            None => Answer::Buffered(Bytes::from_static(b"second")),
        })
    })
    .await;
    let response = fake.function.invoke_streaming(Bytes::from_static(b"{}")).await.unwrap();
    drop(response);
    // Far more than any buffer between us holds: it only gets through if somebody reads it.
    for _ in 0..200 {
        sender.send(Bytes::from(vec![b'x'; 100_000])).unwrap();
    }
    // The only poller is still busy with the body, and so is the function.
    assert_eq!(fake.function.invoke(Bytes::from_static(b"{}")).await, Err(InvokeError::Busy));
    drop(sender);
    let again = async {
        loop {
            match fake.function.invoke(Bytes::from_static(b"{}")).await {
                Err(InvokeError::Busy) => tokio::task::yield_now().await,
                result => return result,
            }
        }
    };
    assert_eq!(timeout(DEADLINE, again).await.unwrap().unwrap(), "second");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    let (tell, told) = oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let fake = Fake::start("breaks", move |_| {
        let told = told.lock().unwrap().take().unwrap();
        std::future::ready(Answer::Broken(told))
    })
    .await;
    let response = fake.function.invoke_streaming(Bytes::from_static(b"{}")).await.unwrap();
    tell.send(()).unwrap();
    assert!(timeout(DEADLINE, response.body.collect()).await.unwrap().is_err());
}

#[tokio::test]
async fn the_whole_payload_of_a_streaming_function_can_be_had_in_one() {
    let raw = Bytes::from_static(b"{\"statusCode\":200}\0\0\0\0\0\0\0\0data");
    let fake = Fake::start("stream", {
        let raw = raw.clone();
        move |_| std::future::ready(Answer::Raw(raw.clone()))
    })
    .await;
    assert_eq!(fake.function.invoke(Bytes::from_static(b"{}")).await.unwrap(), raw);
}

#[tokio::test]
async fn a_streamed_answer_without_a_prelude_is_malformed() {
    let fake = Fake::start("stream", async |_| Answer::Raw(Bytes::from_static(b"hello"))).await;
    let error = fake.function.invoke_streaming(Bytes::from_static(b"{}")).await.unwrap_err();
    assert!(matches!(error, InvokeError::FunctionError { .. }), "{error:?}");
}

#[tokio::test]
async fn a_timeout_fails_one_invocation_and_leaves_the_others() {
    let spec = Spec { timeout: Duration::from_millis(100), ..spec("slow") };
    let fake = Fake::with(spec, 2, async |event| match event.payload.as_str() {
        Some("slow") => Answer::Silence,
        _ => Answer::Buffered(Bytes::from_static(b"quick")),
    })
    .await;
    let slow = fake.function.invoke(Bytes::from_static(b"\"slow\"")).await;
    assert_eq!(slow, Err(InvokeError::Timeout));
    assert_eq!(fake.function.invoke(Bytes::from_static(b"{}")).await.unwrap(), "quick");
    assert!(timeout(Duration::from_millis(1), fake.environment().kill_wanted()).await.is_err());
}

#[tokio::test]
async fn a_timeout_in_strict_mode_wants_the_process_killed() {
    let spec = Spec { timeout: Duration::from_millis(50), concurrency: 1, kill_on_timeout: true, ..spec("slow") };
    let fake = Fake::with(spec, 1, async |_| Answer::Silence).await;
    assert_eq!(fake.function.invoke(Bytes::from_static(b"{}")).await, Err(InvokeError::Timeout));
    timeout(DEADLINE, fake.environment().kill_wanted()).await.unwrap();
}

#[tokio::test]
async fn a_timeout_inside_a_stream_breaks_it_off() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let spec = Spec { timeout: Duration::from_millis(200), ..spec("stream") };
    let fake = Fake::with(spec, 1, move |_| {
        let chunks = receiver.lock().unwrap().take().unwrap();
        std::future::ready(Answer::Streaming(json!({"statusCode": 200}), chunks))
    })
    .await;
    sender.send(Bytes::from_static(b"begun")).unwrap();
    let response = fake.function.invoke_streaming(Bytes::from_static(b"{}")).await.unwrap();
    assert!(timeout(DEADLINE, response.body.collect()).await.unwrap().is_err());
}

#[tokio::test]
async fn many_invocations_run_at_once_and_one_more_is_busy() {
    let barrier = Arc::new(Barrier::new(9));
    let meet = Arc::clone(&barrier);
    let fake = Fake::start("many", move |_| {
        let barrier = Arc::clone(&meet);
        async move {
            barrier.wait().await;
            Answer::Buffered(Bytes::from_static(b"done"))
        }
    })
    .await;
    let running: Vec<_> = (0..8)
        .map(|_| {
            let function = fake.function.clone();
            system::spawn(async move { function.invoke(Bytes::from_static(b"{}")).await })
        })
        .collect();
    // All eight are inside the handler only when the barrier lets them and us go.
    let busy = async {
        loop {
            if fake.function.dispatcher().permit().is_none() {
                return fake.function.invoke(Bytes::from_static(b"{}")).await;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(timeout(DEADLINE, busy).await.unwrap(), Err(InvokeError::Busy));
    timeout(DEADLINE, barrier.wait()).await.unwrap();
    for invocation in running {
        assert_eq!(timeout(DEADLINE, invocation).await.unwrap().unwrap().unwrap(), "done");
    }
}

#[tokio::test]
async fn a_crash_fails_what_runs_and_what_comes_waits_for_the_next_process() {
    let entered = Arc::new(tokio::sync::Notify::new());
    let enter = Arc::clone(&entered);
    let mut fake = Fake::start("crashes", move |_| {
        enter.notify_one();
        std::future::ready(Answer::Silence)
    })
    .await;
    let function = fake.function.clone();
    let running = system::spawn(async move { function.invoke(Bytes::from_static(b"{}")).await });
    timeout(DEADLINE, entered.notified()).await.unwrap();
    fake.crash();
    assert_eq!(timeout(DEADLINE, running).await.unwrap().unwrap(), Err(InvokeError::Crashed));

    let function = fake.function.clone();
    let waiting = system::spawn(async move { function.invoke(Bytes::from_static(b"{}")).await });
    timeout(DEADLINE, queued(&fake.function)).await.unwrap();
    let next = Environment::open(&fake.function).await.unwrap();
    assert_eq!(fake.function.dispatcher().backlog(), 0, "the starting process will take it");
    let url = format!("http://{}/2018-06-01/runtime/invocation", next.address());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let taken = client.get(format!("{url}/next")).send().await.unwrap();
    let id = taken.headers()["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned();
    let answer = client.post(format!("{url}/{id}/response")).body("late").send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(waiting.await.unwrap().unwrap(), "late");
    let twice = client.post(format!("{url}/{id}/response")).body("twice").send().await.unwrap();
    assert_eq!(twice.status(), 410);
}

#[tokio::test]
async fn the_answer_to_a_response_waits_for_the_end_of_the_body() {
    let spec = Spec { concurrency: 2, ..spec("stream") };
    let polls = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let counter = Arc::clone(&polls);
    let fake = Fake::with(spec, 1, move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        let next = receiver.lock().unwrap().take();
        std::future::ready(match next {
            Some(chunks) => Answer::Streaming(json!({"statusCode": 200}), chunks),
            None => Answer::Buffered(Bytes::from_static(b"second")),
        })
    })
    .await;
    let first = fake.function.invoke_streaming(Bytes::from_static(b"{}")).await.unwrap();
    let mut body = first.body.into_data_stream();
    let function = fake.function.clone();
    let second = system::spawn(async move { function.invoke(Bytes::from_static(b"{}")).await });
    timeout(DEADLINE, queued(&fake.function)).await.unwrap();
    // A round trip through the open stream gives a poll that should not be there every chance to come.
    sender.send(Bytes::from_static(b"still here")).unwrap();
    assert_eq!(timeout(DEADLINE, body.next()).await.unwrap().unwrap().unwrap(), "still here");
    assert_eq!(polls.load(Ordering::SeqCst), 1);
    drop(sender);
    assert_eq!(timeout(DEADLINE, second).await.unwrap().unwrap().unwrap(), "second");
}
