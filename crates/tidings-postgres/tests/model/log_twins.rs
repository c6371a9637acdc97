//! The log's algorithm holds, and each of its twins is caught.

use crate::checker::{finds, holds};
use crate::log::{Algorithm, Bounds, Log};

const SMALL: Bounds = Bounds {
    transactions: 3,
    rows: 1,
    touches: true,
    savepoints: false,
    crashes: 0,
    from_now: false,
    limit: 1,
    walk: 9,
};

fn windows(bounds: Bounds) -> Log {
    Log { bounds, algorithm: Algorithm::Windows }
}

/// Each committed message is delivered exactly once and after its causes, whoever is open.
#[test]
fn a_window_cursor_delivers_each_message_once_and_after_its_causes() {
    holds("the log, three transactions", &windows(Bounds { limit: 2, ..SMALL }));
    holds("the log, three transactions, one row at a time", &windows(SMALL));
}

#[test]
fn several_messages_of_a_transaction_keep_their_order() {
    let bounds = Bounds { rows: 2, touches: false, limit: 2, ..SMALL };
    holds("the log, three transactions of two rows", &windows(bounds));
}

/// A read looks at a number of rows only, so that one that finds nothing holds a connection for a bounded time.
#[test]
fn a_walk_that_stops_goes_on_where_it_stopped() {
    let bounds = Bounds { transactions: 4, touches: false, limit: 2, walk: 1, ..SMALL };
    holds("the log, four transactions, a walk of one row", &windows(bounds));
}

#[test]
fn who_begins_with_what_is_new_misses_nothing_of_it() {
    holds("the log, a reader that comes later", &windows(Bounds { from_now: true, ..SMALL }));
}

#[test]
fn savepoints_change_nothing() {
    let bounds = Bounds { transactions: 2, rows: 2, savepoints: true, touches: false, ..SMALL };
    holds("the log, with savepoints", &windows(bounds));
}

#[test]
fn a_crash_of_the_server_loses_and_repeats_nothing() {
    holds("the log, with a crash of the server", &windows(Bounds { crashes: 1, ..SMALL }));
}

fn twin(algorithm: Algorithm, bounds: Bounds, expected: &str) {
    finds(&format!("twin {algorithm:?}"), expected, &Log { bounds, algorithm });
}

#[test]
fn a_reader_by_sequence_is_caught() {
    twin(Algorithm::BySequence, SMALL, "is skipped");
}

/// It has both faults: it waits for strangers, and it breaks causal order. The first is found with two transactions
/// of which one publishes nothing; for the second everybody publishes, and a reader that only waits is let off.
#[test]
fn a_reader_by_transaction_id_is_caught() {
    twin(Algorithm::ByTransaction, SMALL, "has to wait for another's end");
    twin(Algorithm::ByTransactionIfItMayWait, SMALL, "before its cause");
}

#[test]
fn a_snapshot_that_is_taken_after_reading_is_caught() {
    twin(Algorithm::SnapshotAfterReading, SMALL, "is skipped");
}

#[test]
fn a_window_whose_end_moves_while_it_is_half_read_is_caught() {
    twin(Algorithm::EndMovesWhileReading, SMALL, "is skipped");
}

#[test]
fn rows_that_carry_the_id_of_a_savepoint_are_caught() {
    twin(Algorithm::IdsOfSavepoints, Bounds { savepoints: true, ..SMALL }, "is skipped");
}

#[test]
fn reading_beyond_the_walk_is_caught() {
    let bounds = Bounds { limit: 3, walk: 1, ..SMALL };
    twin(Algorithm::BeyondTheWalk, bounds, "is delivered twice");
}

#[test]
fn a_sequence_that_caches_is_caught() {
    twin(Algorithm::CachedPositions, SMALL, "before its cause");
}

#[test]
fn a_batch_that_outlives_the_server_is_caught() {
    twin(Algorithm::ReadBeforeACrash, Bounds { crashes: 1, ..SMALL }, "is skipped");
}

#[test]
fn a_cursor_that_is_committed_before_the_effects_is_caught() {
    twin(Algorithm::CursorFirst, SMALL, "is skipped");
}
