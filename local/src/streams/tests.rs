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

    /// Runs the mapping until the function has seen all these records.
    async fn run(&self, wanted: &[String], chaos: Option<u64>, seen: &Seen) {
        let settings = Settings {
            port: 0,
            data_dir: self.folder.path().to_owned(),
            time_scale: 1.0,
            strict: false,
            bin_dir: None,
            launcher: None,
            chaos,
            seed_ports: false,
        };
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
        let dead_letters = DeadLetters::open(self.folder.path()).unwrap();
        let functions = Functions::default();
        let context = Context {
            dynamodb: &self.dynamodb,
            functions: &functions,
            settings: &settings,
            dead_letters: &dead_letters,
        };
        let mapping = self.template.stream_mappings.first().unwrap();
        let table = self.template.tables.iter().find(|table| table.name == mapping.table).unwrap();
        let poller = poller(mapping, table, invoke, &context).unwrap();
        let task = crate::http::system::spawn(poller.run());
        let all = async {
            while !wanted.iter().all(|key| seen.lock().unwrap().contains(key)) {
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
