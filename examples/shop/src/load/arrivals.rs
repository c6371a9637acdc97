//! Orders that come when they come.
//!
//! Each order has a time at which it is meant to be sent, and its latency counts from then. A shop that is too slow for the
//! rate so shows it: were an order only sent when the one before it is answered, the shop would set its own pace, and the
//! waiting would be nobody's (this is known as coordinated omission).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tidings::{Error, Result};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use uuid::Uuid;

use super::prepare::{QUANTITY_MAX, SKUS, arrivals};
use crate::cli::LoadOptions;
use crate::client::{Client, Refused};
use crate::orders::{Address, Line, Place};

/// Requests on the wire at the same time: sockets are few. What waits for one is late, and counts as late.
const ON_THE_WIRE_MAX: usize = 256;

/// What became of the orders.
#[derive(Default)]
pub(super) struct Arrivals {
    /// From the intended time to the answer, ascending.
    pub(super) latencies: Vec<Duration>,
    /// Refusals by code, and what else went wrong.
    pub(super) refused: BTreeMap<String, u32>,
    /// From the start to the last answer.
    pub(super) took: Duration,
}

type Answer = Result<Duration>;

pub(super) async fn send(client: &Client, options: &LoadOptions, customers: &[Uuid]) -> Result<Arrivals> {
    let orders = arrivals(options);
    let between = Duration::from_secs(1) / options.rate;
    let bar = bar(orders);
    let on_the_wire = Arc::new(Semaphore::new(ON_THE_WIRE_MAX));
    let (answers, answered) = mpsc::unbounded_channel();
    let gathering = tokio::spawn(gather(answered, bar.clone()));
    let begun = Instant::now();
    for (number, customer) in (0..orders).zip(customers.iter().cycle()) {
        let intended = begun + between * number;
        tokio::time::sleep_until(intended).await;
        let order = order(number, *customer);
        let (client, on_the_wire, answers) = (client.clone(), on_the_wire.clone(), answers.clone());
        tokio::spawn(async move {
            let answer = place(&client, &on_the_wire, &order, intended).await;
            // Whoever gathers is there until the last one has answered.
            answers.send(answer).ok();
        });
    }
    drop(answers);
    let mut arrivals = gathering.await?;
    arrivals.took = begun.elapsed();
    bar.finish_and_clear();
    Ok(arrivals)
}

async fn place(client: &Client, on_the_wire: &Semaphore, order: &Place, intended: Instant) -> Answer {
    let _place = on_the_wire.acquire().await?;
    client.send(order, None).await?;
    Ok(intended.elapsed())
}

async fn gather(mut answered: mpsc::UnboundedReceiver<Answer>, bar: ProgressBar) -> Arrivals {
    let mut arrivals = Arrivals::default();
    while let Some(answer) = answered.recv().await {
        bar.inc(1);
        match answer {
            Ok(latency) => arrivals.latencies.push(latency),
            Err(error) => *arrivals.refused.entry(reason(&error)).or_default() += 1,
        }
    }
    arrivals.latencies.sort_unstable();
    arrivals
}

fn reason(error: &Error) -> String {
    error.find::<Refused>().map_or_else(|| error.to_string(), |refused| refused.code().to_owned())
}

/// One to three products.
fn order(number: u32, customer_id: Uuid) -> Place {
    let first = number as usize;
    let skus = SKUS.iter().cycle().skip(first % SKUS.len()).take(1 + first % 3);
    let quantity = 1 + number % QUANTITY_MAX;
    let ship_to = Address {
        name: format!("Customer {number}"),
        street: format!("Lindenstr. {}", 1 + number % 99),
        city: "Berlin".to_owned(),
        country: "DE".to_owned(),
    };
    let lines = skus.map(|sku| Line { sku: (*sku).to_owned(), quantity }).collect();
    Place { customer_id, ship_to, lines }
}

/// It goes to stderr, and only if that is a terminal.
fn bar(orders: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("orders answered {bar:40} {pos}/{len}  {per_sec}  {elapsed}");
    ProgressBar::new(orders.into()).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
