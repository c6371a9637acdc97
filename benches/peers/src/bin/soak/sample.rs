//! One row of the table: latencies since the last one, memory, and what the tables take.

use std::fs::File;
use std::io::{LineWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sqlx::{PgPool, Row as _};
use tidings_peers_contract::Result;

use crate::times::{Interval, Times};

const SIZES: &str = "SELECT relname::text,
        pg_relation_size(oid) + coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0) AS heap,
        pg_indexes_size(oid) AS indexes
    FROM pg_class WHERE relkind = 'r' AND relname LIKE 'tidings\\_%' ORDER BY 1";

const WAL: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";

const HEADER: &str = " minute   tx/s  events/s  jobs/s | commit p50   p99 | event p50   p99 | job p50   p99 (ms) | under way | \
                      process | log heap + idx | jobs heap + idx | others (MiB) | WAL kB/tx";

pub(crate) struct Sampler {
    pool: PgPool,
    times: Arc<Times>,
    json: Option<LineWriter<File>>,
    last: (Duration, f64),
    newest: Option<Sample>,
}

#[derive(Clone, Serialize)]
struct Sample {
    minute: f64,
    transactions_per_second: f64,
    events_per_second: f64,
    jobs_per_second: f64,
    commit_ms: Percentiles,
    event_ms: Percentiles,
    job_ms: Percentiles,
    under_way: usize,
    process_mib: f64,
    wal_bytes_per_transaction: f64,
    tables: Vec<Table>,
    failures: u64,
}

#[derive(Clone, Serialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
}

#[derive(Clone, Serialize)]
struct Table {
    name: String,
    heap_bytes: i64,
    index_bytes: i64,
}

impl Percentiles {
    fn of(values: &mut [f64]) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (values.len().saturating_sub(1) as f64 * part).round() as usize;
            values.get(index).copied().unwrap_or(f64::NAN)
        };
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

impl Sampler {
    pub(crate) async fn new(url: &str, times: Arc<Times>, json: Option<&Path>) -> Result<Self> {
        let pool = PgPool::connect(url).await?;
        let json = json.map(File::create).transpose()?.map(LineWriter::new);
        let wal = sqlx::query_scalar(WAL).fetch_one(&pool).await?;
        println!("{HEADER}");
        Ok(Self { pool, times, json, last: (Duration::ZERO, wal), newest: None })
    }

    /// Takes a row, and prints it.
    pub(crate) async fn sample(&mut self, now: Duration) -> Result<()> {
        let Interval { mut commits, mut events, mut jobs, failures } = self.times.take();
        let wal: f64 = sqlx::query_scalar(WAL).fetch_one(&self.pool).await?;
        let seconds = (now - self.last.0).as_secs_f64();
        let transactions = commits.len() as f64;
        let sample = Sample {
            minute: now.as_secs_f64() / 60.0,
            transactions_per_second: transactions / seconds,
            events_per_second: events.len() as f64 / seconds,
            jobs_per_second: jobs.len() as f64 / seconds,
            commit_ms: Percentiles::of(&mut commits),
            event_ms: Percentiles::of(&mut events),
            job_ms: Percentiles::of(&mut jobs),
            under_way: self.times.under_way(),
            process_mib: resident_mib()?,
            wal_bytes_per_transaction: (wal - self.last.1) / transactions,
            tables: self.tables().await?,
            failures: failures.values().sum(),
        };
        self.last = (now, wal);
        sample.print();
        for (error, times) in failures {
            println!("         {times} transactions failed: {error}");
        }
        if let Some(json) = &mut self.json {
            writeln!(json, "{}", serde_json::to_string(&sample)?)?;
        }
        self.newest = Some(sample);
        Ok(())
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        let rows = sqlx::query(SIZES).fetch_all(&self.pool).await?;
        let table = |row: &sqlx::postgres::PgRow| {
            Ok(Table {
                name: row.try_get("relname")?,
                heap_bytes: row.try_get("heap")?,
                index_bytes: row.try_get("indexes")?,
            })
        };
        rows.iter().map(table).collect()
    }

    /// What the tables take that are not empty, in the end.
    pub(crate) fn finish(&self) {
        let Some(newest) = &self.newest else { return };
        println!("\ntables at the end (KiB): heap, indexes");
        for Table { name, heap_bytes, index_bytes } in
            newest.tables.iter().filter(|table| table.heap_bytes > 0)
        {
            println!("  {name:<28} {:>9} {:>9}", heap_bytes / 1_024, index_bytes / 1_024);
        }
    }
}

impl Sample {
    fn print(&self) {
        let of = |is_it: &dyn Fn(&str) -> bool| {
            let tables = || self.tables.iter().filter(|table| is_it(&table.name));
            let mib = |bytes: i64| bytes as f64 / 1_048_576.0;
            (
                mib(tables().map(|table| table.heap_bytes).sum()),
                mib(tables().map(|table| table.index_bytes).sum()),
            )
        };
        let is_log = |name: &str| name == "tidings_log";
        let is_jobs = |name: &str| name.starts_with("tidings_jobs");
        let (log, jobs) = (of(&is_log), of(&is_jobs));
        let others = of(&|name| !is_log(name) && !is_jobs(name));
        println!(
            "{:7.1} {:6.0} {:9.0} {:7.0} | {:10.2} {:5.1} | {:9.2} {:5.1} | {:7.2} {:5.1}      | {:9} | {:7.1} | {:8.1} + {:5.1} | {:9.1} + {:5.1} | {:12.1} | {:9.2}",
            self.minute,
            self.transactions_per_second,
            self.events_per_second,
            self.jobs_per_second,
            self.commit_ms.p50,
            self.commit_ms.p99,
            self.event_ms.p50,
            self.event_ms.p99,
            self.job_ms.p50,
            self.job_ms.p99,
            self.under_way,
            self.process_mib,
            log.0,
            log.1,
            jobs.0,
            jobs.1,
            others.0 + others.1,
            self.wal_bytes_per_transaction / 1_000.0,
        );
    }
}

/// What this process has in memory.
fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("there is no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1_024.0)
}
