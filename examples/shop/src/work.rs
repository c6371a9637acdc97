//! `shop work`: one more process for a shop that others serve.

use std::time::Duration;

use tidings::{Config, Error, Result, StorePlace};
use tokio::io::{AsyncReadExt, BufReader};

use crate::cli::WorkOptions;
use crate::provider_client::ProviderClient;
use crate::serve::{stop_at_once, told_to_stop};
use crate::{demo, modules};

/// Said on stdout when it works.
pub(crate) const WORKING: &str = "working";

/// Works until it is told to stop.
pub(crate) async fn run(options: WorkOptions) -> Result<()> {
    let mut stdin = BufReader::new(tokio::io::stdin());
    let mut config = if options.demo { demo::config_of_worker(&mut stdin).await? } else { Config::load()? };
    options.store.apply(&mut config);
    if let StorePlace::Sqlite(file) = config.store.place().map_err(Error::failed)? {
        let problem =
            format!("{} is one process's own: give several a PostgreSQL with --store", file.display());
        return Err(Error::failed(problem));
    }
    let timeout = Duration::from_millis(options.provider_timeout_ms);
    let app = modules::start(config, &ProviderClient::new(&options.provider, timeout)?).await?;
    println!("{WORKING}");
    if options.demo {
        // It ends with whoever has started it, however that one ends.
        let mut rest = Vec::new();
        tokio::select! {
            read = stdin.read_to_end(&mut rest) => drop(read?),
            signal = told_to_stop() => signal?,
        }
    } else {
        told_to_stop().await?;
    }
    if let Err(error) = app.shutdown().await {
        stop_at_once(&error);
    }
    // Reading stdin blocks a thread that the async runtime would wait for.
    std::process::exit(0)
}
