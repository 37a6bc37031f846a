//! How far a mapping has come, in a file: a restart goes on from there.

use std::path::{Path, PathBuf};

use crate::files;

/// The read position of one mapping.
#[derive(Debug)]
pub(super) struct Position {
    path: PathBuf,
}

impl Position {
    pub(super) fn open(data_dir: &Path, function: &str, table: &str) -> std::io::Result<Self> {
        let folder = data_dir.join("streams");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { path: folder.join(format!("{function}-{table}.position")) })
    }

    /// The sequence number of the last record that is done. Without one everything is delivered again, which is
    /// allowed.
    pub(super) fn read(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let valid = text.len() >= 21 && text.bytes().all(|byte| byte.is_ascii_digit());
        valid.then_some(text)
    }

    /// Not synced to the disk: it must survive the process, not the machine, and an old position loses nothing.
    pub(super) fn write(&self, sequence: &str) {
        if let Err(error) = files::write_atomically(&self.path, sequence.as_bytes()) {
            tracing::warn!(%error, "cannot keep the position in a stream; a restart will deliver again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_and_nonsense_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Position::open(folder.path(), "fanout", "CoreTable").unwrap();
        assert_eq!(open().read(), None);
        open().write("100000000000000000007");
        assert_eq!(open().read().as_deref(), Some("100000000000000000007"));
        open().write("nonsense");
        assert_eq!(open().read(), None);
    }
}
