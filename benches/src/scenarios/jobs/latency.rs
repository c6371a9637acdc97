//! From enqueueing to the first line of the job's handler, at 100 jobs a second.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tidings::Error;

use crate::arguments::Bench;
use crate::floor::{self, Message, Writer};
use crate::measure::{Aim, Figure, interleave, percentile};
use crate::work::{self, Work};

const EVERY: Duration = Duration::from_millis(10);
const JOBS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(20);

/// Microseconds from the call that enqueues to the handler's first line.
type Waits = Vec<f64>;

pub(in crate::scenarios) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let (ours, floor) =
        interleave(bench, "job latency", async || ours(bench).await, async || by_hand(bench).await).await?;
    let of = |all: &[Waits], percent: f64| -> Vec<f64> {
        all.iter().map(|waits| percentile(&mut waits.clone(), percent)).collect()
    };
    let mut figures = Vec::new();
    #[cfg(feature = "peers")]
    let peer = peer::latency(bench).await?;
    for (percent, aim) in [(50.0, Aim::AtMost(2.0)), (99.0, Aim::None)] {
        figures.push(Figure {
            name: format!("enqueue to job start, p{percent}"),
            unit: "µs",
            aim,
            ours: of(&ours, percent),
            floor: of(&floor, percent),
            note: "from the call that enqueues, whose commit both sides wait for, to the handler's first line; the floor's \
                   writer sends word to a thread that claims on a connection of its own",
        });
        #[cfg(feature = "peers")]
        figures.push(super::beside_apalis("the same", "µs", of(&ours, percent), of(&peer, percent), ""));
    }
    Ok(figures)
}

/// Enqueues at an even pace; answers with when each was asked for.
async fn pace(
    jobs: usize,
    enqueue: impl AsyncFn(Work) -> tidings::Result<()>,
) -> tidings::Result<Vec<Instant>> {
    let mut ticks = tokio::time::interval(EVERY);
    let mut asked = Vec::with_capacity(jobs);
    for number in 0..jobs {
        ticks.tick().await;
        asked.push(Instant::now());
        enqueue(Work::new(u32::try_from(number)?)).await?;
    }
    Ok(asked)
}

fn waits(asked: &[Instant], started: &[(u32, Instant)]) -> tidings::Result<Waits> {
    if asked.len() != started.len() {
        return Err(Error::failed(format!("{} of {} jobs started", started.len(), asked.len())));
    }
    let wait = |&(number, started): &(u32, Instant)| {
        let asked = asked.get(number as usize).ok_or_else(|| Error::failed(format!("no job {number}")))?;
        Ok(started.saturating_duration_since(*asked).as_secs_f64() * 1e6)
    };
    started.iter().map(wait).collect()
}

async fn ours(bench: &Bench) -> tidings::Result<Waits> {
    let folder = bench.fresh()?;
    let jobs = bench.scaled(JOBS);
    work::NOTE_STARTS.store(true, Ordering::Relaxed);
    let take = || work::STARTED.lock().map(|mut started| std::mem::take(&mut *started)).unwrap_or_default();
    take();
    let app = work::start(folder.path()).await?;
    let outbox = app.outbox("orders")?;
    let asked = pace(jobs, async |job| outbox.enqueue(job).await.map(drop)).await?;
    let waiting = Instant::now();
    while work::STARTED.lock().map_or(0, |started| started.len()) < jobs && waiting.elapsed() < PATIENCE {
        tokio::time::sleep(EVERY).await;
    }
    app.shutdown().await?;
    work::NOTE_STARTS.store(false, Ordering::Relaxed);
    waits(&asked, &take())
}

async fn by_hand(bench: &Bench) -> tidings::Result<Waits> {
    let folder = bench.fresh()?;
    let (word, words) = channel();
    // The writer makes the tables, so it comes first.
    let writer = Writer::start(folder.path(), move || _ = word.send(()))?;
    let worker = listen(floor::connect(folder.path())?, words);
    let caller = writer.caller();
    let asked =
        pace(bench.scaled(JOBS), async |job| caller.write(None, Message::job(&job)?).await.map(drop)).await?;
    drop(caller);
    writer.stop()?;
    let started = worker.join().map_err(|_| Error::failed("the floor's worker panicked"))??;
    waits(&asked, &started)
}

/// Claims whenever there is word of something new, until the writer has gone; what was done is completed with the next claim.
fn listen(connection: Connection, words: Receiver<()>) -> JoinHandle<tidings::Result<Vec<(u32, Instant)>>> {
    std::thread::spawn(move || {
        let (mut started, mut claimed) = (Vec::new(), Vec::new());
        while words.recv().is_ok() {
            claimed = floor::jobs::turn(&connection, &claimed, floor::jobs::BATCH)?;
            for (_, data) in &claimed {
                let job: Work = serde_json::from_str(data)?;
                started.push((job.number, Instant::now()));
            }
        }
        Ok(started)
    })
}

#[cfg(feature = "peers")]
mod peer {
    use super::*;
    use crate::peer::Apalis;

    pub(super) async fn latency(bench: &Bench) -> tidings::Result<Vec<Waits>> {
        let jobs = bench.scaled(JOBS);
        let mut all = Vec::new();
        for _ in 0..bench.rounds {
            let folder = bench.fresh()?;
            let mut apalis = Apalis::open(folder.path()).await?;
            let caller = apalis.caller();
            let working = tokio::spawn(async move { (apalis.work(jobs).await, apalis) });
            let asked = pace(jobs, async |job| caller.enqueue(None, &[job]).await).await?;
            let (started, apalis) = tokio::time::timeout(PATIENCE, working).await??;
            apalis.close().await;
            all.push(waits(&asked, &started?)?);
        }
        Ok(all)
    }
}
