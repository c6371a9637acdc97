//! Rounds: in each, every program has its turn at every scenario.

use serde::Serialize;
use tidings_peers_contract::Result;

use crate::arguments::Arguments;
use crate::figure::{self, Figure};
use crate::postgres::Server;
use crate::prepare::Roster;
use crate::program::{About, Ready};
use crate::roster::Side;
use crate::scenarios::Bench;

/// Everything that came out.
#[derive(Serialize)]
pub(crate) struct Measurements {
    pub(crate) rounds: u32,
    pub(crate) is_quick: bool,
    pub(crate) figures: Vec<Figure>,
    pub(crate) programs: Vec<Known>,
    /// Who could not be had, and why.
    pub(crate) missing: Vec<(&'static str, String)>,
    /// What went wrong with whom.
    pub(crate) failures: Vec<(&'static str, String)>,
}

/// What is known of a program.
#[derive(Serialize)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    #[serde(skip)]
    pub(crate) side: Side,
    pub(crate) about: About,
}

pub(crate) async fn all(server: &Server, roster: &Roster, arguments: &Arguments) -> Result<Measurements> {
    let known = |ready: &Ready| Known {
        name: ready.program.name,
        side: ready.program.side,
        about: ready.about.clone(),
    };
    let mut measured = Measurements {
        rounds: arguments.rounds(),
        is_quick: arguments.sizes().jobs < 20_000,
        figures: Vec::new(),
        programs: roster.ready.iter().map(known).collect(),
        missing: roster.missing.clone(),
        failures: Vec::new(),
    };
    let mut running = Vec::new();
    for ready in &roster.ready {
        match server.make_template(ready).await {
            Ok(()) => running.push(ready),
            Err(error) => measured.fail(ready, "its tables", error.as_ref()),
        }
    }
    for round in 0..arguments.rounds() {
        for scenario in arguments.scenarios() {
            eprintln!("round {} of {}: {scenario:?}", round + 1, arguments.rounds());
            // Somebody else begins in each round, so that nobody always comes after the same one.
            let from = round as usize % running.len().max(1);
            for ready in running[from..].iter().chain(&running[..from]) {
                let bench = Bench { server, ready, sizes: arguments.sizes() };
                let mut figures = Vec::new();
                if let Err(error) = scenario.run(&bench, &mut figures).await {
                    measured.fail(ready, &format!("{scenario:?}"), error.as_ref());
                }
                figure::add(&mut measured.figures, ready.program.name, figures);
            }
        }
    }
    for ready in &roster.ready {
        server.forget(ready).await?;
    }
    Ok(measured)
}

impl Measurements {
    fn fail(&mut self, ready: &Ready, at: &str, error: &dyn std::error::Error) {
        let failure = format!("{at}: {error}");
        eprintln!("failed: {}: {failure}", ready.program.name);
        self.failures.push((ready.program.name, failure));
    }
}
