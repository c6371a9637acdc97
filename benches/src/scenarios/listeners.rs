//! Events that are in the log already, to listeners that each write a row for each.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;
use tidings::Error;
use tokio::task::JoinSet;

use crate::arguments::Bench;
use crate::floor::{self, Message};
use crate::measure::{Aim, Figure, interleave};
use crate::orders::{self, COPIED, Place};

const EVENTS: usize = 20_000;
const CALLERS: usize = 256;
/// Far more than any machine needs; a listener that stands still must not hang the report.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let events = bench.scaled(EVENTS);
    let (log, floor_log) = (filled(bench, events).await?, filled_floor(bench, events)?);
    let mut figures = Vec::new();
    for listeners in [1, 5] {
        let (ours, floor) = interleave(
            bench,
            &format!("{listeners} listeners"),
            async || ours(bench, log.path(), events, listeners).await,
            async || floor(bench, floor_log.path(), events, listeners).await,
        )
        .await?;
        figures.push(Figure {
            name: format!("{events} events to {listeners} listener{}", if listeners == 1 { "" } else { "s" }),
            unit: "handled/s",
            aim: Aim::AtLeast(0.5),
            ours,
            floor,
            note: "each listener decodes and writes a row by `sql(..)`; the floor is a loop on rusqlite: read 256, decode, \
                   insert a row each, move the cursor, commit, the listeners in turn",
        });
    }
    Ok(figures)
}

/// A database whose log holds the events, published in the ordinary way.
async fn filled(bench: &Bench, events: usize) -> tidings::Result<TempDir> {
    let folder = bench.fresh()?;
    let app = orders::start(folder.path(), orders::copied_by(0)).await?;
    let outbox = app.outbox("orders")?;
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let outbox = outbox.clone();
        let share = events / CALLERS + usize::from(caller < events % CALLERS);
        tasks.spawn(async move {
            for _ in 0..share {
                outbox.publish_now(&Place::new(1).event()).await?;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    app.shutdown().await?;
    Ok(folder)
}

fn filled_floor(bench: &Bench, events: usize) -> tidings::Result<TempDir> {
    let folder = bench.fresh()?;
    let connection = floor::connect(folder.path())?;
    floor::make_tables(&connection)?;
    connection.execute_batch("BEGIN")?;
    for _ in 0..events {
        floor::append(&connection, &Message::of(&Place::new(1))?)?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(folder)
}

async fn ours(bench: &Bench, log: &Path, events: usize, listeners: usize) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    std::fs::copy(log.join("ours.db"), folder.path().join("ours.db"))?;
    let before = COPIED.load(Ordering::Relaxed);
    let app = orders::start(folder.path(), orders::copied_by(listeners)).await?;
    // The consumers start as the last thing that building does.
    let started = Instant::now();
    let connection = Connection::open(folder.path().join("ours.db"))?;
    let all = events * listeners;
    loop {
        if started.elapsed() > PATIENCE {
            return Err(Error::failed("the listeners do not get through"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        // What is begun is known without asking the database; whether it is committed, only by asking.
        if COPIED.load(Ordering::Relaxed) - before >= all && copies(&connection)? == all {
            break;
        }
    }
    let took = started.elapsed();
    app.shutdown().await?;
    Ok(all as f64 / took.as_secs_f64())
}

async fn floor(bench: &Bench, log: &Path, events: usize, listeners: usize) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    std::fs::copy(log.join("floor.db"), folder.path().join("floor.db"))?;
    let connection = floor::connect(folder.path())?;
    let draining = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        floor::drain(&connection, listeners)?;
        Ok::<_, Error>((started.elapsed(), copies(&connection)?))
    });
    let (took, copied) = draining.await??;
    if copied != events * listeners {
        return Err(Error::failed(format!("the floor copied {copied}")));
    }
    Ok(copied as f64 / took.as_secs_f64())
}

fn copies(connection: &Connection) -> tidings::Result<usize> {
    let count: i64 = connection.query_row("SELECT count(*) FROM copies", [], |row| row.get(0))?;
    Ok(usize::try_from(count)?)
}
