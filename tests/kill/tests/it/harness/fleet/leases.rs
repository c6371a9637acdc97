//! Who has what, as the database tells it.

use std::time::{Duration, Instant};

use sqlx::Row as _;

use super::super::postgres::Client;

/// A watch over the leases of a database.
pub(crate) struct Leases(Client);

/// A process as a worker, and what it had when it was last looked at.
#[derive(Clone, Debug)]
pub(crate) struct Had {
    workers: Vec<i64>,
    pub(crate) partitions: i64,
    pub(crate) claims: i64,
}

/// How soon it is looked again.
const SOON: Duration = Duration::from_millis(5);

impl Leases {
    pub(super) fn of(database: &str) -> Self {
        Self(Client::new(database))
    }

    /// What a process has now.
    pub(crate) fn held_by(&mut self, process: u32) -> Had {
        let about = format!("process {process}");
        let sql = format!("SELECT id FROM tidings_workers WHERE about = '{about}' OR about LIKE '{about} %'");
        let workers: Vec<i64> = self.0.rows(&sql).iter().map(|row| row.get(0)).collect();
        let (_, partitions, claims) = self.left_to(&workers);
        Had { workers, partitions, claims }
    }

    /// Waits until others may have everything that it had, and tells since when they do; `None` if that does not happen.
    pub(crate) fn are_taken_from(&mut self, had: &Had, patience: Duration) -> Option<Instant> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if self.left_to(&had.workers) == (0, 0, 0) {
                return Some(Instant::now());
            }
            std::thread::sleep(SOON);
        }
        None
    }

    /// Whether a process is on record as a worker.
    pub(crate) fn knows(&mut self, process: u32) -> bool {
        !self.held_by(process).workers.is_empty()
    }

    /// Waits until nobody's lease is good any more, now that nobody is there who would renew it.
    pub(crate) fn lapse(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        let live = "SELECT 1 FROM tidings_workers WHERE expires_at > clock_timestamp()";
        while !self.0.rows(live).is_empty() {
            assert!(Instant::now() < until, "somebody renews a lease though everybody is gone");
            std::thread::sleep(SOON);
        }
    }

    /// Entries of these workers, partitions and claims.
    fn left_to(&mut self, workers: &[i64]) -> (i64, i64, i64) {
        let workers: Vec<String> = workers.iter().map(i64::to_string).collect();
        let any = format!("ANY ('{{{}}}'::bigint[])", workers.join(","));
        let sql = format!(
            "SELECT (SELECT count(*) FROM tidings_workers WHERE id = {any}),
                (SELECT count(*) FROM tidings_partitions WHERE holder = {any}),
                (SELECT count(*) FROM tidings_claims WHERE worker = {any})"
        );
        let rows = self.0.rows(&sql);
        let row = rows.first().expect("counts are one row");
        (row.get(0), row.get(1), row.get(2))
    }
}
