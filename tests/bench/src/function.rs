//! One function as a process, and the Runtime API that it asks for work: as small as can be, so that the time is the
//! function's.

use crate::Result;
use crate::wire::{Wire, spawn};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

/// No invocation of the benchmark takes this long.
const DEADLINE: Duration = Duration::from_secs(60);

/// Is given each piece of a streamed answer, as it is read.
pub(crate) type Seen = Box<dyn FnMut(&[u8], Instant) + Send>;

/// A function's process, or one of the bare function.
pub(crate) struct Function {
    child: Child,
    work: mpsc::UnboundedSender<Work>,
    started: Instant,
    ready: Arc<Mutex<Option<Instant>>>,
}

struct Work {
    payload: Arc<[u8]>,
    running: Running,
}

/// An event that a function is at work on.
struct Running {
    done: oneshot::Sender<Answer>,
    seen: Option<Seen>,
}

/// What a function answered.
pub(crate) struct Answer {
    /// Empty where each piece of it was seen.
    pub(crate) body: Vec<u8>,
    /// When all of it was there.
    pub(crate) at: Instant,
}

struct Api {
    work: tokio::sync::Mutex<mpsc::UnboundedReceiver<Work>>,
    running: Mutex<HashMap<String, Running>>,
    ready: Arc<Mutex<Option<Instant>>>,
    number: AtomicU64,
}

/// How a process is started.
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// The only processor it may use, where the system can do that.
    pub(crate) processor: Option<&'a str>,
}

impl Function {
    /// Starts the process. The Runtime API is there before it; `first` waits there already.
    pub(crate) async fn start(start: &Start<'_>, first: Option<&Arc<[u8]>>) -> Result<(Self, Option<Invocation>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (work, receiver) = mpsc::unbounded_channel();
        let ready = Arc::new(Mutex::new(None));
        let running = Mutex::default();
        let api = Arc::new(Api { work: receiver.into(), running, ready: ready.clone(), number: AtomicU64::default() });
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let api = api.clone();
                spawn(async move {
                    // A connection that breaks is the end of its process.
                    let _ = serve(&api, stream).await;
                });
            }
        });

        let mut command = match start.processor {
            Some(processor) => {
                let mut command = Command::new("taskset");
                command.args(["-c", processor]).arg(start.program);
                command
            }
            None => Command::new(start.program),
        };
        command
            .env_clear()
            .envs(start.environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let invocation = first.map(|payload| submit(&work, payload, None)).transpose()?;
        let started = Instant::now();
        let child = command.spawn().map_err(|error| format!("{}: {error}", start.program.display()))?;
        Ok((Self { child, work, started, ready }, invocation))
    }

    /// Has an event handled.
    pub(crate) async fn invoke(&self, payload: &Arc<[u8]>) -> Result<Answer> {
        submit(&self.work, payload, None)?.answer().await
    }

    /// Has an event handled whose answer is a stream.
    pub(crate) async fn stream(&self, payload: &Arc<[u8]>, seen: Seen) -> Result<Answer> {
        submit(&self.work, payload, Some(seen))?.answer().await
    }

    /// When the process was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// How long it took to ask for work, if it has.
    pub(crate) fn init(&self) -> Option<Duration> {
        let ready = *self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.map(|ready| ready - self.started)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends the process and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// An event on its way through a function.
pub(crate) struct Invocation(oneshot::Receiver<Answer>);

impl Invocation {
    pub(crate) async fn answer(self) -> Result<Answer> {
        Ok(tokio::time::timeout(DEADLINE, self.0).await.map_err(|_| "a function did not answer")??)
    }
}

fn submit(work: &mpsc::UnboundedSender<Work>, payload: &Arc<[u8]>, seen: Option<Seen>) -> Result<Invocation> {
    let (done, answer) = oneshot::channel();
    let work_to_do = Work { payload: payload.clone(), running: Running { done, seen } };
    work.send(work_to_do).map_err(|_| "the Runtime API has ended")?;
    Ok(Invocation(answer))
}

async fn serve(api: &Api, stream: tokio::net::TcpStream) -> Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(mut request) = wire.read_head().await? {
        let path = request.target().1.to_owned();
        if path.ends_with("/invocation/next") {
            api.ready.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
            let Some(work) = api.work.lock().await.recv().await else { return Ok(()) };
            let id = api.number.fetch_add(1, Ordering::Relaxed).to_string();
            api.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), work.running);
            let headers = format!(
                "content-type: application/json\r\nlambda-runtime-aws-request-id: {id}\r\n\
                 lambda-runtime-deadline-ms: {}\r\nlambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n",
                store::now().plus_seconds(60).millis(),
            );
            wire.answer("200 OK", &headers, &work.payload).await?;
        } else {
            let id = path.rsplit('/').nth(1).unwrap_or_default();
            let running = api.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
            match running {
                Some(Running { done, seen: Some(seen) }) if request.is_chunked() => {
                    watch(&mut wire, seen).await?;
                    let _ = done.send(Answer { body: Vec::new(), at: Instant::now() });
                }
                running => {
                    wire.read_body(&mut request).await?;
                    let at = Instant::now();
                    if let Some(Running { done, .. }) = running {
                        let _ = done.send(Answer { body: request.body, at });
                    }
                }
            }
            wire.answer("202 Accepted", "", b"").await?;
        }
    }
    Ok(())
}

async fn watch(wire: &mut Wire, mut seen: Seen) -> Result<()> {
    loop {
        let chunk = wire.read_chunk().await?;
        if chunk.is_empty() {
            return Ok(());
        }
        seen(&chunk, Instant::now());
    }
}
