//! Fan-out: one update of a conversation to 1,000 connections, by the real function, to an API that answers at once.
//! The function has a processor for itself where that can be arranged.

use crate::cloud::{Cloud, User, said};
use crate::function::{Function, Start};
use crate::machine::{self, Processors};
use crate::replay::{self, Writes};
use crate::report::{Report, Target, millis, percentile};
use crate::wire::{Wire, spawn};
use crate::{Binaries, Result, event};
use domain::conversation::{Conversation, Medium, NewConversation, Urgency};
use domain::ids::{ConnectionId, ContactId, ConversationId, OrganizationId, UserId};
use domain::phone::PhoneNumber;
use domain::user::{Permission, Principal, Role};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use store::{Connection, Store, Topic, now};
use tokio::net::TcpListener;

const GROUP: &str = "fan-out of one update to 1,000 connections";
const CONNECTIONS: u32 = 1000;
const WARM_UP: usize = 5;
const ROUNDS: usize = 40;

pub(crate) async fn measure(cloud: &Cloud, binaries: &Binaries, report: &mut Report) -> Result<()> {
    let admin = cloud.admin()?;
    let mut conversation = conversation(&admin)?;
    subscribe(&cloud.store().await?, &admin, &conversation).await?;
    let gateway = Gateway::start().await?;
    let mut environment = cloud.environment("fanout")?;
    environment.insert("WEBSOCKET_ENDPOINT".to_owned(), gateway.url.clone());
    environment.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), replay::start(cloud.dynamodb(), Writes::Asked).await?);

    let processors = Processors::two();
    if let Some(processors) = &processors {
        processors.keep_off(cloud.pid());
    }
    let program = binaries.path("fanout");
    let processor = processors.as_ref().map(|processors| processors.measured);
    let (function, _) =
        Function::start(&Start { program: &program, environment: &environment, processor }, None).await?;

    let (mut times, mut posting) = (Vec::new(), Vec::new());
    let mut processor_time = 0.0;
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            processor_time = function.pid().and_then(machine::processor_seconds).unwrap_or_default();
        }
        let seq = conversation.last_seq + 1;
        let update = conversation.apply(said("The wheel is ready."), now(), seq);
        let batch = event::batch(std::slice::from_ref(&update))?;
        gateway.reset();
        let begun = Instant::now();
        let answer = function.invoke(&batch).await?;
        let (posts, first, last) = gateway.seen();
        if posts != u64::from(CONNECTIONS) {
            let text = String::from_utf8_lossy(&answer.body);
            return Err(format!("{posts} posts for one update, and the answer {text}").into());
        }
        if round >= WARM_UP {
            times.push(answer.at - begun);
            posting.extend(first.zip(last).map(|(first, last)| last - first));
        }
    }
    let used = function.pid().and_then(machine::processor_seconds).unwrap_or_default() - processor_time;
    let memory = function.pid().and_then(machine::resident_mb);
    function.stop().await?;
    if let Some(processors) = &processors {
        processors.release(cloud.pid());
    }

    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let posts = (ROUNDS * CONNECTIONS as usize) as f64;
    let per_second = |ms: f64| f64::from(CONNECTIONS) / ms * 1000.0;
    let whole = percentile(&mut times, 0.5);
    let place = if processor.is_some() { "its own core" } else { "no core of its own" };
    let target = Target::AtLeast(20_000.0);
    report.judge(GROUP, format!("posts per second, {place}"), per_second(whole), "1/s", target);
    report.add(GROUP, "    between the first and the last post", per_second(percentile(&mut posting, 0.5)), "1/s");
    report.add(GROUP, "one update, from event to answer", whole, "ms");
    report.p99(percentile(&mut times, 0.99));
    report.add(GROUP, "processor time per post, readers' query included", used / posts * 1e6, "us");
    let total: f64 = times.iter().map(|time| millis(*time)).sum::<f64>() / 1000.0;
    report.add(GROUP, "share of its core that it used", used / total * 100.0, "%");
    if let Some(memory) = memory {
        report.add(GROUP, "resident memory after it", memory, "MB");
    }
    Ok(())
}

/// A conversation that is in no table: nobody but the measured function hears of its events.
fn conversation(admin: &User) -> Result<Conversation> {
    let new = NewConversation {
        contact_id: ContactId::parse("worker_14155550177")?,
        phone: PhoneNumber::from_provider("+14155550177").map_err(|_| "not a number")?,
        medium: Medium::Sms,
        urgency: Urgency::Medium,
        started_at: now(),
    };
    let id = ConversationId::parse("conv_14155550177_20251003_120000")?;
    Ok(Conversation::begin(id, None, OrganizationId::parse(&admin.organization_id)?, new))
}

/// 1,000 connections that read the conversation live.
async fn subscribe(store: &Store, admin: &User, conversation: &Conversation) -> Result<()> {
    let principal = Principal {
        user_id: UserId::parse("admin_bench")?,
        organization_id: OrganizationId::parse(&admin.organization_id)?,
        role: Role::Admin,
        permissions: BTreeSet::from([Permission::ConversationsRead]),
        token_id: "bench".to_owned(),
        issued_at: now().seconds(),
        expires_at: now().plus_seconds(3600).seconds(),
    };
    let topic = Topic::Conversation(conversation.id.clone());
    let tenant = &store.tenant(&principal.organization_id);
    stream::iter(0..CONNECTIONS)
        .map(|number| {
            let (principal, topic) = (principal.clone(), &topic);
            async move {
                let id = ConnectionId::parse(&format!("bench{number:011}="))?;
                let connection = Connection::new(id.clone(), principal, now());
                store.put_connection(&connection).await?;
                tenant.subscribe(&connection, topic, 0).await?.ok_or("a subscription was refused")?;
                tenant.go_live(topic, &id, 0).await?;
                Ok::<_, crate::Error>(())
            }
        })
        .buffer_unordered(16)
        .try_collect()
        .await
}

/// An `@connections` API that takes everything at once.
struct Gateway {
    url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    posts: AtomicU64,
    span: Mutex<Option<(Instant, Instant)>>,
}

impl Gateway {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let state = Arc::new(State::default());
        let shared = state.clone();
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                spawn(async move {
                    let Ok(mut wire) = Wire::new(stream) else { return };
                    while let Ok(Some(_)) = wire.read().await {
                        state.took();
                        if wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Ok(Self { url, state })
    }

    fn reset(&self) {
        self.state.posts.store(0, Ordering::Relaxed);
        *self.state.span.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How many posts since the last reset, and when the first and the last came.
    fn seen(&self) -> (u64, Option<Instant>, Option<Instant>) {
        let span = *self.state.span.lock().unwrap_or_else(PoisonError::into_inner);
        (self.state.posts.load(Ordering::Relaxed), span.map(|span| span.0), span.map(|span| span.1))
    }
}

impl State {
    fn took(&self) {
        let at = Instant::now();
        self.posts.fetch_add(1, Ordering::Relaxed);
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        span.get_or_insert((at, at)).1 = at;
    }
}
