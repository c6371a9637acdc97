//! Enqueueing: in bulk, and one beside a row.

use std::time::Instant;

use tidings::App;

use crate::arguments::Bench;
use crate::floor::{self, Message, Writer, WriterCaller};
use crate::load::{AsyncCall, calls_per_second};
use crate::measure::{Aim, Figure, interleave};
use crate::orders::Place;
use crate::work::{self, PlaceWithWork, Work};

const JOBS: usize = 20_000;
/// Jobs in one commit.
const CHUNK: usize = 1_000;
const CALLERS: [usize; 2] = [1, 32];

pub(in crate::scenarios) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let jobs = bench.scaled(JOBS);
    let (ours, floor) = interleave(
        bench,
        "bulk enqueue",
        async || bulk(bench, jobs).await,
        async || bulk_by_hand(bench, jobs),
    )
    .await?;
    let mut figures = vec![Figure {
        name: format!("bulk enqueue of {jobs} jobs"),
        unit: "jobs/s",
        aim: Aim::AtLeast(0.5),
        ours: ours.clone(),
        floor,
        note: "in calls of 1,000, each a commit; ours is `outbox.enqueue_many`, the floor inserts prepared rows from a loop \
               on rusqlite",
    }];
    #[cfg(feature = "peers")]
    {
        let peer = peer::bulk(bench, jobs).await?;
        figures.push(super::beside_apalis("the same", "jobs/s", ours, peer, ""));
    }
    for callers in CALLERS {
        let (ours, floor) = interleave(
            bench,
            &format!("enqueue with a row, {callers} callers"),
            async || with_row(bench, callers).await,
            async || with_row_by_hand(bench, callers).await,
        )
        .await?;
        figures.push(Figure {
            name: format!("enqueue with a row, {callers} caller{}", if callers == 1 { "" } else { "s" }),
            unit: "commands/s",
            aim: Aim::None,
            ours: ours.clone(),
            floor,
            note: "ours is `app.send(command)` whose handler writes a row and enqueues a job, and whose outcome is stored; the \
                   jobs are worked off meanwhile. The floor hands row and job to a thread with rusqlite",
        });
        #[cfg(feature = "peers")]
        {
            let peer = peer::with_row(bench, callers).await?;
            figures.push(super::beside_apalis("the same", "commands/s", ours, peer, ""));
        }
    }
    Ok(figures)
}

async fn bulk(bench: &Bench, jobs: usize) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let app = work::start(folder.path()).await?;
    app.queues().pause(work::QUEUE, "only enqueueing is measured").await?;
    let started = Instant::now();
    work::enqueue(&app, jobs).await?;
    let took = started.elapsed();
    app.shutdown().await?;
    Ok(jobs as f64 / took.as_secs_f64())
}

fn bulk_by_hand(bench: &Bench, jobs: usize) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let connection = floor::connect(folder.path())?;
    floor::make_tables(&connection)?;
    let works = Work::many(jobs);
    let started = Instant::now();
    for chunk in works.chunks(CHUNK) {
        let messages = chunk.iter().map(Message::job).collect::<tidings::Result<Vec<_>>>()?;
        floor::jobs::enqueue_all(&connection, &messages)?;
    }
    Ok(jobs as f64 / started.elapsed().as_secs_f64())
}

struct Ours(App);

impl AsyncCall for Ours {
    async fn call(&mut self) -> tidings::Result<()> {
        Ok(self.0.send(PlaceWithWork(Place::new(1))).await?)
    }
}

async fn with_row(bench: &Bench, callers: usize) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let app = work::start(folder.path()).await?;
    let rate = calls_per_second(callers, bench.round(), || Ours(app.clone())).await?;
    app.shutdown().await?;
    Ok(rate)
}

struct ByHand(WriterCaller);

impl AsyncCall for ByHand {
    async fn call(&mut self) -> tidings::Result<()> {
        let order = Place::new(1);
        let job = Message::job(&Work::new(1))?;
        self.0.write(Some(order), job).await.map(drop)
    }
}

async fn with_row_by_hand(bench: &Bench, callers: usize) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let writer = Writer::start(folder.path(), || ())?;
    let rate = calls_per_second(callers, bench.round(), || ByHand(writer.caller())).await?;
    writer.stop()?;
    Ok(rate)
}

#[cfg(feature = "peers")]
mod peer {
    use super::*;
    use crate::peer::{Apalis, ApalisCaller};

    pub(super) async fn bulk(bench: &Bench, jobs: usize) -> tidings::Result<Vec<f64>> {
        let mut rates = Vec::new();
        for _ in 0..bench.rounds {
            let folder = bench.fresh()?;
            let apalis = Apalis::open(folder.path()).await?;
            let (caller, works) = (apalis.caller(), Work::many(jobs));
            let started = Instant::now();
            for chunk in works.chunks(CHUNK) {
                caller.enqueue(None, chunk).await?;
            }
            rates.push(jobs as f64 / started.elapsed().as_secs_f64());
            apalis.close().await;
        }
        Ok(rates)
    }

    struct Peer(ApalisCaller);

    impl AsyncCall for Peer {
        async fn call(&mut self) -> tidings::Result<()> {
            self.0.enqueue(Some(&Place::new(1)), &[Work::new(1)]).await
        }
    }

    pub(super) async fn with_row(bench: &Bench, callers: usize) -> tidings::Result<Vec<f64>> {
        let mut rates = Vec::new();
        for _ in 0..bench.rounds {
            let folder = bench.fresh()?;
            let apalis = Apalis::open(folder.path()).await?;
            rates.push(calls_per_second(callers, bench.round(), || Peer(apalis.caller())).await?);
            apalis.close().await;
        }
        Ok(rates)
    }
}
