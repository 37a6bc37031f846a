//! The loop against a real embedded database, with a closure for the function.

use std::sync::Mutex;
use std::time::Duration;

use super::*;

struct World {
    folder: tempfile::TempDir,
    dynamodb: Dynamodb,
    template: Template,
}

type Seen = Arc<Mutex<Vec<String>>>;

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let template = Template::parse(include_str!("../../../template.yaml"), &BTreeMap::new()).unwrap();
        let dynamodb = crate::dynamodb::start(folder.path(), &template.tables).await.unwrap();
        Self { folder, dynamodb, template }
    }

    fn put(&self, pk: &str, sk: &str) {
        let item = json!({"TableName": "CoreTable", "Item": {"pk": {"S": pk}, "sk": {"S": sk}}});
        self.dynamodb.db.put_item(serde_json::from_value(item).unwrap()).unwrap();
    }

    fn put_follow_up(&self, pk: &str, number: usize) {
        let item = json!({"pk": {"S": pk}, "sk": {"S": format!("M#{number:012}")}, "follow_up": {"S": pk}});
        let request = json!({"TableName": "CoreTable", "Item": item});
        self.dynamodb.db.put_item(serde_json::from_value(request).unwrap()).unwrap();
    }

    fn settings(&self, chaos: Option<u64>) -> Settings {
        Settings {
            port: 0,
            data_dir: self.folder.path().to_owned(),
            time_scale: 1.0,
            strict: false,
            bin_dir: None,
            launcher: None,
            chaos,
            hold: Vec::new(),
            seed_ports: false,
        }
    }

    fn queues(&self) -> Queues {
        Queues::open(&self.template, &self.settings(None)).unwrap()
    }

    /// Runs the mapping until the function has seen all these records.
    async fn run(&self, wanted: &[String], chaos: Option<u64>, seen: &Seen) {
        let record = Arc::clone(seen);
        let invoke: Invoke = Arc::new(move |payload| {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            for one in event["Records"].as_array().unwrap() {
                let keys = &one["dynamodb"]["Keys"];
                let (pk, sk) = (keys["pk"]["S"].as_str().unwrap(), keys["sk"]["S"].as_str().unwrap());
                record.lock().unwrap().push(format!("{pk}/{sk}"));
            }
            Box::pin(std::future::ready(Ok(Bytes::from_static(b"null"))))
        });
        let mapping = self.template.stream_mappings.first().unwrap();
        let all = || wanted.iter().all(|key| seen.lock().unwrap().contains(key));
        self.read(mapping, invoke, chaos, &self.queues(), all).await;
    }

    /// Runs the reply queue's pipe until so many messages were sent since the queues were opened.
    async fn pipe(&self, queues: &Queues, wanted: usize, chaos: Option<u64>) {
        self.pipe_to("ReplyQueue", queues, wanted, chaos).await;
    }

    async fn pipe_to(&self, queue: &str, queues: &Queues, wanted: usize, chaos: Option<u64>) {
        let pipe = self.template.pipes.iter().find(|pipe| pipe.queue == queue).unwrap();
        let all = || queues.counts()[queue]["sent"] == wanted;
        self.read(&pipe::mapping(pipe), pipe::sink(pipe, queues), chaos, queues, all).await;
    }

    async fn read(
        &self,
        mapping: &StreamMapping,
        invoke: Invoke,
        chaos: Option<u64>,
        queues: &Queues,
        all: impl Fn() -> bool,
    ) {
        let dead_letters = DeadLetters::open(self.folder.path()).unwrap();
        let (functions, settings) = (Functions::default(), self.settings(chaos));
        let context = Context {
            dynamodb: &self.dynamodb,
            functions: &functions,
            settings: &settings,
            dead_letters: &dead_letters,
            queues,
        };
        let table = self.template.tables.iter().find(|table| table.name == mapping.table).unwrap();
        let poller = poller(mapping, table, invoke, &context).unwrap();
        let task = crate::http::system::spawn(poller.run());
        let all = async {
            while !all() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
        // Time to deliver what should not come.
        tokio::time::sleep(Duration::from_millis(50)).await;
        task.abort();
        let _ = task.await;
    }
}

#[tokio::test]
async fn wanted_records_arrive_in_order_and_once_and_a_restart_goes_on() {
    let (world, seen) = (World::new().await, Seen::default());
    world.put("C", "META");
    for number in 0..250 {
        world.put("C", &format!("M#{number:04}"));
    }
    let expected: Vec<String> = (0..250).map(|number| format!("C/M#{number:04}")).collect();
    world.run(&expected, None, &seen).await;
    assert_eq!(*seen.lock().unwrap(), expected);

    // An overwrite is a MODIFY, which the filter leaves out.
    world.put("C", "M#0000");
    world.put("C", "M#9999");
    seen.lock().unwrap().clear();
    world.run(&["C/M#9999".to_owned()], None, &seen).await;
    assert_eq!(*seen.lock().unwrap(), ["C/M#9999"]);
}

#[tokio::test]
async fn chaos_loses_nothing() {
    let world = World::new().await;
    for seed in 1..4 {
        let expected: Vec<String> = (0..40).map(|number| format!("{}/M#{seed}-{number:04}", number % 5)).collect();
        for key in &expected {
            let (pk, sk) = key.split_once('/').unwrap();
            world.put(pk, sk);
        }
        // Fails by its time limit if a record is missing.
        world.run(&expected, Some(seed), &Seen::default()).await;
    }
}

#[tokio::test]
async fn a_pipe_sends_what_its_filter_wants_and_a_restart_loses_and_repeats_nothing() {
    let world = World::new().await;
    world.put("C", "META");
    for number in 0..30 {
        world.put_follow_up("C", number);
    }
    let queues = world.queues();
    world.pipe(&queues, 30, None).await;
    assert_eq!(queues.counts()["ReplyQueue"]["duplicates"], 0);
    drop(queues);

    world.put_follow_up("D", 0);
    // SQS takes no group that long; it must not hold up the others.
    world.put_follow_up(&"x".repeat(129), 0);
    world.put_follow_up("D", 1);
    // The position was lost with the machine: everything is read again.
    std::fs::remove_file(world.folder.path().join("streams/ReplyPipe-CoreTable.position")).unwrap();
    let queues = world.queues();
    world.pipe(&queues, 2, None).await;
    let counts = queues.counts();
    assert_eq!(counts["ReplyQueue"]["duplicates"], 30);
    assert_eq!(counts["ReplyQueue"]["waiting"], 32);
}

#[tokio::test]
async fn messages_are_stream_records_in_groups_of_their_partition() {
    let world = World::new().await;
    let queues = world.queues();
    for number in 0..60 {
        world.put_follow_up(&format!("C{}", number % 3), number);
    }
    world.pipe(&queues, 60, Some(1)).await;
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for body in queues.bodies("ReplyQueue") {
        let record: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&record["eventName"], &record["eventSource"]), (&json!("INSERT"), &json!("aws:dynamodb")));
        assert!(record["dynamodb"]["NewImage"]["follow_up"]["S"].is_string());
        let key = |name: &str| record["dynamodb"]["Keys"][name]["S"].as_str().unwrap().to_owned();
        seen.entry(key("pk")).or_default().push(key("sk"));
    }
    assert_eq!(seen.values().map(Vec::len).collect::<Vec<_>>(), [20, 20, 20]);
    assert!(seen.values().all(|keys| keys.is_sorted()), "{seen:?}");
}

#[tokio::test]
async fn each_pipe_reads_its_own_table() {
    let world = World::new().await;
    let queues = world.queues();
    let put = |table: &str, sk: &str, mark: &str| {
        let item = json!({"pk": {"S": "RUN"}, "sk": {"S": sk}, mark: {"S": "chat-1"}, "question": {"S": "{}"}});
        let request = json!({"TableName": table, "Item": item});
        world.dynamodb.db.put_item(serde_json::from_value(request).unwrap()).unwrap();
    };
    put("CoreTable", "X#1", "asked");
    put("EphemeralTable", "JOB", "follow_up");
    for number in 0..2 {
        put("EphemeralTable", &format!("JOB{number}"), "asked");
    }
    // A change of one is no news.
    put("EphemeralTable", "JOB0", "asked");
    world.pipe_to("ChatQueue", &queues, 2, None).await;
    for body in queues.bodies("ChatQueue") {
        let record: Value = serde_json::from_str(&body).unwrap();
        let image = &record["dynamodb"]["NewImage"];
        assert_eq!((&image["asked"]["S"], &image["question"]["S"]), (&json!("chat-1"), &json!("{}")));
    }
    assert_eq!(queues.counts()["ChatQueue"]["sent"], 2);
}
