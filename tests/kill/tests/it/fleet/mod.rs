//! The kill matrix over PostgreSQL: several processes share a database, and are disturbed.

mod cut;
mod frozen;
mod kill;
mod restart;
mod rolling;
mod terminate;
mod twins;

use std::time::Instant;

use crate::harness::Setting;
use crate::harness::fleet::{Fleet, PROCESSES, Tally};
use crate::harness::postgres::server_url;
use crate::kill::seed;

/// Rounds between audits.
const ROUNDS_PER_AUDIT: u32 = 10;

/// Few by default, since each takes seconds.
fn rounds() -> u32 {
    let variable = std::env::var("TIDINGS_FLEET_ROUNDS");
    variable.map_or(3, |rounds| rounds.parse().expect("TIDINGS_FLEET_ROUNDS is a number"))
}

/// A fleet on the server that is there for tests, if there is one.
fn fleet(name: &'static str, setting: Setting) -> Option<Fleet> {
    Some(Fleet::new(name, &server_url()?, setting, seed()))
}

/// With everything that goes wrong besides; some handlers cannot be called off, so that nothing but their leases stops them.
fn rough() -> Setting {
    Setting { stubborn: true, ..Setting::default() }
}

/// Rounds of a disturbance under load, with audits.
fn campaign(fleet: &mut Fleet, mut disturb: impl FnMut(&mut Fleet)) {
    let rounds = rounds();
    for round in 1..=rounds {
        fleet.start();
        disturb(fleet);
        fleet.figures_mut().rounds += 1;
        if round % ROUNDS_PER_AUDIT == 0 || round == rounds {
            fleet.check(round, round == rounds);
        }
    }
    eprintln!("{}", fleet.figures());
    let completed = fleet.campaign.figures.completed;
    assert!(completed > u64::from(rounds) * PROCESSES as u64, "there was no load to speak of");
}

/// Does something to one of the processes, and waits until others have taken over what it had.
fn take_from(fleet: &mut Fleet, place: usize, disable: impl FnOnce(&mut Fleet)) {
    let process = fleet.victim(place).id();
    let had = fleet.leases.held_by(process);
    let since = Instant::now();
    disable(fleet);
    match fleet.leases.are_taken_from(&had, Tally::patience()) {
        Some(at) => fleet.tally.taken_over(at - since, had.partitions, had.claims),
        None => panic!(
            "nobody took over within {:?} what process {process} had: {had:?}\n{}\n{}",
            Tally::patience(),
            fleet.figures(),
            fleet.database.url()
        ),
    }
}

/// One of the processes.
fn any(fleet: &mut Fleet) -> usize {
    usize::try_from(fleet.campaign.random.below(PROCESSES as u64)).expect("it is small")
}
