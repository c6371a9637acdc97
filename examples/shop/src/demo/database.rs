//! A place for the demo's data where nothing is yet.

use std::path::{Path, PathBuf};

use tidings::store::StoreUrl;
use tidings::{Config, Error, Result, StorePlace};

use crate::cli::{DemoOptions, StoreOptions};
use crate::place::{Postgres, named};
use crate::shop::{LEDGER, ledger_beside};

/// What SQLite, the store and the provider keep beside the database file.
const COMPANIONS: [&str; 5] = ["", "-wal", "-shm", ".lock", LEDGER];
/// The schema of a PostgreSQL database, unless another is asked for.
const SCHEMA: &str = "shop_demo";

/// A place, and how to find it again.
pub(super) struct Place {
    pub(super) ledger: PathBuf,
    /// For a command line.
    pub(super) options: String,
    /// For another process of this demo: the URL, and the schema. Not for a command line, which everybody on the machine can
    /// read.
    pub(super) url: StoreUrl,
    pub(super) schema: String,
}

/// Has the configuration name a place that is empty. What the demo leaves there is kept when it ends: it is there to be looked
/// at.
pub(super) async fn fresh(options: &DemoOptions, config: &mut Config) -> Result<Place> {
    match &options.store {
        Some(store) => {
            StoreOptions { store: Some(store.clone()), schema: options.schema.clone() }.apply(config);
        }
        None => config.store.locate(&new_folder()?.join("shop.db").display().to_string()),
    }
    if matches!(config.store.place(), Ok(StorePlace::Postgres(_))) && options.schema.is_none() {
        SCHEMA.clone_into(&mut config.store.schema);
    }
    let place = match config.store.place().map_err(Error::failed)? {
        StorePlace::Sqlite(_) if options.processes > 1 => {
            return Err(Error::failed(
                "one process has a SQLite file; for several name a PostgreSQL with --store",
            ));
        }
        StorePlace::Sqlite(file) => {
            make_room_for(file, options.force)?;
            let file = std::path::absolute(file)?;
            Place {
                ledger: ledger_beside(&file),
                options: format!("--store {}", file.display()),
                url: StoreUrl::default(),
                schema: String::new(),
            }
        }
        StorePlace::Postgres(url) => {
            let schema = &config.store.schema;
            let mut database = Postgres::connect(url).await?;
            if database.has_schema(schema).await? {
                let is_shop = database.has_shop(schema).await?;
                refuse_schema(&named(url, schema), is_shop, options.force)?;
                database.drop_schema(schema).await?;
            }
            let ledger = new_folder()?.join(format!("shop{LEDGER}"));
            Place {
                options: format!("--store {url} --schema {schema} --ledger {}", ledger.display()),
                ledger,
                url: url.clone(),
                schema: schema.clone(),
            }
        }
    };
    Ok(place)
}

fn new_folder() -> Result<PathBuf> {
    Ok(tempfile::Builder::new().prefix("shop-").tempdir()?.keep())
}

fn make_room_for(file: &Path, force: bool) -> Result<()> {
    for companion in COMPANIONS {
        let mut path = file.to_owned().into_os_string();
        path.push(companion);
        let path = PathBuf::from(path);
        if !path.try_exists()? {
            continue;
        }
        if !force {
            let problem = format!("{} is there already; `--force` replaces it", path.display());
            return Err(Error::failed(problem));
        }
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// A schema that is there already is only replaced when that was asked for, and when it is a shop's.
fn refuse_schema(named: &str, is_shop: bool, force: bool) -> Result<()> {
    match (is_shop, force) {
        (true, true) => Ok(()),
        (true, false) => Err(Error::failed(format!(
            "{named} is there already; `--force` replaces it, `--schema` takes another"
        ))),
        (false, _) => Err(Error::failed(format!(
            "{named} is there already, and not of a shop: `--schema` takes another"
        ))),
    }
}
