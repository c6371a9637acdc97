//! What the figures were measured on.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::measure::percentile;

const FDATASYNCS: usize = 200;

#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cpus: usize,
    /// Load averages over 1, 5 and 15 minutes.
    pub(crate) load_before: Option<[f64; 3]>,
    /// Writing 4 KiB and pressing it onto the disk, in the folder of the databases.
    pub(crate) fdatasync_p50_us: f64,
    pub(crate) sqlite: &'static str,
    pub(crate) settings: &'static str,
}

impl Machine {
    pub(crate) fn look(folder: &Path) -> tidings::Result<Self> {
        Ok(Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            cpus: std::thread::available_parallelism()?.get(),
            load_before: load_averages(),
            fdatasync_p50_us: fdatasync_p50_us(folder)?,
            sqlite: rusqlite::version(),
            settings: "WAL, synchronous=FULL on both sides; Tidings' defaults; a fresh file for each side of each round",
        })
    }
}

/// The load averages, where the system tells.
pub(crate) fn load_averages() -> Option<[f64; 3]> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let mut numbers = text.split(' ').map_while(|word| word.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

fn fdatasync_p50_us(folder: &Path) -> tidings::Result<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut took = Vec::with_capacity(FDATASYNCS);
    for _ in 0..FDATASYNCS {
        let started = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(percentile(&mut took, 50.0))
}
