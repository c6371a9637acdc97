//! One runtime per database file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tidings_core::store::StoreError;

/// Held for as long as the store is open. The operating system lets go of it when the process ends, however it ends.
pub(crate) struct LockFile {
    _file: File,
}

impl LockFile {
    /// Locks `<database>.lock` and writes into it who holds it.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = lock_path(database);
        let mut file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Held { path: database.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(&path, source)),
        }
        let mut sign = || -> std::io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "process {}, since {:.0}", std::process::id(), Timestamp::now())
        };
        sign().map_err(|source| unusable(&path, source))?;
        Ok(Self { _file: file })
    }

    /// Whether the holder named in an error is this very process.
    pub(crate) fn is_ours(holder: &str) -> bool {
        holder.starts_with(&format!("process {},", std::process::id()))
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(|source| {
        match source.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::ReadOnly {
                    what: format!(
                        "the folder of the lock file `{}`, which is kept beside the database,",
                        path.display()
                    ),
                    remedy: crate::error::READ_ONLY_REMEDY,
                    source: Some(source.into()),
                }
            }
            _ => unusable(path, source),
        }
    })
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => text,
        _ => "which has not said who it is".to_owned(),
    }
}

fn unusable(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Sql { context: format!("cannot lock `{}`", path.display()), source: source.into() }
}
