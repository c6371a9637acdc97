//! A disk that is full for a while.

use std::fs::File;

use tidings_kill_tests::words::Word;

use crate::harness::{Campaign, Setting, Victim};
use crate::kill::seed;

#[test]
fn a_full_disk_refuses_clearly_and_harms_nothing() {
    let setting = Setting { vfs: Some("bounded"), ..Setting::default() };
    let mut campaign = Campaign::new("a full disk", setting, seed());
    let mut victim = Victim::start(&campaign.plan());
    wait_for_answers(&mut victim);

    let marker = campaign.database().with_file_name("books.db-full");
    File::create(&marker).expect("the marker can be made");
    let says_full = |word: &Word| matches!(word, Word::Failed { error, .. } if error.contains("full"));
    assert!(victim.hears(says_full), "the victim ended instead of saying that the disk is full");
    // Every caller keeps asking, and is refused; nobody dies of it.
    for account in ["a0", "a1", "a2", "a3", "a4", "a5"] {
        assert!(victim.hears(
            |word| says_full(word) && matches!(word, Word::Failed { account: of, .. } if of == account)
        ));
    }
    assert!(victim.is_alive());

    std::fs::remove_file(&marker).expect("the marker is there");
    wait_for_answers(&mut victim);
    victim.tell_to_stop();
    let end = victim.end();
    assert!(end.is_orderly(), "{}", end.status);
    campaign.learn(&end);
    let found = campaign.audit();
    campaign.count(&found);
    eprintln!("{}", campaign.figures);
    assert!(found.is_clean(), "{found}");
}

/// Twenty of each caller.
fn wait_for_answers(victim: &mut Victim) {
    for account in ["a0", "a1", "a2", "a3", "a4", "a5"] {
        for _ in 0..20 {
            assert!(victim.hears(|word| matches!(word, Word::Done { account: of, .. } if of == account)));
        }
    }
}
