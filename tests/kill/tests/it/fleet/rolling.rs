//! Processes are stopped in order and started again, one after the other: nobody who asks meets an error.

use std::time::Duration;

use tidings_kill_tests::words::Word;

use super::{campaign, fleet};
use crate::harness::Setting;
use crate::harness::fleet::{Fleet, PROCESSES};
use crate::harness::provider::Faults;

/// Without other trouble, so that every error is the restart's.
fn quiet() -> Setting {
    Setting { trouble: false, faults: Faults::default(), ..Setting::default() }
}

#[test]
fn a_rolling_restart_is_not_noticed() {
    let Some(mut fleet) = fleet("rolling restarts", quiet()) else { return };
    roll_without_errors(&mut fleet, |_, _| {});
}

/// Modules that can be left out of a version: nobody sends them commands.
const MODULES: &[&str] = &["archive", "flaky", "history", "mirror", "payments"];

#[test]
fn versions_with_different_handlers_run_side_by_side() {
    let Some(mut fleet) = fleet("rolling upgrades and back", quiet()) else { return };
    let mut versions = 0;
    roll_without_errors(&mut fleet, move |fleet, place| {
        // The first process that is restarted decides what the next version has.
        if place == 0 {
            versions += 1;
        }
        let left_out = MODULES[versions / 2 % MODULES.len()];
        if versions % 2 == 0 { fleet.leave_out(place, &[]) } else { fleet.leave_out(place, &[left_out]) }
    });
}

fn roll_without_errors(fleet: &mut Fleet, mut choose: impl FnMut(&mut Fleet, usize)) {
    fleet.ends_in_order = true;
    // As by default: who stops in order gives back what he has, and nobody waits for his lease.
    fleet.lease = Duration::from_secs(15);
    campaign(fleet, |fleet| {
        for place in 0..PROCESSES {
            fleet.all_go_on();
            let Some(end) = fleet.stop(place) else { continue };
            let is_error = |word: &&Word| matches!(word, Word::Failed { .. });
            let errors: Vec<_> = end.words.iter().filter(is_error).take(3).collect();
            assert!(errors.is_empty(), "callers met errors: {errors:?}\n{}", fleet.figures());
            fleet.tally.hit("stops in order", 1);
            choose(fleet, place);
            fleet.launch(place);
            fleet.await_ready(place);
        }
        fleet.all_go_on();
    });
    assert_eq!(fleet.campaign.figures.jobs.lost, 0, "a worker that stopped in order was taken for lost");
}
