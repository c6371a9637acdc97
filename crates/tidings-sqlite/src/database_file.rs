//! Which file a path means.
//!
//! The lock that keeps a second runtime away, and SQLite's own write-ahead log, stand beside the database and are found by
//! its name. So a file that is reached by two names would have two of each.

use std::path::{Path, PathBuf};

use tidings_core::store::StoreError;

/// The path of the file itself, through all symbolic links; refuses a file with several names.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    check_folder(path)?;
    let unusable = |source: std::io::Error| cannot_open(path, source.into());
    let Some(name) = path.file_name() else { return Err(cannot_open(path, "it names no file".into())) };
    let file = folder(path).canonicalize().map_err(unusable)?.join(name);
    let is_link = file.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if is_link && !file.exists() {
        return Err(cannot_open(path, "it is a symbolic link to nothing; name the file itself".into()));
    }
    if file.is_dir() {
        return Err(cannot_open(path, "it is a folder; name a file in it".into()));
    }
    let file = if is_link { file.canonicalize().map_err(unusable)? } else { file };
    check_names(&file)?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn check_folder(path: &Path) -> Result<(), StoreError> {
    let folder = folder(path);
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(cannot_open(path, format!("`{}` is not a folder", folder.display()).into())),
        Err(source) => {
            let problem =
                format!("its folder `{}` cannot be used ({source}); create it first", folder.display());
            Err(cannot_open(path, problem.into()))
        }
    }
}

#[cfg(unix)]
fn check_names(file: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;

    match std::fs::metadata(file) {
        Ok(found) if found.is_file() && found.nlink() > 1 => {
            let problem = format!(
                "it has {} names (hard links), and under each SQLite would keep a `-wal` file of its own: two programs \
                 would destroy the database; remove all names but one",
                found.nlink()
            );
            Err(cannot_open(file, problem.into()))
        }
        // A file that is not there is about to be made, and what else is wrong with it is told when it is opened.
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn check_names(_file: &Path) -> Result<(), StoreError> {
    Ok(())
}

fn cannot_open(path: &Path, problem: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Sql { context: format!("cannot open the database `{}`", path.display()), source: problem }
}
