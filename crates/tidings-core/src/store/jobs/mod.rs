//! Jobs: queued work with effects outside the database.

mod end_and_claim;
mod ends;
mod listed;
mod port;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use end_and_claim::EndAndClaim;
pub use ends::{DeathReason, JobEnd};
pub use listed::{ATTEMPTS_KEPT, AttemptEnd, AttemptRow, JobFilter, JobRow, JobState, QueueStatus};
pub use port::{Cancelled, CronSpec, CronTick, Heartbeat, JobStore};

use crate::ids::MessageId;
use crate::key::Key;
use crate::trace::TraceContext;

/// A job about to be enqueued.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Its id, which is the dedupe key of all its attempts.
    pub id: MessageId,
    /// Its durable name, `<module>.<job>`.
    pub name: Arc<str>,
    /// The queue it waits in.
    pub queue: Arc<str>,
    /// The lower, the sooner; jobs of one priority and [share](Self::share) run in the order of their enqueueing.
    pub priority: i16,
    /// Not to run before this.
    pub due: Timestamp,
    /// What it is ordered by, if anything: of the jobs of one queue and key only the oldest that has not ended may run,
    /// whatever it waits for. One that had let go of its key (it was cancelled, or dead) and is revived waits for the one
    /// that moved up meanwhile, and is next.
    pub key: Option<Key>,
    /// Whose job it is, where several share a queue, and not empty: of one queue and priority those shares take turns, by the
    /// jobs that they start, of which there are jobs to claim. All jobs without a share are together one share. The turns go in
    /// the order of the shares' bytes, those without one first, from the share that was served last, over all workers.
    pub share: Option<Arc<str>>,
    /// What it is to be unique by, if anything.
    pub unique: Option<UniqueKey>,
    /// The module it belongs to.
    pub source: Arc<str>,
    /// The flow it belongs to.
    pub correlation_id: MessageId,
    /// The message, command or job whose handling enqueued it.
    pub causation_id: Option<MessageId>,
    /// Where it stands in a distributed trace.
    pub trace: TraceContext,
    /// Business time at which it was enqueued.
    pub at: Timestamp,
    /// The payload, as JSON text.
    pub data: String,
}

/// Makes a job the only one of its name with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    /// The key.
    pub key: String,
    /// The SHA-256 of the payload: the same key with another payload is a mistake.
    pub hash: [u8; 32],
    /// The key is taken until the job has ended (a dead one has not: it waits for a person), and in any case until this
    /// time; so long its record is kept. One that was cancelled and is revived takes its key back.
    pub until: Option<Timestamp>,
}

/// What became of one job that was to be enqueued. A conflict concerns no other job of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in its queue.
    New,
    /// A job with its unique key and payload is there already.
    Existing(MessageId),
    /// A job with its unique key and another payload is there; nothing was enqueued.
    Conflict(MessageId),
}

/// How many jobs of a queue may start in which time, over all its workers and across restarts. A changed limit holds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many. No period of this length sees more starts; of a large count a twentieth may start at once, the rest comes
    /// evenly, and at least nineteen twentieths can be used.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

/// One who works on messages and jobs: a process, from its start to its end. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub i64);

/// The right to end one attempt of one job. It is void once the attempt has ended, in whatever way, or was taken over
/// because the worker's own lease had lapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobLease {
    /// The job.
    pub id: MessageId,
    /// Where the store keeps it: unique, and in the order of enqueueing.
    pub place: i64,
    /// Whose attempt it is.
    pub worker: WorkerId,
    /// Which attempt it is, counted from 1.
    pub attempt: u32,
    /// With which claim it began, for a store that numbers them; else 0.
    pub claim: i64,
    /// Whether nobody has to be looked after when it ends, in a store that asks: the job has neither a key nor a unique key,
    /// and it was not claimed under a [limit](Claim::running_max).
    pub is_plain: bool,
}

/// What to claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// From which queue.
    pub queue: &'a str,
    /// For whom.
    pub worker: WorkerId,
    /// The jobs that the worker can do, by name; others stay where they are.
    pub names: &'a [Arc<str>],
    /// At most so many.
    pub limit: usize,
    /// Business time.
    pub now: Timestamp,
    /// The queue's limit, if it has one. It counts claims, those of suspects apart.
    pub rate: Option<RateLimit>,
    /// So many attempts of the queue's jobs may be under way at once, over all workers; `None` for any number. An attempt is
    /// under way until its end is committed, suspects' among them, and a lost worker's until it is taken over. While a suspect
    /// waits that this worker could do, one less is claimed: else it would never have its turn in a queue that is always full.
    /// Each claim obeys the number that it names itself.
    pub running_max: Option<u32>,
}

/// A job whose attempt begins.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The right to end the attempt.
    pub lease: JobLease,
    /// The job's name.
    pub name: Arc<str>,
    /// The queue it comes from.
    pub queue: Arc<str>,
    /// What it is ordered by.
    pub key: Option<Key>,
    /// Attempts so far that count on the retry schedule.
    pub failures: u32,
    /// How often its worker was lost while it was at it.
    pub losses: u32,
    /// When it was enqueued.
    pub at: Timestamp,
    /// The flow it belongs to.
    pub correlation_id: MessageId,
    /// What caused it.
    pub causation_id: Option<MessageId>,
    /// Where it stands in a distributed trace.
    pub trace: TraceContext,
    /// What an earlier attempt reported last, as JSON text.
    pub progress: Option<String>,
    /// The payload, as JSON text.
    pub data: String,
}

/// What was claimed, and when to look again.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// The jobs, in the order in which they should start.
    pub jobs: Vec<ClaimedJob>,
    /// There may be more to claim now.
    pub more: bool,
    /// When the next job of the queue is due, or the rate limit allows another, if a time for that is known. It is later
    /// than the time of the claim: what can be claimed only by somebody else, or after a pause, or when another attempt has
    /// ended, is not waited for.
    pub next_at: Option<Timestamp>,
}
