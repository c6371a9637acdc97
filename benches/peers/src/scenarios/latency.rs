//! From sending the COMMIT to the job's first line, at an even pace.

use std::collections::HashMap;
use std::time::Duration;

use tidings_peers_contract::Result;

use super::Bench;
use crate::figure::{Better, Measured, percentile};
use crate::program::{Timed, Times, Working};

const PER_SECOND: u32 = 100;
/// A worker listens before the first job comes, as it does in life.
const SETTLE: Duration = Duration::from_millis(500);

pub(super) async fn run(bench: &Bench<'_>, figures: &mut Vec<Measured>) -> Result<()> {
    let timed = within_one_process(bench).await?;
    push(figures, "within a process", &timed)?;
    if bench.ready.can("produce") {
        let timed = between_processes(bench).await?;
        push(figures, "between two processes", &timed)?;
    }
    Ok(())
}

async fn within_one_process(bench: &Bench<'_>) -> Result<Timed> {
    let database = bench.server.fresh(bench.ready).await?;
    let timed = bench.ready.answer("latency", &pace(bench, &database.url)).await?;
    database.close().await?;
    Ok(timed)
}

async fn between_processes(bench: &Bench<'_>) -> Result<Timed> {
    let database = bench.server.fresh(bench.ready).await?;
    let values = [("url", database.url.clone()), ("starts", "true".to_owned())];
    let worker = bench.ready.worker(&values).await?;
    let mut working = Working::go(vec![worker]).await?;
    tokio::time::sleep(SETTLE).await;
    let produced: Timed = bench.ready.answer("produce", &pace(bench, &database.url)).await?;
    working.until_handled(u64::from(bench.sizes.timed_jobs)).await?;
    let starts = working.stop().await?;
    database.close().await?;
    Ok(Timed { sent: produced.sent, starts })
}

fn pace(bench: &Bench<'_>, url: &str) -> [(&'static str, String); 3] {
    [("url", url.to_owned()), ("n", bench.sizes.timed_jobs.to_string()), ("rate", PER_SECOND.to_string())]
}

fn push(figures: &mut Vec<Measured>, between: &str, timed: &Timed) -> Result<()> {
    let mut waits = waits(&timed.sent, &timed.starts)?;
    for percent in [50.0, 99.0] {
        figures.push(Measured {
            figure: format!("commit to start at {PER_SECOND}/s {between}, p{percent}"),
            unit: "ms",
            better: Better::Less,
            value: percentile(&mut waits, percent),
        });
    }
    Ok(())
}

/// Milliseconds. A job that started twice counts from its first start; the first tenth does not count, in which connections are made and
/// statements prepared.
fn waits(sent: &Times, starts: &Times) -> Result<Vec<f64>> {
    let mut first = HashMap::new();
    for (number, at) in starts {
        let earliest: &mut u64 = first.entry(number).or_insert(*at);
        *earliest = (*earliest).min(*at);
    }
    let wait = |(number, sent): &(u32, u64)| {
        let start = first.get(number).ok_or_else(|| format!("job {number} has not started"))?;
        // The clock is the system's, which may be corrected at any time.
        Ok((*start as f64 - *sent as f64).max(0.0) / 1_000.0)
    };
    let mut sent = sent.clone();
    sent.sort_unstable();
    sent[sent.len() / 10..].iter().map(wait).collect()
}
