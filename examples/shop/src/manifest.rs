//! `shop manifest`.

use tidings::{Config, Result};

use crate::modules;

/// Prints the manifest of the running application: it comes from the code, so it is complete.
pub(crate) async fn print() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.store.path = folder.path().join("manifest.db");
    let app = modules::start(config).await?;
    println!("{}", serde_json::to_string_pretty(app.manifest())?);
    Ok(app.shutdown().await?)
}
