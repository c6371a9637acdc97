//! Power failures: unsynced writes are lost with the process.

use tidings_kill_tests::plan::Durability;

use crate::harness::audit::Kind;
use crate::harness::{Campaign, Setting};
use crate::kill::{rounds, seed};

fn setting(durability: Durability) -> Setting {
    Setting { vfs: Some("forgetful"), durability, ..Setting::default() }
}

#[test]
fn full_survives_power_failures() {
    let rounds = rounds();
    let mut campaign = Campaign::new("power failures with FULL", setting(Durability::Full), seed());
    for round in 1..=rounds {
        campaign.round();
        if round % 5 == 0 || round == rounds {
            let found = campaign.audit();
            assert!(found.is_clean(), "after round {round}\n{}\n{found}", campaign.figures);
            if round % 50 == 0 && round != rounds {
                campaign.begin_anew(&found);
            } else if round == rounds {
                campaign.count(&found);
            }
        }
    }
    eprintln!("{}", campaign.figures);
    assert!(campaign.figures.completed > u64::from(rounds), "there was no load to speak of");
    let jobs = &campaign.figures.jobs;
    assert!(jobs.lost > 0 && jobs.alone > 0 && jobs.repeats > 0, "the kills have hit no job: {jobs}");
}

/// The shim must be able to hurt: with NORMAL the last commits before a power failure are gone.
#[test]
fn normal_does_not() {
    let mut campaign = Campaign::new("power failures with NORMAL", setting(Durability::Normal), seed());
    for round in 1..=20 {
        campaign.round();
        let found = campaign.audit();
        if found.has(Kind::Lost) {
            eprintln!("NORMAL: acknowledged commits were lost in round {round}; {found}");
            assert!(!found.has(Kind::Corrupt), "what is left must still be a database: {found}");
            return;
        }
    }
    panic!("20 power failures took nothing: the shim forgets nothing");
}
