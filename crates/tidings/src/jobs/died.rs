//! The event that tells of a dead job.

use std::collections::{BTreeMap, BTreeSet};

use tidings_core::contract::Event;
use tidings_core::envelope::Envelope;
use tidings_core::error::Result;
use tidings_core::store::DeathReason;
use tidings_macros::Reads;
use uuid::Uuid;

use super::Attempt;
use crate::module::ModuleFacts;

/// The types that the contracts of Tidings itself become.
mod own {
    tidings_macros::contracts!("src/jobs/schemas");
}
pub(crate) use own::CONTRACTS;
use own::tidings::JobDied as Published;
use own::tidings::job_died::v1::Reason;

/// The module that publishes what Tidings itself has to tell; no other may have its name.
pub(crate) const OWNER: &str = Published::OWNER;

/// A job is dead: no further attempt is made until a person decides. Published for every job that dies, as the event
/// `tidings.job-died`; this reader of it is there for listeners:
///
/// ```
/// use tidings::{Ctx, JobDied, Module, Result, sql};
///
/// async fn escalate(ctx: &mut Ctx, died: JobDied) -> Result<()> {
///     sql("INSERT INTO tickets (job, reason) VALUES ($1, $2)").bind(died.job).bind(died.reason).execute(ctx.tx()).await?;
///     Ok(())
/// }
///
/// let support = Module::new("support").tables(["tickets"]).on("escalate", escalate);
/// ```
///
/// A reader of your own that takes fewer fields does as well.
#[derive(Clone, PartialEq, Reads)]
#[reads("tidings.job-died", versions = "1", schemas = "src/jobs/schemas")]
pub struct JobDied {
    /// The job.
    pub job_id: Uuid,
    /// Its durable name.
    pub job: String,
    /// The queue it waited in.
    pub queue: String,
    /// The module it belongs to.
    pub module: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// `exhausted`, `permanent` or `lethal`: see [`DeathReason`].
    pub reason: String,
    /// What it was ordered by, as `kind:value`.
    pub key: Option<String>,
    /// What was to be done. It may be personal, so it is left out where this is printed. `None` if the event would have
    /// been larger than `events.bytes_max`.
    pub payload: Option<serde_json::Value>,
}

impl std::fmt::Debug for JobDied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("JobDied");
        shown.field("job_id", &self.job_id).field("job", &self.job).field("queue", &self.queue);
        shown.field("module", &self.module).field("attempts", &self.attempts).field("reason", &self.reason);
        shown.finish_non_exhaustive()
    }
}

/// Tidings itself as a module.
pub(super) fn owner() -> ModuleFacts {
    ModuleFacts {
        name: OWNER.into(),
        context: OWNER.to_owned(),
        owned: BTreeMap::from([(Published::NAME, Published::VERSION)]),
        sends: BTreeSet::new(),
        replies: BTreeMap::new(),
    }
}

/// The event of a job's death.
pub(super) fn died(attempt: &Attempt, reason: DeathReason) -> Result<Envelope> {
    let (shared, facts, job) = (&attempt.shared, &attempt.facts, &attempt.job);
    let mut event = Published {
        job_id: job.lease.id.0,
        job: facts.name.to_string(),
        queue: facts.queue.name.to_string(),
        module: facts.module.name.to_string(),
        attempts: job.lease.attempt,
        reason: match reason {
            DeathReason::Exhausted => Reason::Exhausted,
            DeathReason::Permanent => Reason::Permanent,
            DeathReason::Lethal => Reason::Lethal,
        },
        key: job.key.as_ref().map(|key| key.as_str().to_owned()),
        payload: serde_json::from_str(&job.data).ok(),
    };
    let (owner, origin) = (&shared.jobs.tidings, attempt.origin());
    match shared.event_envelope(owner, &event, &origin) {
        Ok(envelope) => Ok(envelope),
        // It tells what matters without the payload, which is on record with the job.
        Err(_) if event.payload.is_some() => {
            event.payload = None;
            shared.event_envelope(owner, &event, &origin)
        }
        Err(error) => Err(error),
    }
}
