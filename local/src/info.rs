//! `info.json`: tells scripts and clients what is running. It exists exactly while the local cloud is ready.

mod running;

use std::path::Path;

use serde_json::{Map, Value};

use crate::cloud::Urls;
use crate::files;
pub(crate) use running::{Error, Organization, Running, User};

/// Name of the file in the data folder.
pub(crate) const FILE: &str = "info.json";

/// Writes what the demo data says of itself, and the addresses.
pub(crate) fn write(data_dir: &Path, demo: &Value, urls: &Urls) -> std::io::Result<()> {
    let mut info: Map<String, Value> = demo.as_object().cloned().unwrap_or_default();
    let Urls { base, public_base, websocket, aws, dynamodb } = urls;
    let addresses = [
        ("base_url", base.clone()),
        ("public_base_url", public_base.clone()),
        ("websocket_url", websocket.clone()),
        ("mail_url", format!("{base}/local/mail")),
        ("aws_endpoint_url", aws.clone()),
        ("dynamodb_url", dynamodb.clone()),
    ];
    info.extend(addresses.map(|(name, value)| (name.to_owned(), value.into())));
    info.insert("pid".to_owned(), std::process::id().into());
    let text = serde_json::to_vec_pretty(&info)?;
    files::write_atomically(&data_dir.join(FILE), &text)
}

/// Removes the file of an earlier run, or at the end.
pub(crate) fn remove(data_dir: &Path) {
    if let Err(error) = std::fs::remove_file(data_dir.join(FILE))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "cannot remove info.json");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_win_over_the_demo_and_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let text = |text: &str| text.to_owned();
        let urls =
            Urls { base: text("b"), public_base: text("p"), websocket: text("w"), aws: text("a"), dynamodb: text("d") };
        write(folder.path(), &serde_json::json!({"users": [1], "base_url": "x"}), &urls).unwrap();
        let path = folder.path().join(FILE);
        let info: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            (&info["users"][0], &info["base_url"], &info["mail_url"]),
            (&1.into(), &"b".into(), &"b/local/mail".into())
        );
        remove(folder.path());
        assert!(!path.exists());
        remove(folder.path());
    }
}
