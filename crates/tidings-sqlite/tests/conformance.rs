//! The conformance suites against real files, and against twins of the store with a planted bug.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use tidings_core::store::Store;
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::factory::{LayeredFactory, StoreFactory, TestDatabase};
use tidings_testkit::layer::Layer;
use tidings_testkit::suite::{self, assert_catches};
use tidings_testkit::twins;

struct Fresh;

#[async_trait]
impl StoreFactory for Fresh {
    async fn fresh(&self) -> Box<dyn TestDatabase> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log.db");
        Box::new(Database { store: open(&path).await, path, folder, crashed: Vec::new() })
    }
}

struct Database {
    folder: TempDir,
    path: PathBuf,
    store: Arc<dyn Store>,
    /// Stores that "crashed": they go on, on a file that nobody looks at any more.
    crashed: Vec<Arc<dyn Store>>,
}

/// A small queue, so that the suite of overload need not start thousands of works.
const QUEUE_MAX: usize = 256;

async fn open(path: &Path) -> Arc<dyn Store> {
    let config = SqliteConfig { queue_max: QUEUE_MAX, ..SqliteConfig::new(path) };
    Arc::new(SqliteStore::open(config).await.expect("the file opens"))
}

#[async_trait]
impl TestDatabase for Database {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) -> Arc<dyn Store> {
        // The suite may have closed it already; that is no error.
        let _ = self.store.close().await;
        self.store = open(&self.path).await;
        self.store()
    }

    /// Opens a copy of the files as they are now: what a process that is killed at this moment leaves behind.
    async fn crash(&mut self) -> Arc<dyn Store> {
        let number = self.crashed.len() + 1;
        let copy = self.folder.path().join(format!("crash-{number}.db"));
        for suffix in ["", "-wal"] {
            let (from, to) = (with_suffix(&self.path, suffix), with_suffix(&copy, suffix));
            if from.exists() {
                std::fs::copy(from, to).expect("a file is copied");
            }
        }
        let next = open(&copy).await;
        self.crashed.push(std::mem::replace(&mut self.store, next));
        self.path = copy;
        self.store()
    }

    fn waiting_max(&self) -> Option<usize> {
        Some(QUEUE_MAX)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

tidings_testkit::conformance!(log, Fresh);
tidings_testkit::conformance!(lives, Fresh);
tidings_testkit::conformance!(outcomes, Fresh);
tidings_testkit::conformance!(flow, Fresh);
tidings_testkit::conformance!(work, Fresh);
tidings_testkit::conformance!(retention, Fresh);
tidings_testkit::conformance!(read, Fresh);
tidings_testkit::conformance!(tables, Fresh);
tidings_testkit::conformance!(guard, Fresh);

/// The same with every work on the typed driver.
mod on_sqlx {
    use tidings_testkit::on_driver::OnDriver;

    use super::*;

    fn typed() -> LayeredFactory<Fresh> {
        LayeredFactory::new(Fresh, || Arc::new(OnDriver("sqlx")))
    }

    tidings_testkit::conformance!(log, typed());
    tidings_testkit::conformance!(lives, typed());
    tidings_testkit::conformance!(outcomes, typed());
    tidings_testkit::conformance!(flow, typed());
    tidings_testkit::conformance!(work, typed());
    tidings_testkit::conformance!(retention, typed());
    tidings_testkit::conformance!(read, typed());
    tidings_testkit::conformance!(tables, typed());
    tidings_testkit::conformance!(guard, typed());
}

/// Each planted bug, a suite that must see it, and the promise that it must name.
macro_rules! caught {
    ($($name:ident: $twin:ty, $($suite:ident)::+, $promise:literal;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let twin = || Arc::new(<$twin>::default()) as Arc<dyn Layer>;
            let factory = LayeredFactory::new(Fresh, twin);
            assert_catches(async move { $($suite)::+(&factory).await }, $promise).await;
        }
    )+};
}

mod caught {
    use super::*;

    caught! {
        a_cursor_apart: twins::CursorApart, suite::log::fencing::the_cursor_moves_with_the_effects,
            "a cursor does not move without its effects";
        a_cursor_apart_under_faults: twins::CursorApart, suite::log::fencing::effects_happen_once_whatever_fails,
            "effects happen exactly once";
        no_fence: twins::NoFence, suite::log::fencing::a_void_lease_writes_nothing, "under a void lease answers Fenced";
        no_fence_between_holders: twins::NoFence, suite::log::fencing::a_new_holder_voids_earlier_leases,
            "under a void lease answers Fenced";
        an_early_acknowledgement: twins::EarlyAck, suite::log::visibility::what_is_acknowledged_survives_a_crash,
            "what is acknowledged survives a crash";
        a_reader_that_skips: twins::SkipsSome, suite::log::concurrent::no_reader_skips_or_repeats_a_committed_message,
            "no reader skips a committed message";
        a_reader_in_reverse: twins::Reversed, suite::log::reading::messages_come_in_the_order_of_their_appending,
            "messages are read in the order of their appending";
        an_effect_before_its_cause: twins::Reversed, suite::log::concurrent::no_consumer_sees_an_effect_before_its_cause,
            "no consumer sees an effect before its cause";
        forgotten_followers: twins::ForgetsBehind, suite::log::parking::a_parked_head_holds_its_key,
            "head first, then what waits behind it";
        a_receipt_for_the_parked: twins::CoversParked, suite::log::receipts::receipts_cover_exactly_what_was_handled,
            "receipts cover exactly the handled";
        what_is_unread_taken_for_handled: twins::ClaimsUnread, suite::flow::each_handling_is_told_as_it_stands,
            "what is ahead of a consumer is not read yet";
        a_flow_of_two_moments: twins::AsksTwice, suite::flow::a_flow_is_read_as_of_one_moment,
            "a flow is read as of one moment";
    }
}
