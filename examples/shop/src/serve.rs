//! `shop serve`.

use std::time::Duration;

use tidings::{Config, Result, ShutdownError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::cli::ServeOptions;
use crate::{http, modules};

/// How long requests that are running may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until Ctrl-C or SIGTERM, then stops in order.
pub(crate) async fn run(options: ServeOptions) -> Result<()> {
    let mut config = Config::load()?;
    if let Some(file) = &options.file {
        config.store.path.clone_from(file);
    }
    config.start.allow_orphans |= options.allow_orphans;
    let limits = http::Limits::of(&config);
    let app = modules::start(config).await?;
    let listener = TcpListener::bind(options.address()).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = tokio::spawn(http::serve(listener, app.clone(), limits, stopped));
    tokio::select! {
        ended = &mut server => ended??,
        signal = told_to_stop() => {
            signal?;
            drop(stop);
            match tokio::time::timeout(GRACE, server).await {
                Ok(ended) => ended??,
                Err(_) => tracing::warn!(grace_s = GRACE.as_secs(), "requests were still running; they are cut off"),
            }
        }
    }
    if let Err(error) = app.shutdown().await {
        stop_at_once(&error);
    }
    Ok(())
}

/// A handler that does not await cannot be stopped, and the async runtime would wait for it for ever. Nothing that was
/// committed is lost by this; the next start is only a careful one.
fn stop_at_once(error: &ShutdownError) -> ! {
    tracing::error!(error = tidings::chain(error), "the shop does not stop in order; it ends now");
    std::process::exit(1)
}

#[cfg(unix)]
async fn told_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn told_to_stop() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
