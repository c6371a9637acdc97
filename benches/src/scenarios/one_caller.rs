//! One caller, who writes a row and publishes an event, and waits until both are durable.

use tidings::{App, Outbox};

use crate::arguments::Bench;
use crate::floor::{self, Message, Writer, WriterCaller};
use crate::load::{AsyncCall, calls_per_second};
use crate::measure::{Aim, Figure, interleave};
use crate::orders::{self, INSERT_ORDER, Place};

pub(crate) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let (ours, floor) =
        interleave(bench, "one caller", async || command(bench).await, async || thread(bench).await).await?;
    let (lent, direct) =
        interleave(bench, "one caller, other ways", async || lent(bench).await, async || direct(bench).await)
            .await?;
    let command = Figure {
        name: "one caller, row + event".to_owned(),
        unit: "µs",
        aim: Aim::AtMost(1.15),
        ours,
        floor: floor.clone(),
        note: "ours is `app.send(command)` with a portable handler, which also stores the command's outcome; the floor \
               hands row and event to a thread with rusqlite and waits for its answer",
    };
    let unhanded = Figure {
        name: "  the same, floor without a hop".to_owned(),
        unit: "µs",
        aim: Aim::None,
        ours: command.ours.clone(),
        floor: direct,
        note: "the floor calls rusqlite from the very thread that wants the row, which async code cannot",
    };
    let lent = Figure {
        name: "  the same, `outbox.begin()`".to_owned(),
        unit: "µs",
        aim: Aim::None,
        ours: lent,
        floor,
        note: "ours is a transaction of sqlx in the caller's hands; the floor is rusqlite's thread",
    };
    Ok(vec![command, unhanded, lent])
}

fn micros(per_second: f64) -> f64 {
    1e6 / per_second
}

struct Send(App);

impl AsyncCall for Send {
    async fn call(&mut self) -> tidings::Result<()> {
        Ok(self.0.send(Place::new(1)).await?)
    }
}

async fn command(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let app = orders::start(folder.path(), orders::copied_by(0)).await?;
    let rate = calls_per_second(1, bench.round(), || Send(app.clone())).await?;
    app.shutdown().await?;
    Ok(micros(rate))
}

struct Hand(WriterCaller);

impl AsyncCall for Hand {
    async fn call(&mut self) -> tidings::Result<()> {
        let order = Place::new(1);
        let message = Message::of(&order)?;
        self.0.write(Some(order), message).await.map(drop)
    }
}

async fn thread(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let writer = Writer::start(folder.path(), || ())?;
    let rate = calls_per_second(1, bench.round(), || Hand(writer.caller())).await?;
    writer.stop()?;
    Ok(micros(rate))
}

struct Begin(Outbox);

impl AsyncCall for Begin {
    async fn call(&mut self) -> tidings::Result<()> {
        let order = Place::new(1);
        let mut tx = self.0.begin::<sqlx::Sqlite>().await?;
        sqlx::query(INSERT_ORDER)
            .bind(order.order_id.to_string())
            .bind(order.customer_id.to_string())
            .bind(order.total_cents)
            .bind(order.placed_at.to_string())
            .execute(&mut *tx.connection().await?)
            .await?;
        tx.publish(&order.event()).await?;
        tx.commit().await
    }
}

async fn lent(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let app = orders::start(folder.path(), orders::copied_by(0)).await?;
    let outbox = app.outbox("orders")?;
    let rate = calls_per_second(1, bench.round(), || Begin(outbox.clone())).await?;
    app.shutdown().await?;
    Ok(micros(rate))
}

struct Direct(rusqlite::Connection);

impl AsyncCall for Direct {
    async fn call(&mut self) -> tidings::Result<()> {
        let order = Place::new(1);
        let message = Message::of(&order)?;
        Ok(floor::write_directly(&self.0, &order, &message)?)
    }
}

async fn direct(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    floor::make_tables(&floor::connect(folder.path())?)?;
    let connection = std::cell::Cell::new(Some(floor::connect(folder.path())?));
    let caller = || Direct(connection.take().expect("there is one caller"));
    Ok(micros(calls_per_second(1, bench.round(), caller).await?))
}
