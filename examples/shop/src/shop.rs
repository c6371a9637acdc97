//! A shop that is open: the application, and its provider if that runs inside.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tidings::{App, Config, Error, Result, StorePlace};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::ProviderOptions;
use crate::provider::{Bound, Serving};
use crate::provider_client::ProviderClient;
use crate::{http, modules};

/// The loopback interface, and a port that is free.
pub(crate) const ANY_PORT: &str = "127.0.0.1:0";

pub(crate) struct Shop {
    pub(crate) app: App,
    /// The provider, unless it was given by its address. Dropped after the application, whose jobs may be talking to it.
    pub(crate) provider: Option<Serving>,
}

/// The shop's HTTP edge while it is open.
pub(crate) struct Edge {
    stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

impl Shop {
    /// Opens a shop. The provider's ledger is opened last: whoever has the database may have the ledger.
    pub(crate) async fn open(config: Config, options: &ProviderOptions) -> Result<Self> {
        let ledger = match &options.ledger {
            Some(ledger) => ledger.clone(),
            None => ledger_of(&config)?,
        };
        let timeout = Duration::from_millis(options.provider_timeout_ms);
        let Some(url) = &options.provider else {
            let bound = Bound::at(ANY_PORT).await?;
            let app = modules::start(config, &ProviderClient::new(&bound.url(), timeout)?).await?;
            return match bound.serve(&ledger, options.faults.clone()) {
                Ok(provider) => Ok(Self { app, provider: Some(provider) }),
                Err(error) => {
                    app.shutdown().await?;
                    Err(error)
                }
            };
        };
        let app = modules::start(config, &ProviderClient::new(url, timeout)?).await?;
        Ok(Self { app, provider: None })
    }

    /// Serves commands and queries.
    pub(crate) fn serve(&self, listener: TcpListener, limits: http::Limits) -> Edge {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(http::serve(listener, self.app.clone(), limits, stopped));
        Edge { stop, task }
    }
}

impl Edge {
    /// Takes no new requests; those that are running may end.
    pub(crate) fn stop(self) -> JoinHandle<std::io::Result<()>> {
        drop(self.stop);
        self.task
    }
}

/// Where a provider inside keeps its ledger, unless it was told: beside a database file, and in no database.
fn ledger_of(config: &Config) -> Result<PathBuf> {
    match config.store.place().map_err(Error::failed)? {
        StorePlace::Sqlite(file) => Ok(ledger_beside(file)),
        StorePlace::Postgres(_) => Ok(PathBuf::from(format!("shop{LEDGER}"))),
    }
}

pub(crate) fn ledger_beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(LEDGER);
    path.into()
}

/// What is put behind the name of the database.
pub(crate) const LEDGER: &str = "-provider.jsonl";
