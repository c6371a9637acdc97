//! `kill -9` at random moments under load.

use tidings_kill_tests::random::mix;

use crate::harness::{Campaign, Setting};

/// Rounds that share a database; then a new one begins, so that age is no help and no hindrance.
const ROUNDS_PER_DATABASE: u32 = 100;

/// Rounds between audits.
const ROUNDS_PER_AUDIT: u32 = 10;

pub(crate) fn rounds() -> u32 {
    let variable = std::env::var("TIDINGS_KILL_ROUNDS");
    variable.map_or(50, |rounds| rounds.parse().expect("TIDINGS_KILL_ROUNDS is a number"))
}

/// `TIDINGS_KILL_SEED` repeats the choices of an earlier run; the machine's own timing is not repeated by it.
pub(crate) fn seed() -> u64 {
    let variable = std::env::var("TIDINGS_KILL_SEED");
    let clock = || mix(std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64));
    variable.map_or_else(|_| clock(), |seed| seed.parse().expect("TIDINGS_KILL_SEED is a number"))
}

#[test]
fn nothing_is_lost_doubled_or_disordered() {
    let rounds = rounds();
    let mut campaign = Campaign::new("kill -9 under load", Setting::default(), seed());
    for round in 1..=rounds {
        campaign.round();
        if round % ROUNDS_PER_AUDIT != 0 && round != rounds {
            continue;
        }
        let found = campaign.audit();
        assert!(found.is_clean(), "after round {round}\n{}\n{found}", campaign.figures);
        if round % ROUNDS_PER_DATABASE == 0 {
            campaign.begin_anew(&found);
        } else if round == rounds {
            campaign.count(&found);
        }
    }
    eprintln!("{}", campaign.figures);
    assert!(campaign.figures.completed > u64::from(rounds), "there was no load to speak of");
    let jobs = &campaign.figures.jobs;
    assert!(jobs.lost > 0 && jobs.alone > 0 && jobs.repeats > 0, "the kills have hit no job: {jobs}");
}
