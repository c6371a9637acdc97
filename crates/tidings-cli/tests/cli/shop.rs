//! A small application whose database the command looks at.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tidings::{App, Command, CommandReply, Config, Ctx, Error, Module, Outcome, Reads, Result, reject};
use tidings_testkit::clock::ManualClock;

mod contracts {
    tidings::contracts!("tests/schemas");
}
use contracts::{orders, stock};

/// Places an order, and asks the stock for some pieces: two times over, the second time for none.
#[derive(Command, Serialize, Deserialize)]
#[command("orders.place", output = ())]
pub(crate) struct Place {
    pub(crate) email: String,
}

#[derive(Command, Serialize, Deserialize)]
#[command("stock.reserve", output = u32)]
struct Reserve {
    pieces: u32,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "tests/schemas")]
struct Order {
    email: String,
}

#[derive(Reads)]
#[reads("stock.reserved", versions = "1", schemas = "tests/schemas")]
struct Reserved {}

fn modules() -> [Module; 3] {
    let orders = Module::new("orders")
        .owns::<orders::Placed>()
        .command(place)
        .sends::<Reserve>()
        .on_reply("reserved", reserved);
    let stock = Module::new("stock").owns::<stock::Reserved>().command(reserve);
    let mail = Module::new("mail").on("confirm", confirm).on("note", note).on("tell-stock", tell_stock);
    [orders, stock, mail].map(|module| module.context("shop"))
}

async fn place(ctx: &mut Ctx, command: Place) -> Outcome<()> {
    ctx.publish(orders::Placed { email: command.email }).await?;
    for pieces in [3, 0] {
        ctx.send_with_reply(Reserve { pieces }, "reserved").await?;
    }
    Ok(())
}

async fn reserved(_ctx: &mut Ctx, _reply: CommandReply<Reserve>) -> Result<()> {
    Ok(())
}

async fn reserve(ctx: &mut Ctx, command: Reserve) -> Outcome<u32> {
    if command.pieces == 0 {
        return reject("nothing_to_do", "no pieces are asked for");
    }
    ctx.publish(stock::Reserved { pieces: command.pieces }).await?;
    Ok(command.pieces)
}

async fn confirm(_ctx: &mut Ctx, order: Order) -> Result<()> {
    assert!(!order.email.is_empty());
    Err(Error::permanent("the relay knows no such mailbox\n(550 5.1.1)"))
}

/// Succeeds where the clock has been moved on.
async fn note(ctx: &mut Ctx, _order: Order) -> Result<()> {
    if ctx.now() == START.parse()? { Err(Error::failed("the notebook is closed")) } else { Ok(()) }
}

async fn tell_stock(_ctx: &mut Ctx, _reserved: Reserved) -> Result<()> {
    Ok(())
}

const START: &str = "2026-01-31T09:30:00Z";

/// The trace of everything that [`run`](Shop::run) causes.
pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The running application.
pub(crate) struct Shop {
    pub(crate) app: App,
    clock: Arc<ManualClock>,
}

impl Shop {
    pub(crate) async fn start(database: &Path) -> Self {
        let clock = Arc::new(ManualClock::new(START.parse().unwrap()));
        let mut config = Config::default();
        config.store.path = database.to_owned();
        let app = App::builder()
            .modules(modules())
            .contracts(contracts::CONTRACTS)
            .config(config)
            .clock(clock.clone())
            .build();
        Self { app: app.await.unwrap(), clock }
    }

    /// Places an order, and waits until all is handled that can be.
    pub(crate) async fn run(&self) {
        let trace = tidings::TraceContext::from_headers(Some(TRACE), None, None);
        self.app.send(Place { email: "alice@example.org".to_owned() }).trace(trace).await.unwrap();
        self.until(|waiting| waiting == (0, 1, 1)).await;
        self.clock.advance(Duration::from_secs(30));
        self.until(|waiting| waiting == (0, 0, 1)).await;
    }

    /// Waits for numbers of unread, retrying and dead messages.
    async fn until(&self, reached: impl Fn((u64, u64, u64)) -> bool) {
        let begun = Instant::now();
        loop {
            let consumers = self.app.store().consumers().await.unwrap();
            let sum = |of: fn(&tidings::store::ConsumerStatus) -> u64| consumers.iter().map(of).sum::<u64>();
            let waiting = (sum(|c| c.lag), sum(|c| c.retrying), sum(|c| c.dead));
            if reached(waiting) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{waiting:?}: {consumers:#?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
