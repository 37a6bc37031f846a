//! The embedded DynamoDB: dynoxide on a file in the data folder, behind a counting proxy on a loopback port.
//!
//! It runs on a thread of its own with a small runtime, because it works synchronously: a burst of writes would delay
//! the timers of SSE streams otherwise. Two repairs of dynoxide 3.2: its stream table has no index (each write and
//! each poll would scan it), and nothing trims it.

mod counting;
mod delay;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dynoxide::Database;
use dynoxide::storage::Storage;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::kill_points::KillPoints;
use crate::template::Table;

pub use counting::Counters;
pub use delay::Delay;

const FILE: &str = "dynamodb.sqlite";
const TRIM_EVERY: Duration = Duration::from_secs(3600);
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// DynamoDB keeps stream records for 24 hours.
const REPAIR: &str = "
    CREATE INDEX IF NOT EXISTS switchboard_stream_sequence
        ON _stream_records(table_name, CAST(sequence_number AS INTEGER));
    DELETE FROM _stream_records WHERE created_at < unixepoch() - 86400;";

/// Why the embedded DynamoDB does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refuses something.
    #[error("the local DynamoDB failed while it {0}")]
    Database(&'static str, #[source] dynoxide::DynoxideError),
    /// The file cannot be used by SQL.
    #[error("the local DynamoDB cannot prepare its file: {0}")]
    Prepare(String),
    /// A table's definition is not one.
    #[error("table {table} of the template is not a valid CreateTable request")]
    Definition {
        /// Its name.
        table: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The data folder was made by another template.
    #[error(
        "table {0} in the data folder has other keys or indexes than the template: start with --fresh to drop the local data"
    )]
    Outdated(String),
    /// No thread or no listener.
    #[error("the local DynamoDB cannot start its server")]
    Server(#[from] std::io::Error),
    /// The start was cut off.
    #[error("the local DynamoDB stopped while starting")]
    Stopped,
}

/// The running database.
#[derive(Clone)]
pub struct Dynamodb {
    /// Endpoint for the SDK.
    pub url: String,
    /// Direct access, not counted.
    pub db: Database,
    /// Requests per operation and table since the start.
    pub counters: Arc<Counters>,
    /// Where the functions that use it are to die.
    pub(crate) kill_points: KillPoints,
    /// How slowly it answers.
    pub delay: Delay,
    changes: watch::Receiver<u64>,
}

impl Dynamodb {
    /// Changes whenever something may have been written.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}

/// Opens the database in the data folder, creates the tables that are missing and serves it.
///
/// # Errors
///
/// Fails if the file or a port cannot be used, or if a table in the file is not the template's.
pub async fn start(data_dir: &Path, tables: &[Table]) -> Result<Dynamodb, Error> {
    let path = data_dir.join(FILE);
    let tables = tables.to_vec();
    let (ready, started) = oneshot::channel();
    std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
        // A receiver that is gone has given up the start: nothing to tell.
        if let Err(error) = run(&path, &tables, &mut Some(ready)) {
            tracing::error!(error = %error, "the local DynamoDB stopped");
        }
    })?;
    started.await.map_err(|_| Error::Stopped)?
}

type Ready = oneshot::Sender<Result<Dynamodb, Error>>;

fn run(path: &Path, tables: &[Table], ready: &mut Option<Ready>) -> Result<(), Error> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("dynamodb").enable_all().build()?;
    runtime.block_on(async {
        let (dynamodb, wrote) = match prepare(path, tables).await {
            Ok(prepared) => prepared,
            Err(error) => {
                if let Some(ready) = ready.take() {
                    let _ = ready.send(Err(error));
                }
                return Ok(());
            }
        };
        let db = dynamodb.db.clone();
        if let Some(ready) = ready.take() {
            let _ = ready.send(Ok(dynamodb));
        }
        maintain(db, path.to_owned(), wrote).await;
        Ok(())
    })
}

async fn prepare(path: &Path, tables: &[Table]) -> Result<(Dynamodb, Arc<watch::Sender<u64>>), Error> {
    repair(path)?;
    let text = path.to_string_lossy();
    let db = Database::new(&text).map_err(|error| Error::Database("opened its file", error))?;
    // The only way to `synchronous=NORMAL`, which survives a killed process and is 25 times faster than the default.
    db.disable_bulk_loading().map_err(|error| Error::Database("set its pragmas", error))?;
    for table in tables {
        create(&db, table)?;
    }
    let (wrote, changes) = watch::channel(0);
    let wrote = Arc::new(wrote);
    let counters = Arc::new(Counters::default());
    let kill_points = KillPoints::default();
    let delay = Delay::default();
    let watched =
        counting::Watched { counters: Arc::clone(&counters), kill_points: kill_points.clone(), delay: delay.clone() };
    let url = counting::serve(db.clone(), watched, Arc::clone(&wrote)).await?;
    let dynamodb = Dynamodb { url, db, counters, kill_points, delay, changes };
    Ok((dynamodb, wrote))
}

/// On its own connection, which SQLite allows; dynoxide gives no access to the connection of a `Database`.
fn repair(path: &Path) -> Result<(), Error> {
    let storage = Storage::new(&path.to_string_lossy()).map_err(|error| Error::Database("opened its file", error))?;
    storage.conn().execute_batch(REPAIR).map_err(|error| Error::Prepare(error.to_string()))
}

fn create(db: &Database, table: &Table) -> Result<(), Error> {
    let definition = |source| Error::Definition { table: table.name.clone(), source };
    let request = serde_json::from_value(serde_json::json!({"TableName": table.name})).map_err(definition)?;
    match db.describe_table(request) {
        Ok(response) => {
            let response = serde_json::to_value(&response).map_err(definition)?;
            let existing = response.get("Table").cloned().unwrap_or_default();
            if shape(&existing) != shape(&table.create) {
                return Err(Error::Outdated(table.name.clone()));
            }
            if table.streamed && existing.get("StreamSpecification").is_none() {
                enable_stream(db, table)?;
            }
        }
        Err(dynoxide::DynoxideError::ResourceNotFoundException(_)) => {
            let request = serde_json::from_value(table.create.clone()).map_err(definition)?;
            db.create_table(request).map_err(|error| Error::Database("created a table", error))?;
        }
        Err(error) => return Err(Error::Database("looked for a table", error)),
    }
    enable_ttl(db, table)
}

/// As CloudFormation does where a template gives a table of an earlier one a stream.
fn enable_stream(db: &Database, table: &Table) -> Result<(), Error> {
    let definition = |source| Error::Definition { table: table.name.clone(), source };
    let specification = table.create.get("StreamSpecification");
    let request = serde_json::json!({"TableName": table.name, "StreamSpecification": specification});
    let request = serde_json::from_value(request).map_err(definition)?;
    db.update_table(request).map(drop).map_err(|error| Error::Database("gave a table its stream", error))
}

fn enable_ttl(db: &Database, table: &Table) -> Result<(), Error> {
    use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
    let Some(attribute) = &table.ttl_attribute else {
        return Ok(());
    };
    let request = UpdateTimeToLiveRequest {
        table_name: table.name.clone(),
        time_to_live_specification: TimeToLiveSpecification { attribute_name: attribute.clone(), enabled: true },
    };
    db.update_time_to_live(request).map(drop).map_err(|error| Error::Database("enabled time to live", error))
}

/// What cannot change without a new table: keys, and indexes with their keys and projections.
fn shape(table: &Value) -> Value {
    let field = |value: &Value, key: &str| value.get(key).cloned().unwrap_or_default();
    let index = |index: &Value| {
        let name = field(index, "IndexName");
        (name.to_string(), serde_json::json!([field(index, "KeySchema"), field(index, "Projection")]))
    };
    let indexes: serde_json::Map<String, Value> = table
        .get("GlobalSecondaryIndexes")
        .and_then(Value::as_array)
        .map(|indexes| indexes.iter().map(index).collect())
        .unwrap_or_default();
    serde_json::json!({
        "keys": field(table, "KeySchema"),
        "indexes": indexes,
    })
}

/// Deletes what has expired, as DynamoDB does by itself. Ends with the process.
async fn maintain(db: Database, path: PathBuf, wrote: Arc<watch::Sender<u64>>) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut trim = tokio::time::interval_at(tokio::time::Instant::now() + TRIM_EVERY, TRIM_EVERY);
    loop {
        let failure = tokio::select! {
            _ = sweep.tick() => {
                let db = db.clone();
                let swept = tokio::task::spawn_blocking(move || db.sweep_ttl()).await;
                wrote.send_modify(|count| *count += 1);
                swept.map(|result| result.map(drop).map_err(|error| error.to_string()))
            }
            _ = trim.tick() => {
                let path = path.clone();
                let trimmed = tokio::task::spawn_blocking(move || repair(&path)).await;
                trimmed.map(|result| result.map_err(|error| error.to_string()))
            }
        };
        if let Ok(Err(error)) = failure {
            tracing::warn!(%error, "the local DynamoDB could not delete what has expired");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tables() -> Vec<Table> {
        let text = include_str!("../../template.yaml");
        crate::template::Template::parse(text, &BTreeMap::new()).unwrap().tables
    }

    async fn post(url: &str, operation: &str, body: &Value) -> (u16, Value) {
        counting::tests::post(url, operation, body).await
    }

    #[tokio::test]
    async fn it_serves_the_tables_counts_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let dynamodb = start(folder.path(), &tables()).await.unwrap();
        let item = serde_json::json!({"TableName": "CoreTable", "Item": {"pk": {"S": "a"}, "sk": {"S": "b"}}});
        let mut changes = dynamodb.changes();
        changes.borrow_and_update();
        assert_eq!(post(&dynamodb.url, "PutItem", &item).await.0, 200);
        assert!(changes.has_changed().unwrap());
        let (operations, tables_) = dynamodb.counters.json();
        assert_eq!(operations["PutItem"], 1);
        assert_eq!(tables_["CoreTable"]["PutItem"], 1);

        let again = start(folder.path(), &tables()).await.unwrap();
        let key = serde_json::json!({"TableName": "CoreTable", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}});
        let (_, answer) = post(&again.url, "GetItem", &key).await;
        assert_eq!(answer["Item"]["pk"]["S"], "a");
    }

    #[tokio::test]
    async fn a_table_from_before_gets_the_stream_that_the_template_gives_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = tables();
        for table in &mut before {
            table.streamed = false;
            table.create.as_object_mut().unwrap().remove("StreamSpecification");
        }
        start(folder.path(), &before).await.unwrap();
        let dynamodb = start(folder.path(), &tables()).await.unwrap();
        for table in tables() {
            let (_, answer) = post(&dynamodb.url, "DescribeTable", &serde_json::json!({"TableName": table.name})).await;
            let wanted = &table.create["StreamSpecification"];
            assert!(wanted.is_object() && answer["Table"]["StreamSpecification"] == *wanted, "{answer}");
        }
    }

    #[tokio::test]
    async fn other_keys_than_before_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), &tables()).await.unwrap();
        let mut changed = tables();
        for table in &mut changed {
            table.create["KeySchema"][1]["AttributeName"] = "gsi1sk".into();
        }
        let error = start(folder.path(), &changed).await.err().unwrap();
        assert!(matches!(error, Error::Outdated(_)), "{error}");
    }
}
