//! Two processes on one database.

use tidings_kill_tests::words::Word;

use crate::harness::{Campaign, Setting, Victim};
use crate::kill::seed;

#[test]
fn the_second_process_is_refused_and_told_who_is_there() {
    let mut campaign = Campaign::new("two processes", Setting::default(), seed());
    let plan = campaign.plan();
    let mut first = Victim::start(&plan);
    assert!(first.hears(|word| *word == Word::Ready));

    let second = Victim::start(&plan).end();
    assert!(!second.is_orderly(), "the second process ran");
    let refusal = second.words.iter().find_map(|word| match word {
        Word::Refused(why) => Some(why.clone()),
        _ => None,
    });
    let refusal = refusal.expect("a process that does not start says why");
    assert!(refusal.contains(&format!("process {}", first.id())), "{refusal}");
    assert!(!second.words.iter().any(|word| matches!(word, Word::Done { .. })), "the second process worked");

    // The first goes on as if nothing had been.
    for account in ["a0", "a1", "a2"] {
        assert!(first.hears(|word| matches!(word, Word::Done { account: of, .. } if of == account)));
    }
    // A holder that is killed holds nothing: the next process starts at once.
    let end = first.kill();
    campaign.learn(&end);
    let found = campaign.audit();
    assert!(found.is_clean(), "{found}");
}
