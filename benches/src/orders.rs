//! The module that is measured: orders are placed, and listeners copy them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Sqlite;
use tidings::store::Migration;
use tidings::{App, Command, Config, Ctx, Module, Outcome, Reads, Result, sql};
use uuid::Uuid;

pub(crate) mod contracts {
    tidings::contracts!("schemas");
}
pub(crate) use contracts::orders::{Placed, Recorded};

pub(crate) const TABLES: &str = "
    CREATE TABLE orders (
        order_id TEXT NOT NULL PRIMARY KEY, customer_id TEXT NOT NULL, total_cents INTEGER NOT NULL, placed_at TEXT NOT NULL);
    CREATE TABLE copies (id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, total_cents INTEGER NOT NULL);";

pub(crate) const INSERT_ORDER: &str =
    "INSERT INTO orders (order_id, customer_id, total_cents, placed_at) VALUES ($1, $2, $3, $4)";
pub(crate) const INSERT_COPY: &str = "INSERT INTO copies (order_id, total_cents) VALUES ($1, $2)";

#[derive(Clone, Command, Serialize, Deserialize)]
#[command("orders.place")]
pub(crate) struct Place {
    pub(crate) order_id: Uuid,
    pub(crate) customer_id: Uuid,
    pub(crate) total_cents: u32,
    pub(crate) placed_at: Timestamp,
}

#[derive(Clone, Command, Serialize, Deserialize)]
#[command("orders.place-typed")]
pub(crate) struct PlaceTyped(pub(crate) Place);

impl Place {
    pub(crate) fn new(total_cents: u32) -> Self {
        Self {
            order_id: Uuid::now_v7(),
            customer_id: Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0001),
            total_cents,
            placed_at: Timestamp::now(),
        }
    }

    pub(crate) fn event(&self) -> Placed {
        Placed {
            order_id: self.order_id,
            customer_id: self.customer_id,
            total_cents: self.total_cents,
            placed_at: self.placed_at,
        }
    }
}

/// What the listeners read.
#[derive(Reads)]
#[reads("orders.placed", versions = "1")]
pub(crate) struct OrderRef {
    pub(crate) order_id: Uuid,
    pub(crate) total_cents: u32,
}

async fn place(ctx: &mut Ctx, order: Place) -> Outcome<()> {
    sql(INSERT_ORDER)
        .bind(order.order_id)
        .bind(order.customer_id)
        .bind(order.total_cents)
        .bind(order.placed_at)
        .execute(ctx.tx())
        .await?;
    ctx.publish(order.event()).await?;
    Ok(())
}

async fn place_typed(ctx: &mut Ctx<Sqlite>, PlaceTyped(order): PlaceTyped) -> Outcome<()> {
    sqlx::query(INSERT_ORDER)
        .bind(order.order_id.to_string())
        .bind(order.customer_id.to_string())
        .bind(order.total_cents)
        .bind(order.placed_at.to_string())
        .execute(ctx.tx())
        .await?;
    ctx.publish(order.event()).await?;
    Ok(())
}

/// How many copies the listeners have begun.
pub(crate) static COPIED: AtomicUsize = AtomicUsize::new(0);

async fn copy(ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    sql(INSERT_COPY).bind(order.order_id).bind(order.total_cents).execute(ctx.tx()).await?;
    COPIED.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// When the handler of an event started; the event's number is in `total_cents`.
pub(crate) static STARTED: Mutex<Vec<(u32, Instant)>> = Mutex::new(Vec::new());

async fn note_start(_ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    let now = Instant::now();
    STARTED.lock().map_err(|_| tidings::Error::failed("poisoned"))?.push((order.total_cents, now));
    Ok(())
}

fn orders() -> Module {
    Module::new("orders")
        .owns::<Placed>()
        .owns::<Recorded>()
        .tables(["orders", "copies"])
        .migrations(&[Migration { version: 1, name: "tables", sql: TABLES }])
        .command(place)
        .command(place_typed)
}

/// Orders with this many listeners that copy every event from the log's beginning.
pub(crate) fn copied_by(listeners: usize) -> Module {
    (1..=listeners).fold(orders(), |module, n| {
        module.on_with(&format!("copy-{n}"), copy, |options| options.from_start())
    })
}

/// Orders with one listener that notes when it starts.
pub(crate) fn watched() -> Module {
    orders().on("note-start", note_start)
}

/// Starts the application on a database in this folder.
pub(crate) async fn start(folder: &std::path::Path, module: Module) -> tidings::Result<App> {
    let mut config = Config::default();
    config.store.path = folder.join("ours.db");
    Ok(App::builder().module(module).config(config).build().await?)
}
