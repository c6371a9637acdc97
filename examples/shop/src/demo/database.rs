//! The demo's database file.

use std::path::PathBuf;

use tidings::{Error, Result};

use crate::cli::DemoOptions;
use crate::shop::LEDGER;

/// What SQLite, the store and the provider keep beside the database file.
const COMPANIONS: [&str; 5] = ["", "-wal", "-shm", ".lock", LEDGER];

/// Finds a place for a database that is not there yet. The file is kept when the demo ends: it is there to be looked at.
pub(super) fn fresh(options: &DemoOptions) -> Result<PathBuf> {
    let Some(file) = &options.file else {
        return Ok(tempfile::Builder::new().prefix("shop-").tempdir()?.keep().join("shop.db"));
    };
    for companion in COMPANIONS {
        let mut path = file.clone().into_os_string();
        path.push(companion);
        let path = PathBuf::from(path);
        if !path.try_exists()? {
            continue;
        }
        if !options.force {
            let problem = format!("{} is there already; `--force` replaces it", path.display());
            return Err(Error::failed(problem));
        }
        std::fs::remove_file(path)?;
    }
    Ok(file.clone())
}
