//! `shop load`: orders at a steady rate, and how the shop bears it.

mod arrivals;
mod numbers;
mod prepare;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidings::store::StoreUrl;
use tidings::{Config, Error, Result};
use tokio::net::TcpListener;

use crate::cli::{LoadOptions, StoreOptions};
use crate::client::Client;
use crate::http;
use crate::notifications::{Mails, MailsCount};
use crate::orders::{ByState, LeadTimesSince, StateCount};
use crate::shop::{ANY_PORT, Shop};
use numbers::{Numbers, Settled};

/// How often to ask whether the orders have settled. It bounds how late that is noticed.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Drives a shop, one of its own or one that is being served. The exit code says whether every order was taken and settled.
pub(crate) async fn run(options: LoadOptions) -> Result<ExitCode> {
    let Some(url) = &options.url else { return inside(&options).await };
    drive(&Client::new(url)?, &options).await
}

async fn inside(options: &LoadOptions) -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::load()?;
    match &options.store {
        Some(_) => {
            StoreOptions { store: options.store.clone(), schema: options.schema.clone() }.apply(&mut config)
        }
        None => {
            config.store.url = StoreUrl::default();
            config.store.path = folder.path().join("shop.db");
        }
    }
    let limits = http::Limits::of(&config);
    let shop = Shop::open(config, &options.provider).await?;
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = Client::new(&format!("http://{}", listener.local_addr()?))?;
    let edge = shop.serve(listener, limits);

    let driven = drive(&client, options).await;

    drop(client);
    edge.stop().await??;
    shop.app.shutdown().await?;
    driven
}

async fn drive(client: &Client, options: &LoadOptions) -> Result<ExitCode> {
    let customers = prepare::prepare(client, options).await?;
    let (begun, since) = (Instant::now(), Timestamp::now());
    let arrivals = arrivals::send(client, options, &customers).await?;
    let sent = begun.elapsed();
    let patience = Duration::from_secs(options.settle_seconds);
    let unsettled = settle(client, patience).await?;
    let settled = begun.elapsed();
    let lead_times = client.ask(&LeadTimesSince { placed_since: since }).await?;
    let mails: Vec<MailsCount> = client.ask(&Mails {}).await?;
    let mails_queued = mails.iter().filter(|of| of.status == "queued").map(|of| of.mails).sum();
    let numbers =
        Numbers::of(options, arrivals, sent, Settled { after: settled, unsettled, mails_queued }, lead_times);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&numbers)?);
    } else {
        numbers.print();
    }
    Ok(if numbers.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits until every order has settled, and returns how many had not when patience ended.
async fn settle(client: &Client, patience: Duration) -> Result<u32> {
    let begun = Instant::now();
    loop {
        let counts: Vec<StateCount> = client.ask(&ByState {}).await?;
        if counts.is_empty() {
            return Err(Error::failed("the shop has no orders at all"));
        }
        let unsettled =
            counts.iter().filter(|count| !count.state.is_settled()).map(|count| count.orders).sum();
        if unsettled == 0 || begun.elapsed() > patience {
            return Ok(unsettled);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
