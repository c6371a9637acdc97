//! Working off jobs that do nothing, with the state of each on record.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use tidings::store::Retention;
use tidings::{App, Error};

use crate::arguments::Bench;
use crate::floor::{self, Message};
use crate::measure::{Aim, Figure, interleave};
use crate::work::{self, BEGUN, Work};

const JOBS: usize = 20_000;
const ENDED: usize = 200_000;

pub(in crate::scenarios) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let (jobs, ended) = (bench.scaled(JOBS), bench.scaled(ENDED));
    let empty = Plant::new(bench, 0).await?;
    let (ours, floor) =
        interleave(bench, "drain", async || empty.drain(jobs).await, async || by_hand(bench, jobs).await)
            .await?;
    let used = Plant::new(bench, ended).await?;
    let (ours_used, ours_again) = interleave(
        bench,
        "drain with ended ones there",
        async || used.drain(jobs).await,
        async || empty.drain(jobs).await,
    )
    .await?;
    empty.app.shutdown().await?;
    used.app.shutdown().await?;
    let mut figures = vec![Figure {
        name: format!("drain of {jobs} no-op jobs"),
        unit: "jobs/s",
        aim: Aim::AtLeast(0.5),
        ours: ours.clone(),
        floor,
        note: "from the queue's resumption until the database says that all are completed; 1,024 run at a time, each in a \
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

/// An application that runs all the time, as it would; with so many jobs that have ended, or none.
struct Plant {
    app: App,
    connection: Connection,
    keeps: u64,
    _folder: TempDir,
}

impl Plant {
    async fn new(bench: &Bench, ended: usize) -> tidings::Result<Self> {
        let folder = bench.fresh()?;
        let app = work::start(folder.path()).await?;
        let connection = Connection::open(folder.path().join("ours.db"))?;
        let since = Timestamp::now();
        work::enqueue(&app, ended).await?;
        work::until_completed(&connection, ended, since).await?;
        Ok(Self { app, connection, keeps: u64::try_from(ended)?, _folder: folder })
    }

    async fn drain(&self, jobs: usize) -> tidings::Result<f64> {
        self.app.queues().pause(work::QUEUE, "until it is measured").await?;
        work::enqueue(&self.app, jobs).await?;
        // What earlier rounds have left goes, and the write-ahead log is emptied.
        let retention = Retention { jobs_max: self.keeps, ..Retention::default() };
        self.app.store().maintain(&retention, Timestamp::now()).await?;
        let before = BEGUN.load(Relaxed);
        let (started, since) = (Instant::now(), Timestamp::now());
        self.app.queues().resume(work::QUEUE).await?;
        // What has begun is known without asking the database; whether it is committed, only by asking.
        while BEGUN.load(Relaxed) - before < jobs {
            if started.elapsed().as_secs() > 60 {
                return Err(Error::failed("the jobs do not get begun"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        work::until_completed(&self.connection, jobs, since).await?;
        Ok(jobs as f64 / started.elapsed().as_secs_f64())
    }
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
