//! An audit that cannot fail proves nothing: each planted bug must be caught.

use tidings_kill_tests::plan::Twin;

use crate::harness::audit::Kind;
use crate::harness::{Campaign, Setting};
use crate::kill::seed;

/// A planted bug that survives this many kills would survive in earnest.
const ROUNDS_MAX: u32 = 60;

fn catch(name: &'static str, twin: Twin, kind: Kind) {
    let setting = Setting { twin: Some(twin), ..Setting::default() };
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
