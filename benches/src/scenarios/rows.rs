//! 256 callers that each write a row through the driver users see, and publish.

use tidings::App;

use crate::arguments::Bench;
use crate::floor::{Message, SqlxCaller, SqlxWriter, Writer, WriterCaller};
use crate::load::{AsyncCall, calls_per_second};
use crate::measure::{Aim, Figure, interleave};
use crate::orders::{self, Place, PlaceTyped};

const CALLERS: usize = 256;

pub(crate) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let (portable, rusqlite) =
        interleave(bench, "rows", async || portable(bench).await, async || rusqlite(bench).await).await?;
    let (typed, sqlx) =
        interleave(bench, "rows, sqlx", async || typed(bench).await, async || by_sqlx(bench).await).await?;
    let portable = Figure {
        name: format!("{CALLERS} callers, row + event"),
        unit: "commands/s",
        aim: Aim::None,
        ours: portable,
        floor: rusqlite,
        note: "ours is `app.send(command)` with a portable handler (`sql(..)`, rusqlite beneath), which also stores the \
               command's outcome; the floor is a thread with rusqlite, a savepoint for each caller",
    };
    let typed = Figure {
        name: "  the same through sqlx".to_owned(),
        unit: "commands/s",
        aim: Aim::None,
        ours: typed,
        floor: sqlx,
        note: "ours is a handler of `Ctx<sqlx::Sqlite>`; the floor is a task with one connection of sqlx, a savepoint for \
               each caller",
    };
    Ok(vec![portable, typed])
}

struct Portable(App);

impl AsyncCall for Portable {
    async fn call(&mut self) -> tidings::Result<()> {
        Ok(self.0.send(Place::new(1)).await?)
    }
}

async fn portable(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let app = orders::start(folder.path(), orders::copied_by(0)).await?;
    let rate = calls_per_second(CALLERS, bench.round(), || Portable(app.clone())).await?;
    app.shutdown().await?;
    Ok(rate)
}

struct Typed(App);

impl AsyncCall for Typed {
    async fn call(&mut self) -> tidings::Result<()> {
        Ok(self.0.send(PlaceTyped(Place::new(1))).await?)
    }
}

async fn typed(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let app = orders::start(folder.path(), orders::copied_by(0)).await?;
    let rate = calls_per_second(CALLERS, bench.round(), || Typed(app.clone())).await?;
    app.shutdown().await?;
    Ok(rate)
}

struct ByRusqlite(WriterCaller);

impl AsyncCall for ByRusqlite {
    async fn call(&mut self) -> tidings::Result<()> {
        let order = Place::new(1);
        let message = Message::of(&order)?;
        self.0.write(Some(order), message).await.map(drop)
    }
}

async fn rusqlite(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let writer = Writer::start(folder.path(), || ())?;
    let rate = calls_per_second(CALLERS, bench.round(), || ByRusqlite(writer.caller())).await?;
    writer.stop()?;
    Ok(rate)
}

struct BySqlx(SqlxCaller);

impl AsyncCall for BySqlx {
    async fn call(&mut self) -> tidings::Result<()> {
        let order = Place::new(1);
        let message = Message::of(&order)?;
        self.0.write(order, message).await
    }
}

async fn by_sqlx(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let writer = SqlxWriter::start(folder.path()).await?;
    let rate = calls_per_second(CALLERS, bench.round(), || BySqlx(writer.caller())).await?;
    writer.stop().await?;
    Ok(rate)
}
