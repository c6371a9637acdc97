//! Jobs that do nothing, worked off.

use std::time::{Duration, Instant};

use tidings_peers_contract::Result;

use super::{Bench, bulk};
use crate::figure::{Better, Measured};
use crate::postgres::Database;
use crate::program::{Worker, Working};
use crate::roster::Side;

const PROCESSES: [u32; 3] = [1, 2, 4];
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// For what is done after the last job has started: writing down that it is done.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn run(bench: &Bench<'_>, figures: &mut Vec<Measured>) -> Result<()> {
    let jobs = bench.sizes.jobs.min(bench.ready.program.at_most);
    for processes in PROCESSES {
        if processes > 1 && bench.ready.program.side == Side::InServer {
            break;
        }
        let mut database = bench.server.fresh(bench.ready).await?;
        bulk::fill(bench, &mut database, jobs).await?;
        database.analyze().await?;
        let workers = workers(bench, &database, processes).await?;
        let took = work_off(bench, &mut database, workers, jobs).await?;
        database.close().await?;
        figures.push(Measured {
            figure: format!(
                "drain of {} jobs, {processes} process{}",
                bench.sizes.jobs,
                if processes == 1 { "" } else { "es" }
            ),
            unit: "jobs/s",
            better: Better::More,
            value: f64::from(jobs) / took.as_secs_f64(),
        });
    }
    Ok(())
}

/// Workers that are connected and wait for the word: how long a language takes to start is not what is measured.
pub(super) async fn workers(bench: &Bench<'_>, database: &Database, processes: u32) -> Result<Vec<Worker>> {
    let values = [("url", database.url.clone()), ("processes", processes.to_string())];
    let mut workers = Vec::new();
    for _ in 0..processes {
        workers.push(bench.ready.worker(&values).await?);
    }
    Ok(workers)
}

/// From the word to the moment in which the database knows no unfinished job.
pub(super) async fn work_off(
    bench: &Bench<'_>,
    database: &mut Database,
    workers: Vec<Worker>,
    jobs: u32,
) -> Result<Duration> {
    let started = Instant::now();
    let mut working = Working::go(workers).await?;
    working.until_handled(u64::from(jobs)).await?;
    let handled = Instant::now();
    let mut unfinished = database.unfinished().await?;
    while unfinished > 0 {
        if handled.elapsed() > PATIENCE {
            return Err(
                format!("{unfinished} jobs of {} are never finished", bench.ready.program.name).into()
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
        unfinished = database.unfinished().await?;
    }
    let took = started.elapsed();
    working.stop().await?;
    Ok(took)
}
