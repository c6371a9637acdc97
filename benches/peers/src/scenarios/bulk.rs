//! Many jobs at once.

use tidings_peers_contract::Result;

use super::Bench;
use crate::figure::{Better, Measured};
use crate::postgres::Database;
use crate::program::Counted;

pub(super) async fn run(bench: &Bench<'_>, figures: &mut Vec<Measured>) -> Result<()> {
    let mut database = bench.server.fresh(bench.ready).await?;
    let counted = fill(bench, &mut database, bench.sizes.jobs).await?;
    database.close().await?;
    figures.push(Measured {
        figure: format!("bulk enqueue of {} jobs", bench.sizes.jobs),
        unit: "jobs/s",
        better: Better::More,
        value: counted.count / counted.seconds,
    });
    Ok(())
}

/// Enqueues so many, and looks whether they are there.
pub(super) async fn fill(bench: &Bench<'_>, database: &mut Database, jobs: u32) -> Result<Counted> {
    let values = [("url", database.url.clone()), ("n", jobs.to_string())];
    let counted: Counted = bench.ready.answer("bulk", &values).await?;
    let unfinished = database.unfinished().await?;
    if unfinished != i64::from(jobs) {
        return Err(format!("{jobs} jobs were enqueued, and there are {unfinished}").into());
    }
    Ok(counted)
}
