//! Queues, as jobs name them and as they are worked.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::RateLimit;
use tokio::sync::Semaphore;

/// The queue that a job waits in, and how it is worked: see [`Module::job`](crate::Module::job).
///
/// Several jobs may share a queue. What one of them says of it holds for all, so two that say different things contradict
/// each other at the start; one that says nothing takes what the others say. A section `[queues.<name>]` of the
/// configuration overrules the program.
///
/// ```
/// use std::time::Duration;
/// use tidings::Queue;
///
/// let suppliers = Queue::named("suppliers")
///     .concurrency(8) // in each process
///     .concurrency_overall(20) // over all processes
///     .rate(100, Duration::from_secs(60));
/// ```
///
/// Of the jobs of a queue the lowest priority runs first. Of one priority they run in the order of their enqueueing, but where they
/// are enqueued with shares ([`ToEnqueue::share`](crate::ToEnqueue::share)): then the shares take turns, over all processes, so that
/// a tenant with a hundred thousand jobs delays another tenant's by one. What is shared is whose job starts *next*: a tenant whose jobs
/// take longer than others' has more of them running at a time.
///
/// ```
/// use tidings::{Ctx, Job, Result};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Job, Serialize, Deserialize)]
/// # #[job("reports.make")]
/// # struct MakeReport { tenant: String }
///
/// async fn ask_for_report(ctx: &mut Ctx, tenant: String) -> Result<()> {
///     ctx.enqueue(MakeReport { tenant: tenant.clone() }).share(&tenant).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a queue is there for the jobs that are registered with it"]
pub struct Queue {
    pub(crate) name: String,
    pub(crate) concurrency: Option<usize>,
    pub(crate) concurrency_overall: Option<usize>,
    pub(crate) rate: Option<RateLimit>,
}

impl Queue {
    /// The queue of this name: lower-case letters, digits and dashes.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), concurrency: None, concurrency_overall: None, rate: None }
    }

    /// How many of its jobs run at once in one process; `jobs.concurrency` unless it is said.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// How many of its jobs run at once over all processes; any number unless it is said. A job counts until the end of its
    /// attempt is on record, or, where its process was killed, hangs or is cut off, until others have taken it over. What one
    /// process leaves free another may use; where all is in use, whoever waits goes on as soon as one has ended. Processes of
    /// other versions may say other numbers: each holds to its own.
    pub fn concurrency_overall(mut self, concurrency: usize) -> Self {
        self.concurrency_overall = Some(concurrency);
        self
    }

    /// How many of its jobs may start in any time of this length, over all processes. They are spread over that time: only
    /// a small part of them starts at once.
    pub fn rate(mut self, count: u32, per: Duration) -> Self {
        self.rate = Some(RateLimit { count, per });
        self
    }
}

/// A queue with its settings resolved.
pub(crate) struct QueueFacts {
    pub(crate) name: Arc<str>,
    /// For errors and logs: ``queue `suppliers` ``.
    pub(crate) label: Arc<str>,
    pub(crate) concurrency: usize,
    /// Over all processes.
    pub(crate) concurrency_overall: Option<u32>,
    pub(crate) rate: Option<RateLimit>,
    /// The jobs that wait in it, by name.
    pub(crate) jobs: Vec<Arc<str>>,
    /// Whether this process works it.
    pub(crate) is_worked: bool,
    /// One permit for each job that may run; whatever runs has one until it has really ended.
    pub(crate) slots: Arc<Semaphore>,
}
