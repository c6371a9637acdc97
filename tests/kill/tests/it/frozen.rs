//! A worker that is frozen past its lease, and thawed.
//!
//! Only one process has the file, so what a second worker does to a frozen one is seen with two applications on one store in
//! one process, each with a runtime of its own. The first one's is frozen in the middle of a charge, when the provider has
//! answered: with it its heartbeats stop. The second takes over, charges, and thaws the first, which then tries to finish.

use std::time::Duration;

use tidings_kill_tests::plan::{Order, Plan, Twin, Until};
use tidings_kill_tests::words::Word;

use crate::harness::audit::{Audit, Kind};
use crate::harness::provider::Faults;
use crate::harness::{Campaign, Setting, Victim};
use crate::kill::seed;

const LAST_SEQ: i64 = 12;
const LEASE_SECONDS: f64 = 0.3;

/// Freezes a charge, has another worker do it, and thaws it. Answers with how often the charge was refused to finish.
fn freeze_and_thaw(name: &'static str, twin: Option<Twin>) -> (Campaign, usize) {
    let setting = Setting { twin, trouble: false, faults: Faults::default(), ..Setting::default() };
    let mut campaign = Campaign::new(name, setting, seed());
    let base = Plan { last_seq: Some(LAST_SEQ), ..campaign.plan() };
    let filling = Plan { without: vec!["payments".to_owned()], until: Until::Settled, ..base.clone() };
    let end = Victim::start(&filling).end();
    assert!(end.is_orderly(), "{}", end.status);
    campaign.learn(&end);

    let order = Order { account: "a1".to_owned(), seq: 3 };
    let freeze = Some(order.clone());
    let plan = Plan { callers: Vec::new(), freeze, lease_seconds: LEASE_SECONDS, ..base };
    let mut victim = Victim::start(&plan);
    let is_frozen = |word: &Word| matches!(word, Word::Frozen { account, seq } if order.is(account, *seq));
    let is_charged =
        |word: &Word| matches!(word, Word::Charged { account, seq, .. } if order.is(account, *seq));
    let is_fenced =
        |word: &Word| matches!(word, Word::Fenced { account, seq, .. } if order.is(account, *seq));
    assert!(victim.hears(is_frozen), "{name}: the charge was not frozen");
    assert!(victim.hears(is_charged), "{name}: nobody took over");
    // The first is thawed by that, and says what came of it.
    assert!(
        victim.hears(|word| is_fenced(word) || is_charged(word)),
        "{name}: the first was not heard of again"
    );
    victim.tell_to_stop();
    let end = victim.end();
    assert!(end.is_orderly(), "{name}: {}", end.status);
    campaign.learn(&end);
    (campaign, end.words.iter().filter(|word| is_fenced(word)).count())
}

#[test]
fn a_worker_frozen_past_its_lease_cannot_finish() {
    let (mut campaign, refused) = freeze_and_thaw("a frozen worker", None);
    let found = campaign.audit();
    campaign.count(&found);
    eprintln!("{}", campaign.figures);
    assert_eq!(refused, 1, "the thawed worker was refused to finish");
    assert!(found.is_clean(), "{found}");
    assert!(found.jobs.lost > 0, "its attempt was lost, and another was made");
    assert!(found.jobs.repeats > 0, "the provider has recognised the charge");
}

#[test]
fn without_a_fence_it_can_and_is_caught() {
    let (mut campaign, refused) = freeze_and_thaw("a frozen worker without a fence", Some(Twin::NoFence));
    let found: Audit = campaign.audit();
    eprintln!("without a fence: {found}");
    assert_eq!(refused, 0, "the twin refuses nobody");
    assert!(found.has(Kind::Doubled), "{found}");
}

/// How often the whole process is stopped.
const STOPS: usize = 3;

/// When it goes on, its leases have lapsed, and nobody was there to take them over.
#[test]
fn a_process_that_is_stopped_past_its_lease_goes_on() {
    let mut campaign = Campaign::new("a stopped process", Setting::default(), seed());
    let plan = Plan { lease_seconds: LEASE_SECONDS, ..campaign.plan() };
    let mut victim = Victim::start(&plan);
    let is_charged = |word: &Word| matches!(word, Word::Charged { .. });
    for _ in 0..STOPS {
        assert!(victim.hears(is_charged), "it charges");
        victim.signal("STOP");
        // The time itself is what this is about.
        std::thread::sleep(Duration::from_secs_f64(LEASE_SECONDS * 1.5));
        victim.signal("CONT");
        assert!(victim.hears_next_within(Duration::from_secs(60), is_charged), "it goes on");
    }
    assert!(victim.is_alive());
    victim.tell_to_stop();
    let end = victim.end();
    assert!(end.is_orderly(), "{}", end.status);
    campaign.learn(&end);
    let found = campaign.audit();
    campaign.count(&found);
    eprintln!("{}", campaign.figures);
    assert!(found.is_clean(), "{found}");
}
