//! Working off jobs that do nothing, with the state of each on record.

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use tidings::Error;

use crate::arguments::Bench;
use crate::floor::{self, Message};
use crate::measure::{Aim, Figure, interleave};
use crate::work::{self, Work};

const JOBS: usize = 20_000;
const ENDED: usize = 200_000;

pub(in crate::scenarios) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let (jobs, ended) = (bench.scaled(JOBS), bench.scaled(ENDED));
    let fresh = filled(bench, 0, jobs).await?;
    let (ours, floor) = interleave(
        bench,
        "drain",
        async || ours(bench, fresh.path(), jobs).await,
        async || by_hand(bench, jobs).await,
    )
    .await?;
    let used = filled(bench, ended, jobs).await?;
    let (ours_used, ours_again) = interleave(
        bench,
        "drain with ended ones there",
        async || self::ours(bench, used.path(), jobs).await,
        async || self::ours(bench, fresh.path(), jobs).await,
    )
    .await?;
    let mut figures = vec![Figure {
        name: format!("drain of {jobs} no-op jobs"),
        unit: "jobs/s",
        aim: Aim::AtLeast(0.5),
        ours: ours.clone(),
        floor,
        note: "from the queue's resumption until the database says that all are completed; 500 run at a time, each in a \
               task of its own with a time limit. The floor is a loop on rusqlite that claims 500 under a durable lease, \
               decodes each, and completes them row by row in the transaction that claims the next",
    }];
    #[cfg(feature = "peers")]
    figures.push(super::beside_apalis(
        "the same",
        "jobs/s",
        ours,
        peer::drain(bench).await?,
        "the peer has 2,000 jobs",
    ));
    figures.push(Figure {
        name: format!("  the same with {ended} ended ones there"),
        unit: "jobs/s",
        aim: Aim::AtLeast(0.8),
        ours: ours_used,
        floor: ours_again,
        note: "what stands as the floor here is ours without the ended ones",
    });
    Ok(figures)
}

/// A database with so many jobs that have ended, and so many that wait in a paused queue.
async fn filled(bench: &Bench, ended: usize, waiting: usize) -> tidings::Result<TempDir> {
    let folder = bench.fresh()?;
    let app = work::start(folder.path()).await?;
    let since = Timestamp::now();
    work::enqueue(&app, ended).await?;
    let connection = Connection::open(folder.path().join("ours.db"))?;
    work::until_completed(&connection, ended, since).await?;
    app.queues().pause(work::QUEUE, "what follows is measured later").await?;
    work::enqueue(&app, waiting).await?;
    app.shutdown().await?;
    Ok(folder)
}

async fn ours(bench: &Bench, from: &Path, jobs: usize) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let file = folder.path().join("ours.db");
    std::fs::copy(from.join("ours.db"), &file)?;
    // Otherwise the copy would be on its way to the disk while commits wait for it.
    std::fs::File::open(&file)?.sync_all()?;
    let app = work::start(folder.path()).await?;
    let connection = Connection::open(&file)?;
    let before = work::BEGUN.load(std::sync::atomic::Ordering::Relaxed);
    let (started, since) = (Instant::now(), Timestamp::now());
    app.queues().resume(work::QUEUE).await?;
    // What has begun is known without asking the database; whether it is committed, only by asking.
    while work::BEGUN.load(std::sync::atomic::Ordering::Relaxed) - before < jobs {
        if started.elapsed().as_secs() > 60 {
            return Err(Error::failed("the jobs do not get begun"));
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    work::until_completed(&connection, jobs, since).await?;
    let took = started.elapsed();
    app.shutdown().await?;
    Ok(jobs as f64 / took.as_secs_f64())
}

async fn by_hand(bench: &Bench, jobs: usize) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let connection = floor::connect(folder.path())?;
    floor::make_tables(&connection)?;
    let messages = Work::many(jobs).iter().map(Message::job).collect::<tidings::Result<Vec<_>>>()?;
    floor::jobs::enqueue_all(&connection, &messages)?;
    let working = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let handled = floor::jobs::work_off(&connection, |data| {
            let job: Work = serde_json::from_str(data)?;
            std::hint::black_box(job);
            Ok(())
        })?;
        Ok::<_, Error>((started.elapsed(), handled))
    });
    let (took, handled) = working.await??;
    if handled != jobs {
        return Err(Error::failed(format!("the floor handled {handled}")));
    }
    Ok(jobs as f64 / took.as_secs_f64())
}

#[cfg(feature = "peers")]
mod peer {
    use super::*;
    use crate::peer::Apalis;

    /// Fewer than ours: the peer takes its time, and the rate is what is compared.
    const JOBS: usize = 2_000;

    pub(super) async fn drain(bench: &Bench) -> tidings::Result<Vec<f64>> {
        let jobs = bench.scaled(JOBS);
        let mut rates = Vec::new();
        for _ in 0..bench.rounds {
            let folder = bench.fresh()?;
            let mut apalis = Apalis::open(folder.path()).await?;
            apalis.caller().enqueue(None, &Work::many(jobs)).await?;
            let started = Instant::now();
            apalis.work(jobs).await?;
            rates.push(jobs as f64 / started.elapsed().as_secs_f64());
            apalis.close().await;
        }
        Ok(rates)
    }
}
