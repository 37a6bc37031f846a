//! Through real sockets, against functions that are tasks.

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::runtime_api::Spec;
use crate::runtime_api::fake::{Answer, Event, Fake, functions, spec};

async fn serve(fake: &Fake) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/2015-03-31/functions", listener.local_addr().unwrap());
    system::spawn(crate::http::serve(listener, router(functions(&[fake])), std::future::pending()));
    base
}

async fn post(url: String, kind: Option<&str>, body: &str) -> (u16, Option<String>, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(url).body(body.to_owned());
    if let Some(kind) = kind {
        request = request.header("x-amz-invocation-type", kind);
    }
    let response = request.send().await.unwrap();
    let error = response.headers().get("x-amz-function-error").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), error, response.text().await.unwrap())
}

#[tokio::test]
async fn a_function_is_found_by_binary_name_and_arn() {
    let fake = Fake::start("echo", async |event: Event| Answer::Buffered(event.payload.to_string().into())).await;
    let base = serve(&fake).await;
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:echoFunction:$LATEST";
    for name in ["echo", "echoFunction", arn] {
        let answer = post(format!("{base}/{name}/invocations"), None, "[1]").await;
        assert_eq!(answer, (200, None, "[1]".to_owned()), "{name}");
    }
    assert_eq!(post(format!("{base}/echo/invocations"), None, "").await.2, "{}");
    assert_eq!(post(format!("{base}/other/invocations"), None, "{}").await.0, 404);
    assert_eq!(post(format!("{base}/echo/invocations"), Some("DryRun"), "{}").await.0, 204);
    assert_eq!(post(format!("{base}/echo/invocations"), Some("Other"), "{}").await.0, 400);
    let large = "1".repeat(REQUEST_LIMIT + 1);
    assert_eq!(post(format!("{base}/echo/invocations"), None, &large).await.0, 413);
}

#[tokio::test]
async fn errors_of_the_function_are_200_with_a_header() {
    let spec = Spec { timeout: Duration::from_millis(50), ..spec("fails") };
    let fake = Fake::with(spec, 2, async |event: Event| match event.payload.as_str() {
        Some("slow") => Answer::Silence,
        _ => Answer::Error(json!({"errorType": "E", "errorMessage": "M"})),
    })
    .await;
    let url = format!("{}/fails/invocations", serve(&fake).await);
    let (status, error, body) = post(url.clone(), None, "{}").await;
    assert_eq!((status, error.as_deref()), (200, Some("Unhandled")));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({"errorType": "E", "errorMessage": "M"}));
    let (_, error, body) = post(url, None, "\"slow\"").await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert!(body.contains("timed out after 0.05 seconds"), "{body}");
}

#[tokio::test]
async fn an_event_is_accepted_at_once() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let fake = Fake::start("later", move |event: Event| {
        sender.send(event.payload).unwrap();
        std::future::ready(Answer::Silence)
    })
    .await;
    let url = format!("{}/later/invocations", serve(&fake).await);
    assert_eq!(post(url, Some("Event"), "[7]").await.0, 202);
    let received = tokio::time::timeout(Duration::from_secs(10), receiver.recv()).await.unwrap().unwrap();
    assert_eq!(received, json!([7]));
}
