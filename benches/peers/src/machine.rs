//! What the figures were measured on.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tidings_peers_contract::Result;

use crate::figure::percentile;
use crate::postgres::Server;
use crate::settings::{self, Setting};

const TIMES: usize = 200;

#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cpus: usize,
    /// Load averages over 1, 5 and 15 minutes.
    pub(crate) load_before: Option<[f64; 3]>,
    /// Writing 4 KiB and pressing it onto the disk of the target folder.
    pub(crate) fdatasync_p50_us: f64,
    /// One row and its commit, as one caller sees it: it has the server's own disk in it.
    pub(crate) commit_p50_us: f64,
    pub(crate) postgres: String,
    pub(crate) settings: Vec<Setting>,
}

impl Machine {
    pub(crate) async fn look(server: &Server, folder: &Path) -> Result<Self> {
        Ok(Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            cpus: std::thread::available_parallelism()?.get(),
            load_before: load_averages(),
            fdatasync_p50_us: fdatasync_p50_us(folder)?,
            commit_p50_us: commit_p50_us(server).await?,
            postgres: sqlx::query_scalar("SHOW server_version").fetch_one(server.admin()).await?,
            settings: settings::read(server).await?,
        })
    }
}

/// The load averages, where the system tells.
pub(crate) fn load_averages() -> Option<[f64; 3]> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let mut numbers = text.split(' ').map_while(|word| word.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

fn fdatasync_p50_us(folder: &Path) -> Result<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let started = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(percentile(&mut took, 50.0))
}

async fn commit_p50_us(server: &Server) -> Result<f64> {
    let mut connection = server.admin().acquire().await?;
    let table = "DROP TABLE IF EXISTS peers_commits; CREATE TABLE peers_commits (number integer)";
    sqlx::raw_sql(table).execute(&mut *connection).await?;
    let mut took = Vec::with_capacity(TIMES);
    for number in 0..i32::try_from(TIMES)? {
        let started = Instant::now();
        sqlx::query("INSERT INTO peers_commits VALUES ($1)").bind(number).execute(&mut *connection).await?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    sqlx::raw_sql("DROP TABLE peers_commits").execute(&mut *connection).await?;
    Ok(percentile(&mut took, 50.0))
}
