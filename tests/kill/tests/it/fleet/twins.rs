//! An audit that cannot fail proves nothing: each planted bug must be caught.

use tidings_kill_tests::plan::Twin;

use super::frozen::freeze;
use super::kill::kill_one;
use super::{Fleet, fleet, rough};
use crate::harness::Setting;
use crate::harness::audit::Kind;
use crate::harness::provider::Faults;

/// A planted bug that survives this many disturbances would survive in earnest.
const ROUNDS_MAX: u32 = 60;

fn catch(name: &'static str, twin: Twin, kind: Kind, disturb: fn(&mut Fleet)) {
    // Without other trouble, so that nothing but the disturbance brings the bug to light.
    let setting = Setting { twin: Some(twin), trouble: false, faults: Faults::default(), ..rough() };
    let Some(mut fleet) = fleet(name, setting) else { return };
    for round in 1..=ROUNDS_MAX {
        fleet.start();
        disturb(&mut fleet);
        let found = fleet.audit();
        if found.has(kind) {
            eprintln!("{name}: caught in round {round}; {found}");
            return;
        }
        assert!(found.is_clean(), "{name}: caught for another reason than the planted one: {found}");
    }
    panic!("{name}: {ROUNDS_MAX} rounds did not catch it\n{}", fleet.figures());
}

#[test]
fn a_cursor_that_moves_before_the_effects_is_caught() {
    catch("PostgreSQL: cursor before the effects", Twin::CursorBefore, Kind::Lost, kill_one);
}

#[test]
fn a_cursor_that_moves_after_the_effects_is_caught() {
    catch("PostgreSQL: cursor after the effects", Twin::CursorAfter, Kind::Doubled, kill_one);
}

#[test]
fn an_answer_before_the_commit_is_caught() {
    catch("PostgreSQL: answer before the commit", Twin::EarlyAck, Kind::Lost, kill_one);
}

#[test]
fn a_holder_that_commits_after_it_lost_its_partition_is_caught() {
    catch("PostgreSQL: no fence for partitions", Twin::NoFenceForPartitions, Kind::Doubled, freeze);
}

#[test]
fn a_worker_that_finishes_a_job_that_it_lost_is_caught() {
    catch("PostgreSQL: no fence for jobs", Twin::NoFence, Kind::Doubled, freeze);
}
