//! `shop manifest`.

use std::time::Duration;

use tidings::{Config, Result};

use crate::modules;
use crate::provider_client::ProviderClient;

/// Prints the manifest of the running application: it comes from the code, so it is complete.
pub(crate) async fn print() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.store.path = folder.path().join("manifest.db");
    // Nothing is in the queues of a new database, so nobody is asked.
    let nobody = ProviderClient::new("http://127.0.0.1:1", Duration::from_secs(1))?;
    let app = modules::start(config, &nobody).await?;
    println!("{}", serde_json::to_string_pretty(app.manifest())?);
    Ok(app.shutdown().await?)
}
