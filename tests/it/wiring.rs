//! What is written in several places says the same in all of them: functions, routes, layers, and ([`documents`]) what
//! the documentation claims.

mod documents;

use crate::support::cloud::Cloud;
use local::template::Template;
use reqwest::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The shared crates, lowest layer first; crates of one layer do not use each other.
const LAYERS: [&[&str]; 6] =
    [&["domain"], &["store", "identity"], &["providers"], &["conversations"], &["web"], &["runtime"]];

/// All that the lowest layer needs: nothing that reads, writes, waits or tells the time.
const DOMAIN_USES: [&str; 6] = ["jiff", "rlibphonenumber", "serde", "serde_json", "thiserror", "uuid"];

type Names = BTreeSet<String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn template() -> Template {
    Template::load(&root().join("template.yaml"), &BTreeMap::new()).unwrap()
}

fn folders(path: &str) -> Names {
    let entries = std::fs::read_dir(root().join(path)).unwrap().map(|entry| entry.unwrap());
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Names of a manifest's dependencies, of all kinds or of those that ship.
fn dependencies(manifest: &str, sections: &[&str]) -> Names {
    let mut wanted = false;
    let mut names = Names::new();
    for line in read(manifest).lines() {
        if let Some(section) = line.strip_prefix('[') {
            wanted = sections.contains(&section.trim_end_matches(']'));
        } else if let (true, Some((name, _))) = (wanted, line.split_once(['.', ' ', '='])) {
            names.insert(name.to_owned());
        }
    }
    names
}

const SHIPPED: &[&str] = &["dependencies", "build-dependencies"];
const ALL: &[&str] = &["dependencies", "build-dependencies", "dev-dependencies"];

#[test]
fn functions_are_the_same_everywhere() {
    let functions: Names = template().functions.iter().map(|function| function.binary.clone()).collect();
    assert_eq!(folders("functions"), functions, "folders under functions/");
    assert_eq!(folders("events"), functions, "folders under events/");
    let modules = read("tests/it/main.rs");
    for name in &functions {
        let manifest = read(&format!("functions/{name}/Cargo.toml"));
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "the crate in functions/{name} has its name");
        let crate_name = name.replace('-', "_");
        assert!(read(&format!("functions/{name}/src/main.rs")).contains(&format!("{crate_name}::main()")));
        assert!(modules.contains(&format!("mod {crate_name};\n")), "tests/it/{crate_name}.rs is a module");
        assert!(runs(name), "the local cloud has {name}");
    }
    assert!(!runs("nothing"));
}

/// Whether our program knows a function. Without the environment of Lambda it cannot do more than that.
fn runs(function: &str) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    let output = command.env("SWITCHBOARD_FUNCTION", function).stdin(Stdio::null()).output().unwrap();
    !String::from_utf8_lossy(&output.stderr).contains("has no function")
}

/// `GET /a`, `POST /b` of the first column of a crate's route table; methods that stand alone belong to the next path.
fn documented(source: &str) -> Names {
    let mut routes = Names::new();
    for row in source.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut methods = Vec::new();
        for text in row.split(" | ").next().unwrap().split('`').skip(1).step_by(2) {
            let (method, path) = text.split_once(' ').unwrap_or((text, ""));
            methods.push(method);
            if !path.is_empty() {
                routes.extend(methods.drain(..).map(|method| format!("{method} {path}")));
            }
        }
        // A WebSocket route is a name.
        routes.extend(methods.into_iter().filter(|name| name.starts_with('$')).map(str::to_owned));
    }
    routes
}

#[test]
fn routes_of_functions_are_those_of_the_template() {
    let template = template();
    let websocket = template.websocket.as_ref().unwrap();
    for function in &template.functions {
        let name = &function.binary;
        let source = read(&format!("functions/{name}/src/lib.rs"));
        let rest = template.routes.iter().filter(|route| route.function == *name);
        let paths: Names = rest.clone().map(|route| route.path.clone()).collect();
        let routed: Names =
            source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
        assert_eq!(routed, paths, "router of {name}");
        let rest = rest.map(|route| format!("{} {}", route.method, route.path));
        let keys = websocket.routes.iter().filter(|(_, function)| *function == name).map(|(key, _)| key.clone());
        assert_eq!(documented(&source), rest.chain(keys).collect(), "table in the documentation of {name}");
    }
}

#[tokio::test]
async fn routes_are_the_same_everywhere() {
    let cloud = Cloud::start().await;
    let document: Value = cloud.anonymous(Method::GET, "/openapi.json").send().await.unwrap().json().await.unwrap();
    let wanted: Names = template().routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let operation = |path: &str, operations: &Value| -> Vec<String> {
        let methods = operations.as_object().unwrap().keys().filter(|key| *key != "parameters");
        methods.map(|method| format!("{} {path}", method.to_uppercase())).collect()
    };
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.iter().flat_map(|(path, it)| operation(path, it)).collect::<Names>(), wanted);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let codes: Vec<&str> =
        document["components"]["schemas"]["Code"]["enum"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    assert_eq!(codes, web::Code::ALL.map(web::Code::as_str), "codes in openapi.yaml");
}

#[test]
fn layers_point_one_way() {
    assert_eq!(folders("shared"), LAYERS.concat().iter().map(|&name| name.to_owned()).collect());
    let layer = |name: &str| LAYERS.iter().position(|names| names.contains(&name));
    for (own, names) in LAYERS.iter().enumerate() {
        for name in *names {
            for used in dependencies(&format!("shared/{name}/Cargo.toml"), ALL) {
                assert!(layer(&used).is_none_or(|layer| layer < own), "{name} uses {used}, of its own layer or above");
                assert!(used != "local" && !folders("functions").contains(&used), "{name} uses {used}");
            }
        }
    }
    for name in folders("functions") {
        let used = dependencies(&format!("functions/{name}/Cargo.toml"), ALL);
        let others: Names =
            used.into_iter().filter(|used| used == "local" || folders("functions").contains(used)).collect();
        assert!(others.is_empty(), "{name} uses {others:?}");
    }
}

#[test]
fn domain_does_no_io() {
    let used = dependencies("shared/domain/Cargo.toml", SHIPPED);
    assert_eq!(used, DOMAIN_USES.map(str::to_owned).into_iter().collect());
    let mut source = String::new();
    documents::sources(&root().join("shared/domain/src"), &mut source);
    for banned in ["async fn", "std::fs", "std::net", "std::env", "SystemTime", "Timestamp::now", "Zoned::now"] {
        assert!(!source.contains(banned), "domain has {banned}");
    }
    assert!(source.contains("pub struct Timestamp") && source.contains("pub fn prompt"), "all of its folders");
}

#[test]
fn only_the_local_cloud_knows_the_embedded_database() {
    let crates = ["shared", "functions"]
        .into_iter()
        .flat_map(|folder| folders(folder).into_iter().map(move |name| format!("{folder}/{name}/Cargo.toml")));
    for manifest in crates {
        let used = dependencies(&manifest, ALL);
        assert!(!used.iter().any(|name| name.starts_with("dynoxide")), "{manifest}");
    }
}

/// `cargo run` asks which program is meant when several of its packages name one.
#[test]
fn plain_cargo_run_starts_the_local_cloud() {
    assert!(read("Cargo.toml").contains("\ndefault-members = [\"local\", \"functions/*\"]\n"));
    assert!(read("local/Cargo.toml").contains("\ndefault-run = "));
    for name in folders("functions") {
        assert!(!read(&format!("functions/{name}/Cargo.toml")).contains("default-run"), "{name}");
    }
}

/// The local cloud reads `.env`, and what stands there wins over its own addresses.
#[test]
fn a_copy_of_the_example_environment_changes_nothing() {
    let set: Vec<String> = read(".env.example")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    assert!(set.is_empty(), "not commented out: {set:?}");
}

/// A function that is told of the secret reads it when it starts, and on AWS cannot start without the right to.
#[test]
fn functions_that_may_read_the_secret_are_those_that_are_told_of_it() {
    let text = read("template.yaml");
    for function in template().functions {
        let (_, rest) = text.split_once(&format!("\n  {}:\n", function.logical_id)).unwrap();
        let own: String = rest.lines().take_while(|line| line.is_empty() || line.starts_with("    ")).collect();
        let may = own.contains("'secretsmanager:GetSecretValue'");
        let told = function.environment.get("SECRETS_ID").is_some_and(|id| !id.is_empty());
        assert_eq!(told, may, "{}", function.binary);
    }
}
