//! What is asked of a peer.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::{Result, Seen, Stop};

/// The tables of the application, in every peer's database.
pub const TABLES: &str = "
    CREATE TABLE orders (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id uuid NOT NULL, total_cents integer NOT NULL,
        placed_at timestamptz NOT NULL);
    CREATE TABLE copies (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, listener smallint NOT NULL, number integer NOT NULL);";

/// The row that is written beside each job: `$1` is the job's number.
pub const INSERT_ORDER: &str = "INSERT INTO orders (customer_id, total_cents, placed_at) \
    VALUES ('5eed0000-0000-4000-8000-000000000001', $1, now())";

/// What a listener does with an event: `$1` is the listener's number, `$2` the event's.
pub const INSERT_COPY: &str = "INSERT INTO copies (listener, number) VALUES ($1, $2)";

/// The second field of every payload, so that it has a size like that of real ones.
pub const NOTE: &str = "a job that says what to do, and to which of the things that it knows";

/// The payload, the same everywhere: `{"number": 1, "note": "a job that .."}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Counts up from 0 within a run.
    pub number: u32,
    /// Always [`NOTE`].
    pub note: String,
}

impl Job {
    /// The job of this number.
    #[must_use]
    pub fn new(number: u32) -> Self {
        Self { number, note: NOTE.to_owned() }
    }
}

/// What a peer says of itself.
#[derive(Debug, Serialize)]
pub struct About {
    /// As its registry knows it.
    pub version: &'static str,
    /// What it runs on.
    pub runtime: &'static str,
    /// Whether the state of a finished job can be asked for.
    pub keeps: bool,
    /// How it is set, and where its authors say so.
    pub configuration: &'static str,
    /// A query for the number of jobs that are not finished.
    pub unfinished: &'static str,
    /// What it can be measured in: `enqueue`, `bulk`, `drain`, `latency` (within a process), `produce` (for another process to
    /// work), `deliver`.
    pub can: &'static [&'static str],
}

/// A job queue (or an outbox) on one database.
pub trait Peer: Clone + Send + Sync + Sized + 'static {
    /// What the report says of it.
    fn about() -> About;

    /// Makes its tables and [`TABLES`] in an empty database.
    fn set_up(url: &str) -> impl Future<Output = Result<()>> + Send;

    /// Connects, for so many callers at once.
    fn open(url: &str, callers: usize) -> impl Future<Output = Result<Self>> + Send;

    /// One transaction: [`INSERT_ORDER`] and a job. Answers with when its COMMIT was sent, see [`now_us`](crate::now_us).
    fn enqueue(&self, number: u32) -> impl Future<Output = Result<u64>> + Send;

    /// Enqueues jobs 0 to `jobs`, in the peer's way for many, a thousand at a time where it has no other.
    fn bulk(&self, jobs: u32) -> impl Future<Output = Result<()>> + Send;

    /// Starts whatever is there before the word, and works off nothing yet: how long that takes is not what is measured.
    fn get_ready(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Works off what there is and what comes, telling `seen` of each job as it starts, until told to stop. `processes` is how
    /// many do the same; most need not know. `latency` asks for the configuration that starts a job soon.
    fn work(
        &self,
        seen: Seen,
        stop: Stop,
        processes: u32,
        latency: bool,
    ) -> impl Future<Output = Result<()>> + Send;

    /// What runs beside whoever enqueues at a pace, for a peer that wakes up its workers outside of the transaction.
    fn beside_producing(&self) -> Option<impl Future<Output = Result<()>> + Send + 'static> {
        None::<std::future::Ready<Result<()>>>
    }

    /// Commits so many events, and then delivers each to so many listeners that each write [`INSERT_COPY`]. Answers with the
    /// seconds from the commit to the end of the last delivery.
    fn deliver(&self, _events: u32, _listeners: u32) -> impl Future<Output = Result<f64>> + Send {
        async { Err("it has no events".into()) }
    }
}
