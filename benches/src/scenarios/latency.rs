//! From the commit of an event to the first line of its handler, at 100 events a second.

use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tidings::{Error, Reads};

use crate::arguments::Bench;
use crate::floor::{self, Message, Writer};
use crate::measure::{Aim, Figure, interleave, percentile};
use crate::orders::{self, OrderRef, Place, STARTED};

const EVERY: Duration = Duration::from_millis(10);
const EVENTS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(20);

/// When one event was asked to be published, was known to be durable, and was begun to be handled.
struct Sample {
    asked: Instant,
    durable: Instant,
    started: Instant,
}

pub(crate) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let (ours, floor) =
        interleave(bench, "latency", async || ours(bench).await, async || by_hand(bench).await).await?;
    let figure = |name: &str, aim, note, of: &dyn Fn(&[Sample]) -> f64| Figure {
        name: name.to_owned(),
        unit: "µs",
        aim,
        ours: ours.iter().map(|samples| of(samples)).collect(),
        floor: floor.iter().map(|samples| of(samples)).collect(),
        note,
    };
    let whole = |sample: &Sample| micros(sample.asked, sample.started);
    let after = |sample: &Sample| micros(sample.durable, sample.started);
    let note = "from the call that publishes, whose commit both sides wait for, to the handler's first line; the floor's \
                writer sends word to a thread that reads the new rows on a connection of its own";
    let after_note =
        "from the moment at which the publisher knows of the commit; 0 if the handler was faster";
    Ok(vec![
        figure("publish to handler start, p50", Aim::AtMost(2.0), note, &|s| of(s, 50.0, whole)),
        figure("publish to handler start, p99", Aim::None, "", &|s| of(s, 99.0, whole)),
        figure("  answer to handler start, p50", Aim::None, after_note, &|s| of(s, 50.0, after)),
    ])
}

fn micros(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e6
}

fn of(samples: &[Sample], percent: f64, took: impl Fn(&Sample) -> f64) -> f64 {
    percentile(&mut samples.iter().map(took).collect::<Vec<_>>(), percent)
}

/// Publishes at an even pace; answers with when each was asked for and was durable.
async fn pace(
    events: usize,
    publish: impl AsyncFn(Place) -> tidings::Result<()>,
) -> tidings::Result<Vec<(Instant, Instant)>> {
    let mut ticks = tokio::time::interval(EVERY);
    let mut published = Vec::with_capacity(events);
    for number in 0..events {
        ticks.tick().await;
        let order = Place::new(u32::try_from(number)?);
        let asked = Instant::now();
        publish(order).await?;
        published.push((asked, Instant::now()));
    }
    Ok(published)
}

fn joined(published: &[(Instant, Instant)], started: &[(u32, Instant)]) -> tidings::Result<Vec<Sample>> {
    if published.len() != started.len() {
        return Err(Error::failed(format!("{} of {} were handled", started.len(), published.len())));
    }
    let sample = |&(number, started): &(u32, Instant)| {
        let (asked, durable) =
            published.get(number as usize).ok_or_else(|| Error::failed(format!("no event {number}")))?;
        Ok(Sample { asked: *asked, durable: *durable, started })
    };
    started.iter().map(sample).collect()
}

async fn ours(bench: &Bench) -> tidings::Result<Vec<Sample>> {
    let folder = bench.fresh()?;
    let events = bench.scaled(EVENTS);
    let take = || STARTED.lock().map(|mut started| std::mem::take(&mut *started)).unwrap_or_default();
    take();
    let app = orders::start(folder.path(), orders::watched()).await?;
    let outbox = app.outbox("orders")?;
    let published = pace(events, async |order| {
        outbox.publish_now(&order.event()).await?;
        Ok(())
    })
    .await?;
    let waiting = Instant::now();
    while STARTED.lock().map_or(0, |started| started.len()) < events && waiting.elapsed() < PATIENCE {
        tokio::time::sleep(EVERY).await;
    }
    app.shutdown().await?;
    joined(&published, &take())
}

async fn by_hand(bench: &Bench) -> tidings::Result<Vec<Sample>> {
    let folder = bench.fresh()?;
    let (word, words) = channel();
    // The writer makes the tables, so it comes first.
    let writer = Writer::start(folder.path(), move || _ = word.send(()))?;
    let reader = listen(floor::connect(folder.path())?, words);
    let caller = writer.caller();
    let published = pace(bench.scaled(EVENTS), async |order| {
        let message = Message::of(&order)?;
        caller.write(None, message).await.map(drop)
    })
    .await?;
    drop(caller);
    writer.stop()?;
    let started = reader.join().map_err(|_| Error::failed("the floor's reader panicked"))??;
    joined(&published, &started)
}

/// Reads what is new whenever there is word of it, until the writer has gone. Each batch moves the cursor.
fn listen(connection: Connection, words: Receiver<()>) -> JoinHandle<tidings::Result<Vec<(u32, Instant)>>> {
    std::thread::spawn(move || {
        let (mut started, mut cursor) = (Vec::new(), 0);
        while words.recv().is_ok() {
            let batch = floor::read(&connection, cursor)?;
            for (position, data) in batch {
                let order = OrderRef::decode(&data)?;
                started.push((order.total_cents, Instant::now()));
                cursor = position;
            }
            floor::move_cursor(&connection, "note-start", cursor)?;
        }
        Ok(started)
    })
}
