//! Making the text of an event, with and without looking at whether its contract allows it.

use std::hint::black_box;
use std::time::Instant;

use tidings::{Event, Outbox};

use crate::arguments::Bench;
use crate::measure::{Aim, Figure, interleave};
use crate::orders::contracts::orders::recorded;
use crate::orders::{self, Place, Recorded};

const TIMES: usize = 50_000;

pub(crate) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let folder = bench.fresh()?;
    let app = orders::start(folder.path(), orders::copied_by(0)).await?;
    let outbox = app.outbox("orders")?;
    let times = bench.scaled(TIMES);
    let lean = figure(bench, &outbox, "lean", &Place::new(1).event(), times).await?;
    let larger = figure(bench, &outbox, "larger", &larger(), times).await?;
    app.shutdown().await?;
    Ok(vec![lean, larger])
}

async fn figure<E: Event>(
    bench: &Bench,
    outbox: &Outbox,
    which: &str,
    event: &E,
    times: usize,
) -> tidings::Result<Figure> {
    let bytes = serde_json::to_string(event)?.len();
    let (ours, floor) = interleave(
        bench,
        &format!("validate, {which}"),
        async || nanos(times, || outbox.payload(black_box(event))),
        async || nanos(times, || Ok(serde_json::to_string(black_box(event))?)),
    )
    .await?;
    Ok(Figure {
        name: format!("serialise + validate, {which} ({bytes} bytes)"),
        unit: "ns",
        aim: Aim::AtMost(2.5),
        ours,
        floor,
        note: "ours is `outbox.payload(event)`, all that publishing does to a payload; the floor is `serde_json::to_string`",
    })
}

fn nanos(times: usize, run: impl Fn() -> tidings::Result<String>) -> tidings::Result<f64> {
    let started = Instant::now();
    for _ in 0..times {
        black_box(run()?);
    }
    Ok(started.elapsed().as_secs_f64() * 1e9 / times as f64)
}

fn larger() -> Recorded {
    let order = Place::new(48_700);
    let line = |number: usize| recorded::v1::LinesItem {
        sku: format!("SKU-{number:06}"),
        title: format!("A thing of wood and brass, number {number}"),
        quantity: 3,
        price_cents: 3_246,
    };
    Recorded {
        order_id: order.order_id,
        customer: recorded::v1::Customer {
            customer_id: order.customer_id,
            name: "Ada Lovelace".to_owned(),
            email: "ada@example.com".to_owned(),
            city: "London".to_owned(),
        },
        lines: (1..=5).map(line).collect(),
        total_cents: order.total_cents,
        currency: recorded::v1::Currency::Gbp,
        placed_at: order.placed_at,
    }
}
