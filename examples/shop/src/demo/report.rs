//! What happened, for people.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use tidings::FanOut;
use tidings::store::{ConsumerKind, ConsumerStatus, ParkedState};

use super::database::Place;
use super::numbers::Numbers;
use super::orders::Placed;
use super::{Took, jobs, totals};
use crate::percentile::percentile;

pub(super) fn print(numbers: &Numbers, placed: &Placed, took: &Took) {
    summary(placed, took);
    orders(numbers);
    events(numbers);
    commands(numbers);
    listeners(numbers);
    jobs::print(&numbers.jobs);
    numbers.audit.print();
    fan_out(numbers);
    poison(numbers);
    totals::print(numbers);
}

fn summary(placed: &Placed, took: &Took) {
    let mut latencies = placed.latencies.clone();
    latencies.sort_unstable();
    let at = |percent| percentile(&latencies, percent);
    let orders = placed.order_ids.len();
    println!(
        "{orders} orders placed over HTTP in {:.2} s ({:.0} a second; answered in {} p50, {} p99), settled {:.2} s after \
         the start.\n{} of them were sent twice with the same idempotency key, as if an answer had been lost; {} were cancelled \
         before they were paid.\n",
        took.placing.as_secs_f64(),
        orders as f64 / took.placing.as_secs_f64(),
        ms(at(50)),
        ms(at(99)),
        took.in_all.as_secs_f64(),
        placed.sent_twice,
        placed.cancelled_in_time,
    );
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

fn orders(numbers: &Numbers) {
    let rows = numbers.orders.iter().map(|count| {
        [
            count.state.to_string(),
            count.orders.to_string(),
            format!("{:.2}", count.total_cents as f64 / 100.0),
        ]
    });
    show("Orders by state", &["state", "orders", "worth"], rows);
}

fn events(numbers: &Numbers) {
    let rows = numbers.messages.iter().map(|count| [count.name.to_string(), count.count.to_string()]);
    show("Messages in the log", &["event or command", "count"], rows);
}

fn commands(numbers: &Numbers) {
    let rows = numbers
        .commands
        .iter()
        .map(|of| [of.command.to_string(), of.completed.to_string(), of.rejected.to_string()]);
    show("Commands by outcome", &["command", "completed", "rejected"], rows);
}

/// Command handlers are consumers too, of commands sent inside a transaction. Those that nobody sends to are left out.
fn listeners(numbers: &Numbers) {
    let is_idle =
        |of: &ConsumerStatus| of.kind == ConsumerKind::CommandHandler && of.handled == 0 && of.lag == 0;
    let rows = numbers.consumers.iter().filter(|of| !is_idle(of)).map(|of| {
        [
            of.name.to_string(),
            match of.kind {
                ConsumerKind::CommandHandler => "durable commands".to_owned(),
                kind => kind.as_str().to_owned(),
            },
            of.handled.to_string(),
            of.lag.to_string(),
            of.retrying.to_string(),
            of.behind.to_string(),
            of.dead.to_string(),
        ]
    });
    show(
        "Consumers and their work",
        &["consumer", "kind", "handled", "lag", "retrying", "behind", "dead"],
        rows,
    );
}

fn fan_out(numbers: &Numbers) {
    let rows = numbers.flows.iter().map(|(root, flows)| {
        let max = flows.percentile(100);
        [
            root.clone(),
            flows.sizes.len().to_string(),
            flows.percentile(50).to_string(),
            flows.percentile(99).to_string(),
            max.to_string(),
            FanOut::of(max).to_string(),
        ]
    });
    show(
        "Fan-out: messages that one request caused",
        &["begins with", "flows", "p50", "p99", "max", "grade of max"],
        rows,
    );
    if let Some(flow) = &numbers.one_order {
        println!("What one order caused: of those that went all the way, the one with the most attempts\n");
        flow.to_string().lines().for_each(|line| println!("  {line}"));
        println!();
    }
}

fn poison(numbers: &Numbers) {
    for dead in numbers.parked.iter().filter(|row| row.state == ParkedState::Dead) {
        let key = dead.key.as_ref().map_or("no key", |key| key.as_str());
        println!("The poison order ({key})");
        println!("  `{}` failed on {} {} times:", dead.consumer, dead.message.envelope.name, dead.attempts);
        println!("  {}", dead.error.replace('\n', "\n  "));
        let waits =
            numbers.parked.iter().filter(|row| row.state == ParkedState::Behind && row.key == dead.key);
        for behind in waits {
            println!(
                "  Behind it waits {}, until a person retries or discards the dead letter.",
                behind.message.envelope.name
            );
        }
        if let Some(consumer) = numbers.consumers.iter().find(|consumer| consumer.name == dead.consumer) {
            println!("  Meanwhile the same listener handled {} events of other orders.", consumer.handled);
        }
        println!();
    }
}

/// Says what can be tried on the database that the demo leaves behind.
pub(super) fn look_next(place: &Place) {
    let Place { options, .. } = place;
    let run = "cargo run -p shop --";
    println!("Where to look next");
    println!("  The database is kept");
    println!("  {run} dead-letters {options} --discard \"samples are free\"");
    println!(
        "      gives the poison order up; the cancellation behind it goes on, and the mails stay unsent"
    );
    println!("  {run} serve {options}");
    println!("      curl localhost:8080/queries/orders.by-state");
    println!(
        "      curl localhost:8080/commands/inventory.restock -d '{{\"sku\": \"tea-autumn\", \"quantity\": 50}}'"
    );
    println!("      and by-state again: the orders on backorder have moved on");
    println!("  {run} manifest");
    println!("      who publishes, reads and sends what, down to the fields");
    println!("  examples/shop/README.md");
    println!("      the flow, and what else to try");
}

/// Prints a table; every column but the first is a number if all its cells are.
pub(super) fn show<const N: usize>(title: &str, head: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<_> = rows.collect();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(head.to_vec());
    for (index, column) in table.column_iter_mut().enumerate() {
        let is_number = rows.iter().all(|row| row[index].parse::<f64>().is_ok());
        if is_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(rows);
    println!("{title}\n{table}\n");
}
