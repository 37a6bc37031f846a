//! The data folder: one local cloud at a time, and a wipe that cannot hit the wrong folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Marks a folder as ours, and is locked while a local cloud runs on it.
const LOCK: &str = "switchboard.lock";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The system says no.
    #[error("the data folder {} cannot be used", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another local cloud runs on it.
    #[error("another Switchboard is using the data folder {}: stop it or choose --data-dir DIR and --port N", .0.display())]
    InUse(PathBuf),
    /// `--fresh` would delete something else.
    #[error("--fresh does not wipe {}, because it holds files but no data of Switchboard: choose another --data-dir", .0.display())]
    Foreign(PathBuf),
}

/// The data folder, locked until this is dropped or the process dies.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes, locks and, if asked, empties the folder.
    pub(crate) fn open(path: &Path, fresh: Fresh) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        create_private(path).map_err(io)?;
        // Functions start with the root folder as theirs on AWS, and links in logs should work from anywhere.
        let path = path.canonicalize().map_err(io)?;
        let marker = path.join(LOCK);
        let foreign = !marker.exists() && std::fs::read_dir(&path).map_err(io)?.next().is_some();
        if fresh == Fresh::Yes && foreign {
            return Err(Error::Foreign(path));
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&marker).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(path)),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        if fresh == Fresh::Yes {
            wipe(&path).map_err(io)?;
        }
        std::fs::create_dir_all(path.join("logs")).map_err(io)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether to start without the data of earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fresh {
    Yes,
    No,
}

/// Makes the folder for this user only: it holds secrets, mails and phone numbers, if only of a demo.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn wipe(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_is_refused_until_the_first_ends() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path(), Fresh::No).unwrap();
        let error = DataDir::open(folder.path(), Fresh::Yes).unwrap_err();
        assert!(error.to_string().contains("--data-dir"), "{error}");
        drop(first);
        DataDir::open(folder.path(), Fresh::No).unwrap();
    }

    #[test]
    fn fresh_wipes_our_folders_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.txt"), "x").unwrap();
        let error = DataDir::open(folder.path(), Fresh::Yes).unwrap_err();
        assert!(matches!(error, Error::Foreign(_)));
        drop(DataDir::open(folder.path(), Fresh::No).unwrap());
        std::fs::create_dir_all(folder.path().join("streams/x")).unwrap();
        drop(DataDir::open(folder.path(), Fresh::Yes).unwrap());
        assert!(!folder.path().join("thesis.txt").exists());
        assert!(!folder.path().join("streams").exists());
    }
}
