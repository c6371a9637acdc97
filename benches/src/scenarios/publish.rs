//! 256 callers that publish, and write nothing else.

use tidings::Outbox;

use crate::arguments::Bench;
use crate::floor::{Message, Writer, WriterCaller};
use crate::load::{AsyncCall, calls_per_second};
use crate::measure::{Aim, Figure, interleave};
use crate::orders::{self, Place, Placed};

const CALLERS: usize = 256;

pub(crate) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let (ours, floor) =
        interleave(bench, "publish", async || ours(bench).await, async || floor(bench).await).await?;
    Ok(vec![Figure {
        name: format!("{CALLERS} callers, publish only"),
        unit: "events/s",
        aim: Aim::AtLeast(0.5),
        ours,
        floor,
        note: "ours is `outbox.publish_now(event)`: serialise, validate, append; the floor is a thread that takes \
               events which are text already, without savepoints, up to 512 to a commit",
    }])
}

struct Publish(Outbox, Placed);

impl AsyncCall for Publish {
    async fn call(&mut self) -> tidings::Result<()> {
        self.0.publish_now(&self.1).await?;
        Ok(())
    }
}

async fn ours(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let app = orders::start(folder.path(), orders::copied_by(0)).await?;
    let outbox = app.outbox("orders")?;
    let caller = || Publish(outbox.clone(), Place::new(1).event());
    let rate = calls_per_second(CALLERS, bench.round(), caller).await?;
    app.shutdown().await?;
    Ok(rate)
}

struct Hand {
    writer: WriterCaller,
    key: String,
    data: String,
}

impl AsyncCall for Hand {
    async fn call(&mut self) -> tidings::Result<()> {
        let message = Message::new(self.key.clone(), self.data.clone());
        self.writer.write(None, message).await.map(drop)
    }
}

async fn floor(bench: &Bench) -> tidings::Result<f64> {
    let folder = bench.fresh()?;
    let writer = Writer::start(folder.path(), || ())?;
    let Message { key, data, .. } = Message::of(&Place::new(1))?;
    let caller = || Hand { writer: writer.caller(), key: key.clone(), data: data.clone() };
    let rate = calls_per_second(CALLERS, bench.round(), caller).await?;
    writer.stop()?;
    Ok(rate)
}
