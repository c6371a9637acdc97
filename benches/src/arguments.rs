//! What can be asked for, and what that means.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;

use crate::scenarios::Scenario;

#[derive(Parser)]
#[command(name = "tidings-benches", about = "Figures of Tidings, each beside a hand-written floor")]
pub(crate) struct Arguments {
    /// Run only this scenario; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Scenario>,
    /// Two short rounds: shows that everything runs, measures nothing
    #[arg(long)]
    quick: bool,
    /// Rounds of each side
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Where the database files go; the disk is part of what is measured [default: the system's temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also write the report to this file, as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Run one side alone and print no ratio: for a profiler
    #[arg(long, value_enum)]
    side: Option<Side>,
}

/// One of the two that are compared.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Side {
    /// Tidings
    Ours,
    /// The hand-written code beside it
    Floor,
}

/// What every scenario needs to know.
pub(crate) struct Bench {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) rounds: u32,
    pub(crate) side: Option<Side>,
    quick: bool,
    folder: TempDir,
}

impl Arguments {
    pub(crate) fn bench(&self) -> tidings::Result<Bench> {
        let folder = match &self.dir {
            Some(dir) => tempfile::tempdir_in(dir),
            None => tempfile::tempdir(),
        };
        let all = <Scenario as clap::ValueEnum>::value_variants();
        Ok(Bench {
            scenarios: if self.only.is_empty() { all.to_vec() } else { self.only.clone() },
            rounds: if self.quick { 2 } else { self.rounds },
            side: self.side,
            quick: self.quick,
            folder: folder?,
        })
    }
}

impl Bench {
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// How long one side of one round runs.
    pub(crate) fn round(&self) -> Duration {
        Duration::from_millis(if self.quick { 150 } else { 1_000 })
    }

    /// `count`, or a tenth of it in a quick run.
    pub(crate) fn scaled(&self, count: usize) -> usize {
        if self.quick { count / 10 } else { count }
    }

    /// A folder of its own for one side of one round, so that both begin with a fresh file.
    pub(crate) fn fresh(&self) -> tidings::Result<TempDir> {
        Ok(tempfile::tempdir_in(self.folder())?)
    }
}
