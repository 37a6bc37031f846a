use std::sync::Mutex;

use serde_json::json;

use super::*;

type Calls = Arc<Mutex<Vec<Vec<String>>>>;

const NOW: f64 = 1_000_000.0;

fn records(count: usize) -> Vec<Record> {
    let record = |number| Record {
        sequence: format!("{number:021}"),
        partition: "p".to_owned(),
        created: NOW - 1.0,
        json: json!({"dynamodb": {"SequenceNumber": format!("{number:021}")}}).to_string(),
    };
    (0..count).map(record).collect()
}

fn mapping() -> StreamMapping {
    StreamMapping {
        function: "fanout".to_owned(),
        table: "CoreTable".to_owned(),
        batch_size: 100,
        parallelization: 1,
        report_partial: true,
        bisect: true,
        max_attempts: Some(2),
        max_age: None,
        filters: Vec::new(),
        dead_letters: Some("Queue".to_owned()),
    }
}

struct Run {
    calls: Vec<Vec<usize>>,
    done: Vec<usize>,
    letters: Vec<Value>,
}

/// Delivers `count` records to a function that answers by `answer`, which gets the record numbers of each call.
async fn run(
    mapping: StreamMapping,
    records: Vec<Record>,
    answer: impl Fn(&[usize]) -> Result<Value, InvokeError> + Send + Sync + 'static,
) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let calls: Calls = Arc::default();
    let seen = Arc::clone(&calls);
    let invoke: Invoke = Arc::new(move |payload| {
        let event: Value = serde_json::from_slice(&payload).unwrap();
        let sequence = |record: &Value| record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
        let sequences: Vec<String> = event["Records"].as_array().unwrap().iter().map(sequence).collect();
        let numbers: Vec<usize> = sequences.iter().map(|sequence| sequence.parse().unwrap()).collect();
        seen.lock().unwrap().push(sequences);
        let answer = answer(&numbers).map(|answer| Bytes::from(answer.to_string()));
        Box::pin(std::future::ready(answer))
    });
    let delivery = Delivery {
        max_age: mapping.max_age,
        mapping,
        invoke,
        dead_letters: DeadLetters::open(folder.path()).unwrap(),
        stream_arn: "arn".to_owned(),
        shard: "shard".to_owned(),
        now: || NOW,
        counts: Arc::default(),
    };
    let mut done = Vec::new();
    delivery.deliver(records, &mut |sequence: &str| done.push(sequence.parse().unwrap())).await;
    let text = std::fs::read_to_string(folder.path().join("dead-letters/Queue.jsonl")).unwrap_or_default();
    let calls = calls.lock().unwrap();
    let numbers = |call: &Vec<String>| call.iter().map(|sequence| sequence.parse().unwrap()).collect();
    Run {
        calls: calls.iter().map(numbers).collect(),
        done,
        letters: text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    }
}

fn failed_at(number: usize) -> Value {
    json!({"batchItemFailures": [{"itemIdentifier": format!("{number:021}")}]})
}

fn crash() -> InvokeError {
    InvokeError::Crashed
}

#[tokio::test(start_paused = true)]
async fn success_in_all_its_forms_is_one_call() {
    for answer in [json!(null), json!({}), json!({"batchItemFailures": null}), json!({"batchItemFailures": []})] {
        let run = run(mapping(), records(3), move |_| Ok(answer.clone())).await;
        assert_eq!((run.calls, run.done), (vec![vec![0, 1, 2]], vec![2]));
        assert!(run.letters.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_failure_is_retried_from_the_lowest_reported_record() {
    let tries = Mutex::new(0);
    let answer = move |_: &[usize]| {
        let mut tries = tries.lock().unwrap();
        *tries += 1;
        let failures: Vec<Value> = [3, 2].map(|number| json!({"itemIdentifier": format!("{number:021}")})).into();
        Ok(if *tries == 1 { json!({"batchItemFailures": failures}) } else { json!(null) })
    };
    let run = run(mapping(), records(5), answer).await;
    assert_eq!(run.calls, [vec![0, 1, 2, 3, 4], vec![2, 3, 4]]);
    assert_eq!(run.done, [1, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_always_fails_takes_the_rest_of_its_batch_along() {
    let answer = |numbers: &[usize]| Ok(if numbers.contains(&1) { failed_at(1) } else { json!(null) });
    let run = run(mapping(), records(3), answer).await;
    // The first call and two retries.
    assert_eq!(run.calls, [vec![0, 1, 2], vec![1, 2], vec![1, 2]]);
    assert_eq!(run.done, [0, 2]);
    let info = &run.letters[0]["DDBStreamBatchInfo"];
    assert_eq!(info["batchSize"], 2);
    assert_eq!(info["startSequenceNumber"], format!("{:021}", 1));
    assert_eq!(run.letters[0]["requestContext"]["condition"], "RetryAttemptsExhausted");
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_bisected_down_to_its_record() {
    let answer = |numbers: &[usize]| if numbers.contains(&2) { Err(crash()) } else { Ok(json!(null)) };
    let run = run(mapping(), records(4), answer).await;
    let expected: [&[usize]; 7] = [&[0, 1, 2, 3], &[0, 1], &[2, 3], &[2], &[2], &[2], &[3]];
    assert_eq!(run.calls, expected);
    assert_eq!(run.done, [1, 2, 3]);
    assert_eq!(run.letters.len(), 1);
    assert_eq!(run.letters[0]["DDBStreamBatchInfo"]["batchSize"], 1);
}

#[tokio::test(start_paused = true)]
async fn without_bisecting_the_whole_batch_is_retried_and_given_up() {
    let mapping = StreamMapping { bisect: false, ..mapping() };
    let run = run(mapping, records(2), |_| Err(crash())).await;
    assert_eq!(run.calls.len(), 3);
    assert_eq!((run.done, run.letters.len()), (vec![1], 1));
}

#[tokio::test(start_paused = true)]
async fn identifiers_that_say_nothing_fail_the_whole_batch() {
    for identifier in [json!(""), json!("nonsense"), json!(null), json!(7)] {
        let answer = move |numbers: &[usize]| {
            Ok(if numbers.len() > 1 {
                json!({"batchItemFailures": [{"itemIdentifier": identifier}]})
            } else {
                json!({})
            })
        };
        let run = run(mapping(), records(2), answer).await;
        let expected: [&[usize]; 3] = [&[0, 1], &[0], &[1]];
        assert_eq!(run.calls, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn without_report_batch_item_failures_the_answer_means_nothing() {
    let mapping = StreamMapping { report_partial: false, ..mapping() };
    let run = run(mapping, records(2), |_| Ok(failed_at(0))).await;
    assert_eq!((run.calls.len(), run.done), (1, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn old_records_are_given_up_unsent() {
    let mapping = StreamMapping { max_age: Some(Duration::from_secs(300)), ..mapping() };
    let mut records = records(3);
    records[0].created = NOW - 301.0;
    let run = run(mapping, records, |_| Ok(json!(null))).await;
    assert_eq!(run.calls, [vec![1, 2]]);
    assert_eq!(run.done, [0, 2]);
    assert_eq!(run.letters[0]["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(run.letters[0].get("responseContext"), None);
}

#[tokio::test(start_paused = true)]
async fn throttling_uses_up_no_retries() {
    let left = Mutex::new(10);
    let answer = move |_: &[usize]| {
        let mut left = left.lock().unwrap();
        *left -= 1;
        if *left > 0 { Err(InvokeError::Busy) } else { Ok(json!(null)) }
    };
    let run = run(mapping(), records(1), answer).await;
    assert_eq!((run.calls.len(), run.done, run.letters.len()), (10, vec![0], 0));
}

#[test]
fn backoff_grows_and_stays_bounded() {
    assert_eq!(backoff(1), FIRST_BACKOFF);
    assert_eq!(backoff(3), FIRST_BACKOFF * 4);
    assert_eq!(backoff(u32::MAX), LONGEST_BACKOFF);
}
