//! `shop serve`.

use std::time::Duration;

use tidings::{Config, Result, ShutdownError};
use tokio::net::TcpListener;

use crate::cli::ServeOptions;
use crate::http;
use crate::shop::Shop;

/// How long requests that are running may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until Ctrl-C or SIGTERM, then stops in order.
pub(crate) async fn run(options: ServeOptions) -> Result<()> {
    let mut config = Config::load()?;
    options.store.apply(&mut config);
    config.start.allow_orphans |= options.allow_orphans;
    let limits = http::Limits::of(&config);
    let shop = Shop::open(config, &options.provider).await?;
    let listener = TcpListener::bind(options.address()).await?;
    println!("listening on http://{}", listener.local_addr()?);
    if let Some(provider) = &shop.provider {
        println!("the provider is at {}; its ledger is {}", provider.url(), provider.ledger().display());
    }
    let mut edge = shop.serve(listener, limits);
    tokio::select! {
        ended = &mut edge.task => ended??,
        signal = told_to_stop() => {
            signal?;
            match tokio::time::timeout(GRACE, edge.stop()).await {
                Ok(ended) => ended??,
                Err(_) => tracing::warn!(grace_s = GRACE.as_secs(), "requests were still running; they are cut off"),
            }
        }
    }
    if let Err(error) = shop.app.shutdown().await {
        stop_at_once(&error);
    }
    Ok(())
}

/// A handler that does not await cannot be stopped, and the async runtime would wait for it for ever. Nothing that was
/// committed is lost by this; the next start is only a careful one.
pub(crate) fn stop_at_once(error: &ShutdownError) -> ! {
    tracing::error!(error = tidings::chain(error), "the shop does not stop in order; it ends now");
    std::process::exit(1)
}

#[cfg(unix)]
pub(crate) async fn told_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
pub(crate) async fn told_to_stop() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
