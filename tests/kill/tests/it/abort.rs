//! An event that ends the process.
//!
//! How many ends it takes to be rid of it, with the default `listeners.kills_max` of 3: the first is unmarked, for in
//! normal running nothing is written down. From then on each batch is marked before it runs, 16 messages at first and
//! half as many after each end, so the four marks of 16, 8, 4 and 2 cost one end each. Then the event is alone, and is
//! condemned when it has ended the process three times. 1 + 4 + 3 = 8 ends, and the restart after the eighth lives.
//!
//! A job that ends the process is on record with what ran beside it, and from then on runs alone: with a `jobs.kills_max` of
//! 5 it is dead after 1 + 5 = 6 ends.

use std::path::PathBuf;

use tidings_kill_tests::plan::{Order, Plan, Poison, Until};
use tidings_kill_tests::words::Word;

use crate::harness::audit::{Condemned, Expected};
use crate::harness::{Campaign, Setting, Victim};
use crate::kill::seed;

const ENDS_MAX: u32 = 8;

/// Enough that the poisoned event is in the middle of a full batch, and later ones of its key are in the same and in the
/// next.
const LAST_SEQ: i64 = 90;

/// The module with the poisoned listener and two innocent ones come later, so that all find the same long log.
const LATECOMERS: [&str; 3] = ["flaky", "history", "archive"];

fn is_rid_of_poison(name: &'static str, seq: i64, after: Option<PathBuf>) {
    let mut campaign = Campaign::new(name, Setting { trouble: false, ..Setting::default() }, seed());
    let base = Plan { last_seq: Some(LAST_SEQ), until: Until::Settled, ..campaign.plan() };
    let filling = Plan { without: LATECOMERS.map(str::to_owned).to_vec(), ..base.clone() };
    let end = Victim::start(&filling).end();
    assert!(end.is_orderly(), "{}", end.status);
    campaign.learn(&end);

    let poison = Poison { account: "a2".to_owned(), seq, after };
    let plan = Plan { callers: Vec::new(), poison: Some(poison), ..base };
    let mut ends = 0;
    let survivor = loop {
        let end = Victim::start(&plan).end();
        if !end.aborted() {
            break end;
        }
        ends += 1;
        assert!(ends <= ENDS_MAX, "{name}: the event has ended the process {ends} times");
    };
    eprintln!("{name}: rid of it after {ends} ends of at most {ENDS_MAX}");
    assert!(ends > 0, "the poison did nothing");
    assert!(survivor.is_orderly() && survivor.said(&Word::Settled), "{}", survivor.status);

    // Other keys go on, and so do other consumers of the same event: new commands are handled by all of them.
    let more = Plan { callers: campaign.acks.callers(), last_seq: Some(LAST_SEQ + 30), ..plan };
    let end = Victim::start(&more).end();
    assert!(end.is_orderly() && end.said(&Word::Settled), "{}", end.status);
    campaign.learn(&end);
    let condemned = Condemned { consumer: "flaky.note", account: "a2", seq };
    let found = campaign.audit_as_it_is(&Expected { condemned: Some(condemned), lethal: None });
    assert!(found.is_clean(), "{name}: {found}");
}

#[test]
fn an_event_that_ends_the_process_is_isolated_and_parked() {
    is_rid_of_poison("poison in a batch", 7, None);
}

#[test]
fn the_very_first_event_too() {
    is_rid_of_poison("poison at the start", 1, None);
}

#[test]
fn and_one_that_does_so_when_it_is_tried_again() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    is_rid_of_poison("poison that was parked before", 7, Some(folder.path().join("tasted")));
}

const KILLS_MAX: u32 = 5;

#[test]
fn a_job_that_ends_the_process_is_dead_and_nothing_else_is() {
    let name = "a lethal job";
    let mut campaign = Campaign::new(name, Setting { trouble: false, ..Setting::default() }, seed());
    // The modules that enqueue and do the charges come later, so that many of them run when the first end comes.
    let base = Plan {
        last_seq: Some(LAST_SEQ),
        until: Until::Settled,
        kills_max: Some(KILLS_MAX),
        ..campaign.plan()
    };
    let filling = Plan { without: vec!["payments".to_owned()], ..base.clone() };
    let end = Victim::start(&filling).end();
    assert!(end.is_orderly(), "{}", end.status);
    campaign.learn(&end);

    let lethal = Order { account: "a0".to_owned(), seq: 9 };
    let plan = Plan { callers: Vec::new(), lethal: Some(lethal.clone()), ..base };
    let mut ends = 0;
    let survivor = loop {
        let end = Victim::start(&plan).end();
        campaign.learn(&end);
        if !end.aborted() {
            break end;
        }
        ends += 1;
        assert!(ends <= 1 + KILLS_MAX, "{name}: the job has ended the process {ends} times");
    };
    assert!(ends > 0, "the lethal job did nothing");
    assert!(survivor.is_orderly() && survivor.said(&Word::Settled), "{}", survivor.status);

    let more = Plan { callers: campaign.acks.callers(), last_seq: Some(LAST_SEQ + 30), ..plan };
    let end = Victim::start(&more).end();
    assert!(end.is_orderly() && end.said(&Word::Settled), "{}", end.status);
    campaign.learn(&end);
    let found = campaign.audit_as_it_is(&Expected { condemned: None, lethal: Some(&lethal) });
    eprintln!("{name}: dead after {ends} ends of at most {}; {}", 1 + KILLS_MAX, found.jobs);
    assert!(found.is_clean(), "{name}: {found}");
}
