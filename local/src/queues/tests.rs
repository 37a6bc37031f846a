//! The queues with their consumer, with a closure for the function and the time under control.

mod model;

use std::sync::Mutex;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::runtime_api::InvokeError;
use crate::template::{DeadLetterPolicy, Deduplication, Fifo, Queue, QueueMapping};

const VISIBILITY: Duration = Duration::from_secs(360);
const START: u64 = 1_795_183_200_000;

fn template(batch_size: usize, max_concurrency: Option<usize>) -> Template {
    let queue = |name: &str, dead_letters| Queue {
        name: name.to_owned(),
        fifo: Some(Fifo { deduplication: Deduplication::Group }),
        visibility: VISIBILITY,
        retention: Duration::from_secs(345_600),
        dead_letters,
    };
    let policy = DeadLetterPolicy { queue: "Dead".to_owned(), max_receives: 3 };
    let mapping = QueueMapping {
        function: "replies".to_owned(),
        queue: "Jobs".to_owned(),
        batch_size,
        report_partial: true,
        max_concurrency,
    };
    Template {
        queues: vec![queue("Jobs", Some(policy)), queue("Dead", None)],
        queue_mappings: vec![mapping],
        ..Template::default()
    }
}

fn settings(time_scale: f64) -> Settings {
    Settings {
        port: 0,
        data_dir: std::path::PathBuf::new(),
        time_scale,
        strict: false,
        bin_dir: None,
        launcher: None,
        chaos: None,
        hold: Vec::new(),
        seed_ports: false,
    }
}

/// One invocation: when, and the group, body and receive count of its messages.
type Call = (u64, Vec<(String, String, u32)>);

struct World {
    folder: tempfile::TempDir,
    template: Template,
    queues: Queues,
    calls: Arc<Mutex<Vec<Call>>>,
    /// Invocations that run, and the most that ever did.
    running: Arc<Mutex<(usize, usize)>>,
    _stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

impl World {
    fn new(template: Template) -> Self {
        Self::with(template, 1.0)
    }

    fn with(template: Template, time_scale: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queues = Queues::open_at(&template, &settings(time_scale), folder.path(), START).unwrap();
        let (stop, stopped) = watch::channel(false);
        let (calls, running) = (Arc::default(), Arc::default());
        Self { folder, template, queues, calls, running, _stop: stop, stopped, tasks: JoinSet::new() }
    }

    fn send(&self, group: &str, id: &str) -> Sent {
        self.queues.send("Jobs", group, id, &format!("body of {id}")).unwrap()
    }

    /// Starts a consumer whose function takes `seconds` and answers by `answer`, which gets the bodies.
    fn consume(
        &mut self,
        seconds: u64,
        answer: impl Fn(&[String], &Value) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) {
        let (calls, running, answer) = (Arc::clone(&self.calls), Arc::clone(&self.running), Arc::new(answer));
        let clock = self.queues.shared.clock;
        let invoke: streams::Invoke = Arc::new(move |payload: Bytes| {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let message = |record: &Value| {
                let attributes = &record["attributes"];
                let receives = text(&attributes["ApproximateReceiveCount"]).parse().unwrap();
                (text(&attributes["MessageGroupId"]), text(&record["body"]), receives)
            };
            let messages: Vec<_> = event["Records"].as_array().unwrap().iter().map(message).collect();
            let bodies: Vec<String> = messages.iter().map(|(_, body, _)| body.replace("body of ", "")).collect();
            calls.lock().unwrap().push((clock.now() - START, messages));
            let (running, answer) = (Arc::clone(&running), Arc::clone(&answer));
            {
                let mut running = running.lock().unwrap();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                running.lock().unwrap().0 -= 1;
                answer(&bodies, &event).map(|answer| Bytes::from(answer.to_string()))
            })
        });
        let consumer = Consumer {
            mapping: self.template.queue_mappings[0].clone(),
            arn: "arn".to_owned(),
            queues: self.queues.clone(),
            invoke,
            kills: None,
        };
        self.tasks.spawn(consumer.run(self.stopped.clone()));
    }

    /// Lets the time pass: it jumps while nothing else is to do.
    async fn after(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_millis(seconds * 1000 + 1)).await;
    }

    /// Seconds of the invocations, with the ids of their messages and their highest receive count.
    fn calls(&self) -> Vec<(u64, String, u32)> {
        let call = |(at, messages): &Call| {
            let ids: Vec<String> = messages.iter().map(|(_, body, _)| body.replace("body of ", "")).collect();
            (at / 1000, ids.join(" "), messages.iter().map(|(.., receives)| *receives).max().unwrap())
        };
        self.calls.lock().unwrap().iter().map(call).collect()
    }

    fn count(&self, queue: &str, what: &str) -> u64 {
        self.queues.counts()[queue][what].as_u64().unwrap()
    }

    /// The cloud is stopped and starts again.
    fn restart(&mut self) {
        self.tasks.abort_all();
        let now = self.queues.shared.clock.now();
        self.queues = Queues::open_at(&self.template, &settings(1.0), self.folder.path(), now).unwrap();
    }
}

fn call(at: u64, ids: &str, receives: u32) -> (u64, String, u32) {
    (at, ids.to_owned(), receives)
}

fn done(_: &[String], _: &Value) -> Result<Value, InvokeError> {
    Ok(json!({"batchItemFailures": []}))
}

#[tokio::test(start_paused = true)]
async fn groups_run_in_order_and_beside_each_other() {
    let mut world = World::new(template(1, None));
    for (group, id) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        assert_eq!(world.send(group, id), Sent::New);
    }
    world.consume(10, done);
    world.after(5).await;
    assert_eq!((world.count("Jobs", "in_flight"), world.count("Jobs", "waiting")), (2, 2));
    world.after(40).await;
    assert_eq!(world.calls(), [call(0, "a1", 1), call(0, "b1", 1), call(10, "a2", 1), call(20, "a3", 1)]);
    assert_eq!((world.count("Jobs", "handled"), world.count("Jobs", "waiting")), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_invocations_than_allowed() {
    let mut world = World::new(template(1, Some(2)));
    for number in 0..7 {
        world.send(&format!("group-{number}"), "x");
    }
    world.consume(10, done);
    world.after(100).await;
    assert_eq!(world.running.lock().unwrap().1, 2);
    assert_eq!(world.count("Jobs", "handled"), 7);
}

#[tokio::test(start_paused = true)]
async fn an_id_comes_once_in_five_minutes_per_group() {
    let world = World::new(template(1, None));
    assert_eq!(world.send("a", "1"), Sent::New);
    assert_eq!(world.send("a", "1"), Sent::Duplicate);
    assert_eq!(world.send("b", "1"), Sent::New);
    world.after(299).await;
    assert_eq!(world.send("a", "1"), Sent::Duplicate);
    world.after(1).await;
    assert_eq!(world.send("a", "1"), Sent::New);
    assert_eq!((world.count("Jobs", "sent"), world.count("Jobs", "duplicates")), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn ids_that_sqs_refuses_are_refused() {
    let world = World::new(template(1, None));
    let long = "x".repeat(129);
    for id in ["", "a b", "ä", &long] {
        assert!(matches!(world.queues.send("Jobs", id, "1", ""), Err(SendError::Id("MessageGroupId"))));
        assert!(matches!(world.queues.send("Jobs", "g", id, ""), Err(SendError::Id(_))));
    }
    assert!(matches!(world.queues.send("None", "g", "1", ""), Err(SendError::Unknown(_))));
}

#[tokio::test(start_paused = true)]
async fn what_fails_comes_again_after_the_visibility_timeout_and_holds_its_group() {
    let mut world = World::new(template(1, None));
    for (group, id) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        world.send(group, id);
    }
    let failed_once = Mutex::new(false);
    world.consume(10, move |bodies, event| {
        let fails = bodies.contains(&"a1".to_owned()) && !std::mem::replace(&mut *failed_once.lock().unwrap(), true);
        let id = &event["Records"][0]["messageId"];
        Ok(if fails { json!({"batchItemFailures": [{"itemIdentifier": id}]}) } else { json!(null) })
    });
    world.after(100).await;
    assert_eq!(world.calls(), [call(0, "a1", 1), call(0, "b1", 1)]);
    assert_eq!((world.count("Jobs", "waiting"), world.count("Jobs", "delayed")), (2, 1));
    world.after(300).await;
    assert_eq!(world.calls()[2..], [call(360, "a1", 2), call(370, "a2", 1)]);
    assert_eq!((world.count("Jobs", "failed"), world.count("Jobs", "handled")), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_crash_an_error_a_timeout_and_nonsense_fail_the_whole_batch() {
    let error = || InvokeError::FunctionError { error_type: "X".to_owned(), message: String::new() };
    let answers: [fn() -> Result<Value, InvokeError>; 4] = [
        || Err(InvokeError::Crashed),
        || Err(InvokeError::Timeout),
        || Ok(json!("nonsense")),
        || Ok(json!({"batchItemFailures": [{"itemIdentifier": "unknown"}]})),
    ];
    let answers = answers.into_iter().map(|answer| answer()).chain([Err(error())]);
    for answer in answers {
        let mut world = World::new(template(10, None));
        world.send("a", "1");
        world.send("a", "2");
        world.consume(1, move |_, _| answer.clone());
        world.after(20).await;
        assert_eq!(world.calls(), [call(0, "1 2", 1)]);
        assert_eq!((world.count("Jobs", "failed"), world.count("Jobs", "delayed")), (2, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_a_batch_stops_the_later_messages_of_its_group() {
    let mut world = World::new(template(10, None));
    for id in ["1", "2", "3", "4"] {
        world.send("a", id);
    }
    world.consume(1, |bodies, event| {
        let failed = bodies.iter().position(|id| id == "2").filter(|_| bodies.len() == 4);
        let failed = failed.map(|position| json!({"itemIdentifier": event["Records"][position]["messageId"]}));
        Ok(json!({"batchItemFailures": failed.into_iter().collect::<Vec<_>>()}))
    });
    world.after(400).await;
    assert_eq!(world.calls(), [call(0, "1 2 3 4", 1), call(360, "2 3 4", 2)]);
    assert_eq!(world.count("Jobs", "handled"), 4);
}

#[tokio::test(start_paused = true)]
async fn throttling_uses_up_no_attempt() {
    let mut world = World::new(template(1, None));
    world.send("a", "1");
    let left = Mutex::new(5);
    world.consume(0, move |_, _| {
        let mut left = left.lock().unwrap();
        *left -= 1;
        if *left > 0 { Err(InvokeError::Busy) } else { Ok(json!(null)) }
    });
    world.after(5).await;
    assert_eq!(world.calls().len(), 5);
    assert_eq!((world.count("Jobs", "handled"), world.count("Jobs", "failed")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_always_fails_becomes_a_dead_letter_and_lets_its_group_go_on() {
    let mut world = World::new(template(1, None));
    world.send("a", "bad");
    world.send("a", "good");
    let broken = Arc::new(Mutex::new(true));
    let fails = Arc::clone(&broken);
    world.consume(1, move |bodies, _| {
        if bodies == ["bad"] && *fails.lock().unwrap() { Err(InvokeError::Crashed) } else { Ok(json!({})) }
    });
    world.after(1100).await;
    let expected = [call(0, "bad", 1), call(360, "bad", 2), call(720, "bad", 3), call(1080, "good", 1)];
    assert_eq!(world.calls(), expected);

    let list = world.queues.list();
    assert_eq!((&list[0]["name"], &list[1]["name"]), (&json!("Dead"), &json!("Jobs")));
    assert_eq!(list[0]["dead_letters"], list[1]["dead_letters"]);
    let letter = &list[0]["dead_letters"][0];
    assert_eq!((&letter["group"], &letter["receive_count"]), (&json!("a"), &json!(3)));
    assert_eq!((&letter["body"], &letter["source"]), (&json!("body of bad"), &json!("Jobs")));
    assert_eq!((world.count("Dead", "waiting"), world.count("Jobs", "given_up")), (1, 1));

    *broken.lock().unwrap() = false;
    assert_eq!((world.queues.redrive("Jobs"), world.queues.redrive("None")), (None, None));
    assert_eq!(world.queues.redrive("Dead"), Some(1));
    world.after(5).await;
    assert_eq!(world.calls()[4..], [call(1100, "bad", 1)]);
    assert_eq!((world.count("Dead", "waiting"), world.count("Jobs", "waiting")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_restart_loses_nothing_forgets_nothing_and_hides_nothing() {
    let mut world = World::new(template(1, None));
    for id in ["1", "2"] {
        world.send("a", id);
    }
    world.consume(100, done);
    world.after(150).await;
    // The first is handled, the second in flight.
    world.restart();
    world.consume(1, done);
    assert_eq!(world.send("a", "1"), Sent::Duplicate);
    world.after(5).await;
    assert_eq!(world.calls(), [call(0, "1", 1), call(100, "2", 1), call(150, "2", 2)]);
    world.restart();
    world.consume(1, done);
    world.after(400).await;
    assert_eq!((world.calls().len(), world.count("Jobs", "waiting")), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_line_costs_only_itself() {
    let mut world = World::new(template(1, None));
    world.send("a", "1");
    let path = world.folder.path().join("queues.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"step\":\"sent\",\"que");
    std::fs::write(&path, text).unwrap();
    world.restart();
    world.send("a", "2");
    world.restart();
    assert_eq!(world.count("Jobs", "waiting"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_purge_empties_the_queue_also_of_what_is_in_flight() {
    let mut world = World::new(template(1, None));
    world.consume(100, done);
    world.send("a", "1");
    world.send("a", "2");
    world.after(1).await;
    assert_eq!(world.queues.purge("Jobs"), Some(2));
    assert_eq!(world.queues.purge("None"), None);
    // The end of an invocation whose message is gone must not touch the message of another.
    world.send("a", "3");
    world.after(250).await;
    assert_eq!(world.calls(), [call(0, "1", 1), call(1, "3", 1)]);
    assert_eq!((world.count("Jobs", "handled"), world.count("Jobs", "waiting")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn old_messages_are_thrown_away() {
    let mut world = World::new(template(1, None));
    world.send("a", "1");
    world.after(345_601).await;
    world.consume(1, done);
    world.after(5).await;
    assert!(world.calls().is_empty());
    assert_eq!(world.count("Jobs", "waiting"), 0);
}

#[tokio::test(start_paused = true)]
async fn fast_time_shortens_the_visibility_timeout_but_never_overlaps_a_running_invocation() {
    let mut world = World::with(template(1, None), 60.0);
    world.send("a", "1");
    let first = Mutex::new(true);
    world.consume(4, move |_, _| {
        let first = std::mem::replace(&mut *first.lock().unwrap(), false);
        if first { Err(InvokeError::Crashed) } else { Ok(json!(null)) }
    });
    world.after(20).await;
    assert_eq!(world.calls(), [call(0, "1", 1), call(6, "1", 2)]);

    let mut world = World::with(template(1, None), 3600.0);
    world.send("a", "1");
    world.consume(4, |_, _| Err(InvokeError::Crashed));
    world.after(6).await;
    assert_eq!(world.calls(), [call(0, "1", 1), call(4, "1", 2)]);
    assert_eq!(world.running.lock().unwrap().1, 1);
}

#[tokio::test(start_paused = true)]
async fn stopping_takes_no_more_and_lets_what_runs_finish() {
    let mut world = World::new(template(1, None));
    world.send("a", "1");
    world.send("a", "2");
    world.consume(10, done);
    world.after(1).await;
    world._stop.send_replace(true);
    world.after(50).await;
    assert_eq!(world.calls(), [call(0, "1", 1)]);
    assert_eq!((world.count("Jobs", "handled"), world.count("Jobs", "waiting")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn chaos_kills_in_the_middle_and_makes_no_dead_letters() {
    let world = World::new(template(1, Some(20)));
    for number in 0..200 {
        world.send(&format!("g{}", number % 50), &format!("{number}"));
    }
    // The process: a kill fails whatever runs in it.
    let kills = Arc::new(Mutex::new(0));
    let (killed, _) = tokio::sync::broadcast::channel(1000);
    let (count, sender) = (Arc::clone(&kills), killed.clone());
    let kill = move || {
        *count.lock().unwrap() += 1;
        let _ = sender.send(());
    };
    let invoke: streams::Invoke = Arc::new(move |_| {
        let mut killed = killed.subscribe();
        Box::pin(async move {
            tokio::select! {
                _ = killed.recv() => Err(InvokeError::Crashed),
                () = tokio::time::sleep(Duration::from_millis(150)) => Ok(Bytes::from_static(b"null")),
            }
        })
    });
    let consumer = Consumer {
        mapping: world.template.queue_mappings[0].clone(),
        arn: "arn".to_owned(),
        queues: world.queues.clone(),
        invoke,
        kills: Some(Kills::new(Chaos::new(1, "Jobs"), kill)),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(consumer.run(world.stopped.clone()));
    world.after(10_000).await;
    assert!(*kills.lock().unwrap() > 0);
    assert_eq!((world.count("Jobs", "handled"), world.count("Jobs", "waiting")), (200, 0));
    assert_eq!(world.count("Dead", "waiting"), 0);
}
