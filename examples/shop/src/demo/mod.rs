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
mod totals;
mod workers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidings::{Config, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tokio::net::TcpListener;

use crate::cli::{DemoOptions, ProviderOptions};
use crate::client::Client;
use crate::http;
use crate::settle::settle;
use crate::shop::{ANY_PORT, Shop};
use database::Place;
use plan::Plan;
use workers::Workers;

/// How long the shop waits for its provider: not long, so that there is something to see.
const PROVIDER_TIMEOUT_MS: u64 = 400;

/// How long each part took.
struct Took {
    placing: Duration,
    in_all: Duration,
}

/// Runs the demo. The exit code says whether money, goods, mails and orders agree at the end.
pub(crate) async fn run(options: DemoOptions) -> Result<ExitCode> {
    let mut config = config()?;
    let place = database::fresh(&options, &mut config).await?;
    let limits = http::Limits::of(&config);
    let provider = ProviderOptions {
        provider: None,
        faults: options.faults.clone(),
        ledger: Some(place.ledger.clone()),
        provider_timeout_ms: PROVIDER_TIMEOUT_MS,
    };
    let shop = Shop::open(config, &provider).await?;
    let workers = Workers::start(options.processes - 1, &place, &shop).await?;
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = Client::new(&format!("http://{}", listener.local_addr()?))?;
    let edge = shop.serve(listener, limits);

    let shown = show(&shop, &client, &options, &place).await;

    drop(client);
    edge.stop().await??;
    workers.stop().await?;
    shop.app.shutdown().await?;
    shown
}

/// What the demo sets differently, in each of its processes.
pub(crate) fn config() -> Result<Config> {
    Ok(Config::from_parts(Some(include_str!("../../demo.toml")), std::env::vars())?)
}

/// The same for a process beside the demo's own, which says on stdin where the data is.
pub(crate) async fn config_of_worker(stdin: &mut (impl AsyncBufRead + Unpin)) -> Result<Config> {
    let (mut config, mut url, mut schema) = (config()?, String::new(), String::new());
    stdin.read_line(&mut url).await?;
    stdin.read_line(&mut schema).await?;
    config.store.locate(url.trim_end());
    schema.trim_end().clone_into(&mut config.store.schema);
    Ok(config)
}

async fn show(shop: &Shop, client: &Client, options: &DemoOptions, place: &Place) -> Result<ExitCode> {
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
    report::look_next(place);
    Ok(verdict)
}
