//! `shop demo`: orders over HTTP on a fresh database, until they have settled, and then what happened.

mod client;
mod database;
mod flows;
mod invariants;
mod numbers;
mod orders;
mod plan;
mod progress;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidings::{App, Config, Result};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::cli::DemoOptions;
use crate::settle::settle;
use crate::{http, modules};
use client::Client;
use plan::Plan;

/// How long each part took.
struct Took {
    placing: Duration,
    in_all: Duration,
}

/// Runs the demo. The exit code says whether money, goods and orders agree at the end.
pub(crate) async fn run(options: DemoOptions) -> Result<ExitCode> {
    let file = database::fresh(&options)?;
    let config = config(&file)?;
    let limits = http::Limits::of(&config);
    let app = modules::start(config).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = Client::new(listener.local_addr()?);
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(http::serve(listener, app.clone(), limits, stopped));

    let shown = show(&app, &client, &options, &file).await;

    drop(client);
    drop(stop);
    server.await??;
    app.shutdown().await?;
    shown
}

fn config(file: &Path) -> Result<Config> {
    let mut config = Config::from_parts(Some(include_str!("../../demo.toml")), std::env::vars())?;
    file.clone_into(&mut config.store.path);
    Ok(config)
}

async fn show(app: &App, client: &Client, options: &DemoOptions, file: &Path) -> Result<ExitCode> {
    let plan = Plan::of(options.orders);
    let patience = Duration::from_secs(options.settle_seconds);
    let begun = Instant::now();

    for delivery in &plan.first_deliveries {
        client.send(delivery, None).await?;
    }
    let bar = progress::bar(options.orders);
    let mut placed = orders::place(client, &plan.orders[..plan.half], options.concurrency, &bar).await?;
    // The deliveries come when the first half has settled: only then do orders wait for them for certain.
    settle(app, patience).await?;
    for delivery in &plan.second_deliveries {
        client.send(delivery, None).await?;
    }
    placed.extend(orders::place(client, &plan.orders[plan.half..], options.concurrency, &bar).await?);
    bar.finish_and_clear();
    let placing = placed.took;
    settle(app, patience).await?;
    let took = Took { placing, in_all: begun.elapsed() };

    let numbers = numbers::gather(app, client).await?;
    report::print(&numbers, &placed, &took);
    let verdict = invariants::judge(&invariants::check(&numbers, &placed, &plan));
    report::look_next(file)?;
    Ok(verdict)
}
