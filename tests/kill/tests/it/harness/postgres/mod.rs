//! PostgreSQL: where a server is, a database of one's own on it, and questions to it.

mod client;
mod database;
mod server;

pub(crate) use client::Client;
pub(crate) use database::Database;
pub(crate) use server::Server;

use std::io::Write as _;
use std::sync::Once;

/// The server that is there for tests; says so when there is none.
pub(crate) fn server_url() -> Option<String> {
    let url = std::env::var("TIDINGS_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        not_run("TIDINGS_TEST_POSTGRES_URL is not set");
    }
    url
}

/// Says once that tests are left out, and fails under CI: what is skipped in silence proves nothing.
fn not_run(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}, and CI must not skip suites");
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Past the test harness, which shows what a test prints only when it fails.
        let note = format!("PostgreSQL kill tests were NOT RUN: {why}");
        writeln!(std::io::stderr(), "{note}").expect("stderr takes a line");
    });
}
