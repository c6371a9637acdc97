//! An audit that cannot fail proves nothing: each planted bug must be caught.

use tidings_kill_tests::plan::Twin;

use crate::harness::audit::Kind;
use crate::harness::provider::Faults;
use crate::harness::{Campaign, Setting};
use crate::kill::seed;

/// A planted bug that survives this many kills would survive in earnest.
const ROUNDS_MAX: u32 = 150;

fn catch(name: &'static str, twin: Twin, kind: Kind) {
    // Without other trouble, so that nothing but the kill brings the bug to light.
    let setting =
        Setting { twin: Some(twin), trouble: false, faults: Faults::default(), ..Setting::default() };
    let mut campaign = Campaign::new(name, setting, seed());
    for round in 1..=ROUNDS_MAX {
        campaign.round();
        let found = campaign.audit();
        if found.has(kind) {
            eprintln!("{name}: caught in round {round}; {found}");
            return;
        }
        assert!(found.is_clean(), "{name}: caught for another reason than the planted one: {found}");
    }
    panic!("{name}: {ROUNDS_MAX} rounds did not catch it\n{}", campaign.figures);
}

#[test]
fn a_cursor_that_moves_before_the_effects_is_caught() {
    catch("cursor before the effects", Twin::CursorBefore, Kind::Lost);
}

#[test]
fn a_cursor_that_moves_after_the_effects_is_caught() {
    catch("cursor after the effects", Twin::CursorAfter, Kind::Doubled);
}

#[test]
fn an_answer_before_the_commit_is_caught() {
    catch("answer before the commit", Twin::EarlyAck, Kind::Lost);
}

#[test]
fn a_job_that_is_completed_apart_from_its_effects_is_caught() {
    catch("completion apart from the effects", Twin::FinishApart, Kind::Doubled);
}

#[test]
fn a_job_that_is_told_to_be_done_before_the_commit_is_caught() {
    catch("completion told before the commit", Twin::EarlyFinish, Kind::Lost);
}

#[test]
fn a_dedupe_key_that_is_another_at_each_attempt_is_caught() {
    catch("a dedupe key per attempt", Twin::KeyPerAttempt, Kind::Doubled);
}
