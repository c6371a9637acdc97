//! The module that is measured.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use tidings::{App, Command, Config, Ctx, Job, JobCtx, Module, Outbox, Outcome, Queue, Reads, batch, sql};
use tidings_peers_contract::{INSERT_COPY, INSERT_ORDER, NOTE, Result, Seen, now_us};
use tidings_postgres::{PostgresConfig, PostgresStore};

use crate::{Way, way};

pub(crate) mod contracts {
    tidings::contracts!("schemas");
}
pub(crate) use contracts::orders::Placed;

pub(crate) const QUEUE: &str = "work";
const RUNNING: usize = 1_024;

/// What the application does beside being called.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// Nothing: it is only sent commands.
    Sends,
    /// Works off jobs, or listens and notes when a listener starts.
    Works,
    /// So many listeners copy every event from the log's beginning.
    Copies(i32),
}

/// Many events in one transaction.
#[derive(Clone, Command, Serialize, Deserialize)]
#[command("orders.publish-many")]
pub(crate) struct PublishMany {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

#[derive(Clone, Job, Serialize, Deserialize)]
#[job("orders.work")]
pub(crate) struct Work {
    number: u32,
    note: String,
}

impl Work {
    pub(crate) fn new(number: u32) -> Self {
        Self { number, note: NOTE.to_owned() }
    }
}

#[derive(Reads)]
#[reads("orders.placed", versions = "1")]
pub(crate) struct OrderRef {
    number: u32,
}

fn event(number: u32) -> Placed {
    Placed { number, note: NOTE.to_owned() }
}

/// A row, and what follows from it, in one transaction; answers with when its COMMIT was sent.
pub(crate) async fn place(outbox: &Outbox, number: u32) -> Result<u64> {
    let mut tx = outbox.begin::<sqlx::Postgres>().await?;
    sqlx::query(INSERT_ORDER).bind(i32::try_from(number)?).execute(tx.tx()).await?;
    if way() != Way::Jobs {
        tx.publish(&event(number)).await?;
    } else {
        tx.enqueue(Work::new(number)).await?;
    }
    let sent = now_us();
    tx.commit().await?;
    Ok(sent)
}

async fn publish_many(ctx: &mut Ctx, many: PublishMany) -> Outcome<()> {
    for number in many.from..many.to {
        ctx.publish(event(number)).await?;
    }
    Ok(())
}

/// Handlers are plain functions, and there is one application that works.
static SEEN: OnceLock<Seen> = OnceLock::new();

pub(crate) fn tell(seen: Seen) -> Result<()> {
    SEEN.set(seen).map_err(|_| "it works already".into())
}

fn note(number: u32) {
    if let Some(seen) = SEEN.get() {
        seen.job(number);
    }
}

async fn work(_ctx: &mut JobCtx, job: Work) -> tidings::Result<()> {
    note(job.number);
    Ok(())
}

async fn note_start(_ctx: &mut Ctx, order: OrderRef) -> tidings::Result<()> {
    note(order.number);
    Ok(())
}

const INSERT_COPIES: &str =
    "INSERT INTO copies (listener, number) SELECT $1, number FROM unnest($2::integer[]) AS new (number)";

async fn copy_all(ctx: &mut Ctx<sqlx::Postgres>, listener: i32, orders: &[OrderRef]) -> tidings::Result<()> {
    let numbers =
        orders.iter().map(|order| i32::try_from(order.number)).collect::<std::result::Result<Vec<_>, _>>();
    let numbers = numbers.map_err(tidings::Error::permanent)?;
    sqlx::query(INSERT_COPIES).bind(listener).bind(numbers).execute(ctx.tx()).await?;
    Ok(())
}

macro_rules! copiers {
    ($($name:ident $batched:ident $number:literal),*) => {
        $(async fn $name(ctx: &mut Ctx, order: OrderRef) -> tidings::Result<()> {
            sql(INSERT_COPY).bind($number).bind(order.number).execute(ctx.tx()).await?;
            Ok(())
        }

        async fn $batched(ctx: &mut Ctx<sqlx::Postgres>, orders: Vec<OrderRef>) -> tidings::Result<()> {
            copy_all(ctx, $number, &orders).await
        })*

        fn copied_by(module: Module, listeners: i32) -> Module {
            let mut module = module;
            $(if $number <= listeners {
                module = match way() {
                    Way::Batches => module.on_with(stringify!($name), batch($batched), |options| options.from_start()),
                    _ => module.on_with(stringify!($name), $name, |options| options.from_start()),
                };
            })*
            module
        }
    };
}
// A listener has a row of its own number to write.
copiers!(first first_batch 1, second second_batch 2, third third_batch 3, fourth fourth_batch 4, fifth fifth_batch 5);

pub(crate) async fn start(url: &str, connections: u32, role: Role) -> Result<App> {
    let mut config = PostgresConfig::new(url);
    config.connections_max = connections;
    let store = Arc::new(PostgresStore::open(config).await?);
    let module = Module::new("orders").owns::<Placed>().tables(["orders", "copies"]).command(publish_many);
    let module = match role {
        Role::Copies(listeners) => copied_by(module, listeners),
        Role::Sends if way() != Way::Jobs => module,
        Role::Works if way() != Way::Jobs => module.on("note-start", note_start),
        _ => module.job(Queue::named(QUEUE).concurrency(RUNNING), work),
    };
    let mut config = Config::default();
    config.retention.jobs_max = 10_000_000;
    config.start.workers = !matches!(role, Role::Sends);
    Ok(App::builder().module(module).config(config).store(store).build().await?)
}
