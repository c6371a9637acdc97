//! What can be asked for, and what that means.

use std::path::PathBuf;

use clap::Parser;
use tidings_peers_contract::Result;

use crate::roster::{PROGRAMS, Program};
use crate::scenarios::Scenario;

#[derive(Parser)]
#[command(name = "tidings-peers", about = "Job queues and outboxes side by side on one PostgreSQL")]
pub(crate) struct Arguments {
    /// Only these programs, with commas between them: `floor,ours,pg-boss`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only this scenario; may be repeated
    #[arg(long, value_enum)]
    scenario: Vec<Scenario>,
    /// Rounds, in each of which every program has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// One short round: shows that everything runs, measures nothing
    #[arg(long)]
    quick: bool,
    /// Also write the report to this file, as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn roster(&self) -> Result<Vec<&'static Program>> {
        for name in &self.only {
            if !PROGRAMS.iter().any(|program| program.name == name) {
                let known: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
                return Err(format!("no program `{name}`; there are {}", known.join(", ")).into());
            }
        }
        let is_wanted =
            |program: &&Program| self.only.is_empty() || self.only.iter().any(|name| name == program.name);
        Ok(PROGRAMS.iter().filter(is_wanted).collect())
    }

    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        let all = <Scenario as clap::ValueEnum>::value_variants();
        if self.scenario.is_empty() { all.to_vec() } else { self.scenario.clone() }
    }

    pub(crate) fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        let tenth = |count: u32| if self.quick { count / 10 } else { count };
        Sizes {
            jobs: tenth(20_000),
            timed_jobs: tenth(500),
            counted_transactions: tenth(5_000),
            seconds: if self.quick { 0.5 } else { 2.0 },
        }
    }
}

/// How much of everything.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Enqueued in bulk, worked off, delivered.
    pub(crate) jobs: u32,
    /// Whose latency is taken.
    pub(crate) timed_jobs: u32,
    /// Whose bytes are counted.
    pub(crate) counted_transactions: u32,
    /// For callers that call as fast as they can.
    pub(crate) seconds: f64,
}
