//! `demo`, as a user runs it (B32).

use crate::support::cloud::{CLEO, Cloud, SHARED_PHONE};
use crate::support::in_time;
use std::path::Path;
use std::process::Output;
use tokio::process::Command;

/// Runs the command against the local cloud of this data folder.
async fn demo(data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["demo", "--data-dir"]).arg(data).current_dir(data).kill_on_drop(true);
    in_time("the demo", command.output()).await.unwrap()
}

/// What it said; it must have ended well.
fn said(output: &Output) -> String {
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{error}");
    said.into_owned()
}

#[tokio::test]
async fn the_five_steps_run_as_one_command_and_run_again() {
    let cloud = Cloud::quick(&[]).await;
    for run in 1..=2 {
        let said = said(&demo(cloud.data()).await);
        for event in ["sms_received", "sms_sent", "human_control_started", "human_message_sent", "human_control_ended"]
        {
            let lines: Vec<&str> = said.lines().filter(|line| line.contains(event)).collect();
            for via in ["SSE", "WebSocket"] {
                let seen = lines.iter().filter(|line| line.contains(via)).count();
                assert_eq!(seen, 1, "{event} over {via} in run {run}:\n{said}");
            }
        }
        let from_us = cloud.bodies_to(SHARED_PHONE).await;
        assert_eq!(from_us.len(), 2 * run, "an answer of the AI and a message of the agent: {from_us:?}");
    }
    assert_eq!(cloud.control_status(SHARED_PHONE, CLEO).await["isUnderHumanControl"], false);
}

/// An earlier demo that was cut short leaves a takeover: the next one ends it first.
#[tokio::test]
async fn the_demo_clears_up_after_one_that_was_cut_short() {
    let cloud = Cloud::quick(&[]).await;
    cloud.join(SHARED_PHONE, CLEO).await;
    assert!(said(&demo(cloud.data()).await).contains("An earlier demo was cut short"));
}

#[tokio::test]
async fn without_a_running_cloud_or_its_demo_data_the_demo_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path()).await;
    assert!(!output.status.success() && !output.stderr.is_empty());
    let cloud = Cloud::with(&["--no-demo"]).await;
    let output = demo(cloud.data()).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("demo data"), "{error}");
}
