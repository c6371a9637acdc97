//! `shop demo`: orders over HTTP on a fresh database, until they have settled, and then what happened.

mod audit;
mod database;
mod flows;
mod invariants;
mod jobs;
mod numbers;
mod orders;
mod plan;
mod progress;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidings::{Config, Result};
use tokio::net::TcpListener;

use crate::cli::{DemoOptions, ProviderOptions};
use crate::client::Client;
use crate::http;
use crate::settle::settle;
use crate::shop::{ANY_PORT, Shop};
use plan::Plan;

/// How long the shop waits for its provider: not long, so that there is something to see.
const PROVIDER_TIMEOUT_MS: u64 = 400;

/// How long each part took.
struct Took {
    placing: Duration,
    in_all: Duration,
}

/// Runs the demo. The exit code says whether money, goods, mails and orders agree at the end.
pub(crate) async fn run(options: DemoOptions) -> Result<ExitCode> {
    let file = database::fresh(&options)?;
    let config = config(&file)?;
    let limits = http::Limits::of(&config);
    let provider = ProviderOptions {
        provider: None,
        faults: options.faults.clone(),
        provider_timeout_ms: PROVIDER_TIMEOUT_MS,
    };
    let shop = Shop::open(config, &provider).await?;
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = Client::new(&format!("http://{}", listener.local_addr()?))?;
    let edge = shop.serve(listener, limits);

    let shown = show(&shop, &client, &options, &file).await;

    drop(client);
    edge.stop().await??;
    shop.app.shutdown().await?;
    shown
}

fn config(file: &Path) -> Result<Config> {
    let mut config = Config::from_parts(Some(include_str!("../../demo.toml")), std::env::vars())?;
    file.clone_into(&mut config.store.path);
    Ok(config)
}

async fn show(shop: &Shop, client: &Client, options: &DemoOptions, file: &Path) -> Result<ExitCode> {
    let plan = Plan::of(options.orders);
    let patience = Duration::from_secs(options.settle_seconds);
    let begun = Instant::now();

    for delivery in &plan.first_deliveries {
        client.send(delivery, None).await?;
    }
    for customer in &plan.customers {
        client.send(customer, None).await?;
    }
    let bar = progress::bar(options.orders);
    let mut placed = orders::place(client, &plan.orders[..plan.half], options.concurrency, &bar).await?;
    // The deliveries come when the first half has settled: only then do orders wait for them for certain.
    settle(&shop.app, patience).await?;
    for delivery in &plan.second_deliveries {
        client.send(delivery, None).await?;
    }
    placed.extend(orders::place(client, &plan.orders[plan.half..], options.concurrency, &bar).await?);
    bar.finish_and_clear();
    let placing = placed.took;
    settle(&shop.app, patience).await?;
    let took = Took { placing, in_all: begun.elapsed() };

    let numbers = numbers::gather(shop, client).await?;
    report::print(&numbers, &placed, &took);
    let verdict = invariants::judge(&invariants::check(&numbers, &placed, &plan));
    report::look_next(file)?;
    Ok(verdict)
}
