//! Turns the workspace's `openapi.yaml` into the JSON that `GET /openapi.json` serves.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let source = "../../openapi.yaml";
    println!("cargo::rerun-if-changed={source}");
    let document: serde_json::Value = yaml_serde::from_str(&fs::read_to_string(source)?)?;
    let target = env::var_os("OUT_DIR").map(PathBuf::from).ok_or("OUT_DIR is not set")?;
    fs::write(target.join("openapi.json"), serde_json::to_string(&document)?)?;
    Ok(())
}
