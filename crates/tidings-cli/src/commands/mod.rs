//! One file per noun.

pub(crate) mod db;
pub(crate) mod flow;
pub(crate) mod generate;
pub(crate) mod schema;

use anyhow::ensure;
use tidings_contracts::{Loaded, Registry};

use crate::arguments::Schemas;

/// Reads a registry; a folder that is not there is a slip in the command, not a finding.
fn load(schemas: &Schemas) -> anyhow::Result<Loaded> {
    let folder = &schemas.folder;
    ensure!(
        folder.is_dir(),
        "{} is not a folder; name the folder of the contracts with --schemas",
        folder.display()
    );
    Ok(Registry::read(folder))
}
