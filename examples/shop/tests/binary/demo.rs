//! `shop demo`, and what can be done with the database it leaves.

use std::path::Path;

use crate::{shop, told};

fn demo(file: &Path) -> std::process::Output {
    shop().args(["demo", "--orders", "40", "--file"]).arg(file).output().unwrap()
}

pub(crate) fn dead_letters(file: &Path, more: &[&str]) -> String {
    let output = shop().args(["dead-letters", "--file"]).arg(file).args(more).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    crate::text(&output.stdout)
}

#[test]
fn the_demo_settles_and_its_numbers_agree() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let output = demo(&file);
    let told = told(&output);
    assert!(output.status.success(), "{told}");
    for expected in [
        "40 orders placed over HTTP",
        "2 of them were sent twice with the same idempotency key",
        "│ OnBackorder ┆      2 ┆",
        "│ mail     ┆ notifications.send-mail ┆",
        "Dead: notifications.send-mail, attempt ",
        ": the provider answered `POST /mails` with 422 Unprocessable Entity",
        "What the provider has booked",
        "│ orders.placed                ┆    40 │",
        "│ payments.initiated           ┆    39 │",
        "│ orders.placed             ┆    40 ┆",
        "`payments.follow-orders` failed on orders.placed 4 times:",
        "CHECK constraint failed: amount_cents > 0",
        "Behind it waits orders.cancelled, until a person retries or discards the dead letter.",
        "What one order caused: ",
        "event orders.placed v1",
        "job payments.charge in queue payments: completed",
        "  ok     every order has settled as planned",
        "  ok     the provider has the money of paid orders, and of no others",
        "  ok     nobody was charged twice, and no key was booked twice",
        "  ok     every mail was sent once, but for those that nobody can deliver",
        "  ok     no job is dead but those mails",
        "  ok     goods are set aside for reserved orders, and for no others",
        "  ok     what was delivered is in the warehouse or was shipped",
        "  ok     analytics has counted every order once",
        "  ok     the poison order is dead, and only its own key waits",
        "Where to look next",
    ] {
        assert!(told.contains(expected), "no `{expected}` in\n{told}");
    }
    assert!(
        output.stderr.is_empty(),
        "without a terminal there is no progress bar, and there is no news\n{told}"
    );
    its_database_can_be_worked_on(&file);
}

/// What the demo left is still there for another process: the dead letter, and what waits behind it.
fn its_database_can_be_worked_on(file: &Path) {
    let again = demo(file);
    assert_eq!(again.status.code(), Some(1), "it must not be overwritten unasked: {}", told(&again));
    assert!(told(&again).contains("`--force` replaces it"), "{}", told(&again));

    let listed = dead_letters(file, &[]);
    assert!(listed.contains("behind it waits orders.cancelled"), "{listed}");
    assert_eq!(listed.matches("job notifications.send-mail of order_id:").count(), 2, "{listed}");
    assert!(!listed.contains("nowhere.invalid"), "{listed}");
    let discarded = dead_letters(file, &["--discard", "samples are free"]);
    assert!(discarded.contains("what waited behind them has been handled"), "{discarded}");
    assert_eq!(dead_letters(file, &[]), "no dead letters\n");
}

/// Whoever looks for dead letters beside a shop that is open must leave its provider's ledger alone, too.
#[test]
fn a_shop_that_is_open_is_not_opened_twice() {
    let server = crate::server::Server::start();
    let ledger = server.ledger_file().to_owned();
    // As a booking looks while it is being written.
    std::fs::write(&ledger, "{\"at\":").unwrap();
    let output =
        shop().args(["dead-letters", "--file"]).arg(ledger.with_file_name("shop.db")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "{\"at\":");
}

#[test]
fn a_database_that_is_not_there_is_not_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.db");
    let output = shop().args(["dead-letters", "--file"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("there is no database"), "{}", told(&output));
    assert!(!file.exists());
}
