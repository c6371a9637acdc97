//! The conformance suites against a PostgreSQL server.
//!
//! They run when `TIDINGS_TEST_POSTGRES_URL` names a server whose user may create schemas. Without it they say that they
//! were not run, and under CI they fail: a suite that is skipped in silence proves nothing.

use std::io::Write as _;
use std::sync::{Arc, Once};

use async_trait::async_trait;
use tidings_core::ids::MessageId;
use tidings_core::store::Store;
use tidings_postgres::{PostgresConfig, PostgresStore, Reader};
use tidings_testkit::factory::{StoreFactory, TestDatabase};
use tidings_testkit::suite::{self, assert_catches, assert_catches_by_chance};

#[path = "conformance/drain.rs"]
mod drain;
#[path = "conformance/limits.rs"]
mod limits;
#[path = "conformance/jobs.rs"]
mod of_jobs;
#[path = "conformance/pooled.rs"]
mod pooled;
#[path = "conformance/racing.rs"]
mod racing;
#[path = "conformance/shares.rs"]
mod shares;

struct Fresh(Reader);

#[async_trait]
impl StoreFactory for Fresh {
    async fn fresh(&self) -> Box<dyn TestDatabase> {
        let url = url().expect("the suites run only when there is a server");
        let config = PostgresConfig {
            schema: Some(format!("suite_{}", MessageId::new().0.simple())),
            reader: self.0,
            ..PostgresConfig::new(url)
        };
        Box::new(Database { store: open(&config).await, config })
    }
}

/// A schema of its own per test. Transaction ids are the whole server's, so tests that run side by side disturb each
/// other's snapshots, as real neighbours do.
struct Database {
    config: PostgresConfig,
    store: Arc<dyn Store>,
}

async fn open(config: &PostgresConfig) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(config.clone()).await.expect("the server is there"))
}

#[async_trait]
impl TestDatabase for Database {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) -> Arc<dyn Store> {
        self.store.close().await.expect("a store closes");
        self.store = open(&self.config).await;
        self.store()
    }

    async fn crash(&mut self) -> Arc<dyn Store> {
        // The server outlives its clients: a client that crashed is one that never said goodbye.
        self.store = open(&self.config).await;
        self.store()
    }
}

fn url() -> Option<String> {
    std::env::var("TIDINGS_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty())
}

/// Whether there is a server; says so when there is none.
fn server_is_there() -> bool {
    if url().is_some() {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "TIDINGS_TEST_POSTGRES_URL is not set, and CI must not skip suites"
    );
    // Past the test harness, which shows what a test prints only when it fails.
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let note = "PostgreSQL suites were NOT RUN: TIDINGS_TEST_POSTGRES_URL is not set";
        writeln!(std::io::stderr(), "{note}").expect("stderr takes a line");
    });
    false
}

tidings_testkit::conformance!(log, Fresh(Reader::BetweenSnapshots), if server_is_there());
tidings_testkit::conformance!(lives, Fresh(Reader::BetweenSnapshots), if server_is_there());
tidings_testkit::conformance!(outcomes, Fresh(Reader::BetweenSnapshots), if server_is_there());
tidings_testkit::conformance!(flow, Fresh(Reader::BetweenSnapshots), if server_is_there());
tidings_testkit::conformance!(retention, Fresh(Reader::BetweenSnapshots), if server_is_there());
tidings_testkit::conformance!(partitions, Fresh(Reader::BetweenSnapshots), if server_is_there());
tidings_testkit::conformance!(work, Fresh(Reader::BetweenSnapshots), if server_is_there());
tidings_testkit::conformance!(read, Fresh(Reader::BetweenSnapshots), if server_is_there());
tidings_testkit::conformance!(tables, Fresh(Reader::BetweenSnapshots), if server_is_there());

/// The traps of a log with concurrent writers, sprung on purpose.
mod caught {
    use tidings_testkit::factory::LayeredFactory;
    use tidings_testkit::twins;

    use super::*;

    fn fresh() -> Fresh {
        Fresh(Reader::BetweenSnapshots)
    }

    /// Whoever commits under a void lease does what another does, too.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_fence_while_holders_change() {
        if server_is_there() {
            let suite = async {
                let factory = LayeredFactory::new(fresh(), || Arc::new(twins::NoFence::default()));
                suite::partitions::nothing_is_lost_or_doubled_while_holders_change(&factory).await;
            };
            assert_catches(suite, "holders change").await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_displaced_holder() {
        if server_is_there() {
            let suite = async {
                let factory = LayeredFactory::new(fresh(), || Arc::new(twins::Displaces::default()));
                suite::partitions::a_live_holder_is_not_displaced(&factory).await;
            };
            assert_catches(suite, "a live holder is not displaced").await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn any_version() {
        if server_is_there() {
            let suite = async {
                let factory = LayeredFactory::new(fresh(), || Arc::new(twins::AnyGeneration));
                suite::partitions::the_version_that_was_started_last_works(&factory).await;
            };
            assert_catches(suite, "another version than was started last holds nothing").await;
        }
    }

    /// A reader that stands at a position never comes back for a row that commits late.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_reader_by_sequence_number() {
        if server_is_there() {
            let suite = || async {
                suite::log::concurrent::no_reader_skips_or_repeats_a_committed_message(&Fresh(
                    Reader::BySequence,
                ))
                .await;
            };
            assert_catches_by_chance(suite, "no reader skips a committed message").await;
        }
    }

    /// A publisher that began before its cause has the lower transaction id.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_reader_by_transaction_id() {
        if server_is_there() {
            let suite = || async {
                suite::log::concurrent::no_consumer_sees_an_effect_before_its_cause(&Fresh(
                    Reader::ByTransaction,
                ))
                .await;
            };
            assert_catches_by_chance(suite, "no consumer sees an effect before its cause").await;
        }
    }
}
