//! Bytes of write-ahead log, each part from a checkpoint on: so whatever page is touched first is written whole, for
//! everybody.

use tidings_peers_contract::Result;

use super::{Bench, bulk, drain};
use crate::figure::{Better, Measured};
use crate::program::Counted;

pub(super) async fn run(bench: &Bench<'_>, figures: &mut Vec<Measured>) -> Result<()> {
    let mut push = |figure: &str, bytes: f64| {
        figures.push(Measured {
            figure: figure.to_owned(),
            unit: "bytes",
            better: Better::Less,
            value: bytes,
        });
    };
    if bench.ready.can("enqueue") {
        push("write-ahead log of one order and job", of_transactions(bench).await?);
    }
    let (enqueued, drained) = of_many(bench).await?;
    push("write-ahead log of one job enqueued in bulk", enqueued);
    push("write-ahead log of one job worked off", drained);
    Ok(())
}

async fn of_transactions(bench: &Bench<'_>) -> Result<f64> {
    let database = bench.server.fresh(bench.ready).await?;
    let values = [
        ("url", database.url.clone()),
        ("callers", "8".to_owned()),
        ("n", bench.sizes.counted_transactions.to_string()),
    ];
    let before = bench.server.wal_bytes().await?;
    let counted: Counted = bench.ready.answer("enqueue", &values).await?;
    let bytes = bench.server.wal_bytes().await? - before;
    database.close().await?;
    Ok(bytes / counted.count)
}

async fn of_many(bench: &Bench<'_>) -> Result<(f64, f64)> {
    let jobs = bench.sizes.jobs.min(bench.ready.program.at_most);
    let mut database = bench.server.fresh(bench.ready).await?;
    let before = bench.server.wal_bytes().await?;
    bulk::fill(bench, &mut database, jobs).await?;
    let enqueued = bench.server.wal_bytes().await? - before;
    database.analyze().await?;
    let workers = drain::workers(bench, &database, 1).await?;
    bench.server.checkpoint().await?;
    let before = bench.server.wal_bytes().await?;
    drain::work_off(bench, &mut database, workers, jobs).await?;
    let drained = bench.server.wal_bytes().await? - before;
    database.close().await?;
    Ok((enqueued / f64::from(jobs), drained / f64::from(jobs)))
}
