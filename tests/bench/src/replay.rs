//! A table that answers at once: it asks the embedded one the first time, and repeats the answer from then on. What is
//! left of a function's time is the function's own.

use crate::Result;
use crate::wire::{Message, Wire, spawn};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};

type Answers = Arc<Mutex<HashMap<(String, Vec<u8>), Vec<u8>>>>;

/// What becomes of writes.
#[derive(Clone, Copy)]
pub(crate) enum Writes {
    /// They are requests like any other.
    Asked,
    /// They succeed at once and are forgotten: for functions whose every write is another one.
    Forgotten,
}

/// The item that a forgotten update leaves: that of an answer whose maker goes on.
const RUN: &str = r#"{"Attributes":{"lease_until":{"N":"0"},"tokens":{"N":"0"},"stop":{"BOOL":false},"over":{"BOOL":false},"ttl":{"N":"0"}}}"#;

/// Starts one before the table at `upstream` and returns its URL.
pub(crate) async fn start(upstream: &str, writes: Writes) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (upstream, answers) = (upstream.to_owned(), Answers::default());
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (upstream, answers) = (upstream.clone(), answers.clone());
            spawn(async move {
                // A connection that breaks is the end of its process.
                let _ = serve(stream, &upstream, &answers, writes).await;
            });
        }
    });
    Ok(url)
}

async fn serve(stream: TcpStream, upstream: &str, answers: &Answers, writes: Writes) -> Result<()> {
    const HEADERS: &str = "content-type: application/x-amz-json-1.0\r\n";
    let mut wire = Wire::new(stream)?;
    while let Some(request) = wire.read().await? {
        let target = request.header("x-amz-target").unwrap_or_default();
        if let (Writes::Forgotten, Some(body)) = (writes, written(target, &request.body)) {
            wire.answer("200 OK", HEADERS, body.as_bytes()).await?;
            continue;
        }
        // The members of a request come in any order, which makes a few texts of the same request.
        let key = (target.to_owned(), request.body.clone());
        let known = answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let body = match known {
            Some(body) => body,
            None => {
                let body = ask(upstream, &request).await?;
                answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, body.clone());
                body
            }
        };
        wire.answer("200 OK", HEADERS, &body).await?;
    }
    Ok(())
}

/// The answer to a write that succeeds; `None` for reads.
fn written(target: &str, body: &[u8]) -> Option<&'static str> {
    let wants = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    match target.rsplit('.').next() {
        Some("UpdateItem") if wants("\"ALL_NEW\"") => Some(RUN),
        Some("UpdateItem" | "PutItem" | "TransactWriteItems") => Some("{}"),
        _ => None,
    }
}

async fn ask(upstream: &str, request: &Message) -> Result<Vec<u8>> {
    let passed = request.headers.iter().filter(|(name, _)| name != "content-length" && name != "host");
    let headers: String = passed.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let answer = Wire::connect(upstream).await?.ask("POST /", &headers, &request.body).await?;
    if answer.status() == 200 { Ok(answer.body) } else { Err("the table refused a request".into()) }
}
