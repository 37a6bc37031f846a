//! What the documentation claims: error codes, tests of invariants, links, and commands, which are run as printed.

use super::{Names, read, root};
use crate::support::cloud::Cloud;
use crate::support::in_time;
use std::path::Path;
use tokio::process::Command;

const DOCUMENTS: [&str; 8] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/api.md",
    "docs/architecture.md",
    "docs/deploy.md",
    "docs/operations.md",
    "events/README.md",
];

#[test]
fn every_error_code_is_documented() {
    let document = read("docs/api.md");
    let (_, rest) = document.split_once("<!-- codes").unwrap();
    let table = rest.split_once("-->\n").unwrap().1.split_once("<!-- end of codes -->").unwrap().0;
    let mut expected = "| code | status | detail | hint |\n|---|---|---|---|\n".to_owned();
    for code in web::Code::ALL {
        let (name, status) = (code.as_str(), code.status().as_u16());
        expected.push_str(&format!("| `{name}` | {status} | {} | {} |\n", code.detail(), code.hint()));
    }
    assert_eq!(table, expected, "the table in docs/api.md should be:\n{expected}");
}

/// All Rust and Python sources of a folder.
pub(super) fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let skipped = ["target", "node_modules", ".venv"].iter().any(|name| entry.ends_with(name));
        if entry.is_dir() && !skipped {
            sources(&entry, text);
        } else if entry.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            text.push_str(&std::fs::read_to_string(entry).unwrap());
        }
    }
}

#[test]
fn tests_of_invariants_exist() {
    let mut code = String::new();
    for folder in ["shared", "functions", "local", "tests"] {
        sources(&root().join(folder), &mut code);
    }
    let document = read("docs/architecture.md");
    let paragraphs = document.split("\n\n").filter(|paragraph| paragraph.starts_with("**Architecture Invariant:"));
    let mut named = 0;
    for paragraph in paragraphs {
        let mut here = 0;
        for text in paragraph.split('`').skip(1).step_by(2) {
            let function = text.rsplit("::").next().unwrap();
            if text.starts_with("tests/") || text == "clippy.toml" {
                assert!(root().join(text).exists(), "{text} in docs/architecture.md");
                here += 1;
            } else if function.contains('_') && !["may_view", "at_least_once"].contains(&function) {
                let found = code.contains(&format!("fn {function}(")) || code.contains(&format!("def {function}("));
                assert!(found, "{text} in docs/architecture.md");
                here += 1;
            }
        }
        assert!(here > 0, "nothing holds this invariant: {paragraph}");
        named += 1;
    }
    assert!(named >= 10);
}

#[test]
fn links_lead_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if path.starts_with("http") {
                continue;
            }
            let target = if path.is_empty() { root().join(document) } else { folder.join(path) };
            assert!(target.exists(), "{document} links to {link}");
            if !anchor.is_empty() {
                assert!(anchors(&std::fs::read_to_string(&target).unwrap()).contains(anchor), "{document}: {link}");
            }
        }
    }
}

/// Names of the headings of a document, as links call them.
fn anchors(text: &str) -> Names {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let letters = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    headings.map(letters).collect()
}

/// The shell blocks of a text.
fn shell(text: &str) -> String {
    text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs commands as printed, but on this cloud: `curl` fails on a refusal and ends a stream (`-N`) after some seconds, and
/// `cargo run --` is the program that was built already.
async fn run(cloud: &Cloud, commands: &str) -> String {
    let commands = commands.replace("http://localhost:8000", &cloud.info.base_url);
    let script = format!(
        "set -euo pipefail\n\
         curl() {{ case \" $* \" in *N\\ *) set -- --max-time 8 \"$@\";; esac\n\
         command curl --silent --show-error --fail \"$@\" || [ $? = 28 ]; }}\n\
         cargo() {{ shift 2; \"$SWITCHBOARD\" \"$@\" --data-dir \"$DATA\"; }}\n\
         {commands}\nwait\n"
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env("SWITCHBOARD", env!("CARGO_BIN_EXE_switchboard")).env("DATA", cloud.data());
    let output = in_time("the commands", command.kill_on_drop(true).output()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[tokio::test]
async fn the_demo_of_the_readme_works_as_printed() {
    let cloud = Cloud::start().await;
    let readme = read("README.md");
    let (_, demo) = readme.split_once("<!-- demo").unwrap();
    let demo = shell(demo.split_once("\n## ").unwrap().0);
    assert_eq!(demo.lines().count(), 4, "{demo}");
    let said = run(&cloud, &demo).await;
    assert!(said.contains("200 OK"), "the webhook: {said}");
    assert_eq!(said.matches("Is my bike ready?").count(), 2, "once on the stream, once in the snapshot: {said}");
}

#[tokio::test]
async fn the_chat_of_the_readme_works_as_printed() {
    let cloud = Cloud::start().await;
    let readme = read("README.md");
    let (_, chat) = readme.split_once("<!-- chat").unwrap();
    let chat = shell(chat.split_once("\n## ").unwrap().0);
    assert_eq!(chat.lines().count(), 3, "{chat}");
    let said = run(&cloud, &chat).await;
    for expected in ["\"type\":\"metadata\"", "\"type\":\"complete\"", "\"title\":\"What is 2+2?\""] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[tokio::test]
async fn the_examples_of_the_api_page_work_as_printed() {
    let cloud = Cloud::start().await;
    let said = run(&cloud, &shell(&read("docs/api.md"))).await;
    for expected in [
        "org:admin",
        "\"ticket\":",
        "\"type\":\"complete\"",
        "\"is_new_interaction\":false",
        "\"stopping\":false",
        "\"title\":\"What is 3+3?\"",
        "\"snippet\":",
        "> And twice that?",
        "Session deleted successfully",
        "\"ledger\":",
        "\"available\":",
        "\"fitness_level\":\"beginner\"",
        "\"total_messages\":",
        "event: initial",
        "conversation_history",
        "websocket_url",
        "next_cursor",
        "\"isUnderHumanControl\":true",
        "\"delivery\":\"sent\"",
        "\"aiAnswersPending\":false",
        "providerConversationId",
        "\"kind\":\"twilio-sms-incoming\"",
        "\"verdict\":\"duplicate\"",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[tokio::test]
async fn the_simulators_and_the_demo_of_the_readme_work_as_printed() {
    let cloud = Cloud::start().await;
    let readme = read("README.md");
    let cells = readme.lines().filter_map(|line| line.strip_prefix("| `cargo run -- simulate "));
    let commands: Vec<&str> = cells.map(|rest| rest.split('`').next().unwrap()).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    assert!(readme.contains("`cargo run -- demo`"));
    let script: String = commands.iter().map(|rest| format!("cargo run -- simulate {rest}\n")).collect();
    let said = run(&cloud, &format!("{script}cargo run -- demo\n")).await;
    assert_eq!(said.matches("200 OK").count(), 4, "{said}");
    assert!(said.contains("conversation_context") && said.contains("All five steps"), "{said}");
}
