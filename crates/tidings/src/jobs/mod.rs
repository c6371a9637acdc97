//! Jobs: queued work with effects outside the database.
//!
//! A job is enqueued in the transaction of whoever wants it done, and done outside of any: at least once, with a dedupe key
//! that is the same for every attempt. It ends in one transaction ([`Finish`]) that is fenced by its lease.
//!
//! One loop per queue ([`run`]) claims as many jobs as there are free slots and ends what has ended, both in one
//! transaction. Each attempt ([`attempt`]) is a task of its own. What was running when a worker was lost is suspect, and
//! runs alone ([`suspects`]). The worker's lease (`crew/`) keeps two processes from doing one thing.

#[cfg(feature = "testing")]
mod again;
mod attempt;
mod book;
mod build;
mod cron;
mod ctx;
mod died;
mod ends;
mod enqueue;
mod finish;
mod handler;
mod manage;
mod options;
mod progress;
mod queue;
mod run;
mod running;
mod settle;
mod suspects;
mod wish;

#[cfg(feature = "testing")]
pub(crate) use again::again;
pub(crate) use attempt::Attempt;
pub(crate) use book::{Cancel, JobBook, JobFacts};
pub(crate) use build::book;
pub(crate) use cron::{CronDeclaration, cron_problem, register as register_crons, run as run_crons};
pub use ctx::JobCtx;
pub use died::JobDied;
pub(crate) use died::{CONTRACTS, OWNER};
pub use enqueue::{Enqueue, Enqueued};
pub(crate) use enqueue::{EnqueuedMany, Within, told_all};
pub use finish::Finish;
pub use handler::IntoJob;
pub(crate) use handler::JobRoute;
pub use manage::{JobError, Jobs, Queues};
pub(crate) use options::JobDeclaration;
pub use options::JobOptions;
pub use queue::Queue;
pub(crate) use queue::QueueFacts;
pub(crate) use run::work;
pub use wish::{IntoEnqueue, ToEnqueue, UniqueKeyTaken};
