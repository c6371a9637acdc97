//! A long run of Tidings on PostgreSQL at one rate: whether memory, tables and latencies stay as they are.
//!
//! Each arrival is a transaction of a row, an event and a job. A listener writes a row for each event; jobs do nothing, and one in a
//! thousand fails once. Retention keeps so little that all of it turns over many times.

#![allow(clippy::print_stdout, reason = "the table is what is asked for")]

mod application;
mod sample;
mod times;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use sqlx::{AssertSqlSafe, PgPool};
use tidings_peers_contract::Result;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use sample::Sampler;
use times::Times;

const DATABASE: &str = "tidings_soak";

/// A long run at one rate: do memory, tables and latencies stay as they are?
#[derive(Parser)]
#[command(name = "soak")]
struct Arguments {
    /// The server, whose role must be allowed to make databases; `cargo xtask services up postgres` starts one and says its URL
    #[arg(long, env = "TIDINGS_BENCH_POSTGRES_URL", hide_env_values = true)]
    url: String,
    /// Transactions a second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// Seconds between two rows of the table
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    every: u32,
    /// Callers at once, at most: what waits for one is late, and counts as late
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    callers: u16,
    /// Also write every row to this file, a JSON object a line
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let url = url_of(&arguments.url, DATABASE);
    let admin = PgPool::connect(&arguments.url).await?;
    execute(&admin, format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")).await?;
    execute(&admin, format!("CREATE DATABASE {DATABASE}")).await?;
    let outcome = soak(&arguments, &url).await;
    execute(&admin, format!("DROP DATABASE {DATABASE} WITH (FORCE)")).await?;
    outcome
}

async fn execute(pool: &PgPool, sql: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await?;
    Ok(())
}

async fn soak(arguments: &Arguments, url: &str) -> Result<()> {
    let times = Arc::new(Times::default());
    let app = application::start(url, arguments.callers, &times).await?;
    let mut sampler = Sampler::new(url, times.clone(), arguments.json.as_deref()).await?;
    let (stop, mut stopped) = mpsc::channel::<()>(1);
    tokio::spawn(async move {
        // An error means that nobody can stop it by hand: then it ends by itself.
        if tokio::signal::ctrl_c().await.is_ok() {
            // It fails only when the run has ended already.
            stop.send(()).await.ok();
        }
    });
    let arrivals = tokio::spawn(arrive(app.clone(), times, arguments.rate, arguments.callers));
    let begun = Instant::now();
    let every = Duration::from_secs(arguments.every.into());
    for row in 1..=(arguments.minutes * 60).div_ceil(arguments.every) {
        tokio::select! {
            () = tokio::time::sleep_until(begun + every * row) => sampler.sample(begun.elapsed()).await?,
            Some(()) = stopped.recv() => break,
        }
    }
    arrivals.abort();
    app.shutdown().await?;
    sampler.finish();
    Ok(())
}

/// Transactions at an even pace, whether or not the one before has been answered.
async fn arrive(app: tidings::App, times: Arc<Times>, rate: u32, callers: u16) -> Result<()> {
    let outbox = app.outbox("orders")?;
    let room = Arc::new(Semaphore::new(callers.into()));
    let begun = Instant::now();
    let between = Duration::from_secs(1) / rate;
    for number in 0.. {
        let intended = begun + between.mul_f64(f64::from(number));
        tokio::time::sleep_until(intended).await;
        let (outbox, times, room) = (outbox.clone(), times.clone(), room.clone());
        tokio::spawn(async move {
            let Ok(_place) = room.acquire().await else { return };
            match application::place(&outbox, &times, number).await {
                Ok(()) => times.committed(intended.elapsed()),
                Err(error) => times.failed(&error.to_string()),
            }
        });
    }
    Ok(())
}

/// The server's address with another database.
fn url_of(url: &str, database: &str) -> String {
    let (address, query) =
        url.split_once('?').map_or((url, String::new()), |(url, query)| (url, format!("?{query}")));
    let scheme = address.find("://").map_or(0, |at| at + 3);
    let server = address[scheme..].find('/').map_or(address, |at| &address[..scheme + at]);
    format!("{server}/{database}{query}")
}
