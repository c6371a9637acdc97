//! What can be said of a job as it is enqueued.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
pub(super) use tidings_core::clock::after;
use tidings_core::clock::storable;
use tidings_core::contract::Job;
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{NewJob, UniqueKey};

use super::Enqueued;
use crate::app::Shared;
use crate::ctx::Origin;
use crate::module::ModuleFacts;

/// How a job is to be enqueued.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) delay: Option<Duration>,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) priority: Option<i16>,
    /// Its kind and its value.
    pub(crate) key: Option<(String, String)>,
    pub(crate) share: Option<String>,
    pub(crate) unique: Option<String>,
    pub(crate) unique_for: Option<Duration>,
}

/// The longest key, in bytes: it is stored and indexed.
const KEY_BYTES_MAX: usize = 255;

impl Wish {
    /// What is wrong with the keys and the share, which may be personal and are not told.
    fn problem(&self) -> Option<String> {
        if let Some((kind, value)) = &self.key {
            if !is_kind(kind) {
                return Some(
                    "the kind of its key is no plain name; kinds are lower-case letters, digits and underscores, beginning \
                     with a letter"
                        .to_owned(),
                );
            }
            if let Some(problem) = unusable("key", value, kind.len() + 1) {
                return Some(problem);
            }
        }
        let share = self.share.as_ref().and_then(|share| unusable("share", share, 0));
        share.or_else(|| self.unique.as_ref().and_then(|key| unusable("unique key", key, 0)))
    }
}

fn is_kind(kind: &str) -> bool {
    kind.starts_with(|first: char| first.is_ascii_lowercase())
        && kind.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_')
}

/// An empty key or share is a mistake: all who make it would have the same.
fn unusable(what: &str, value: &str, more: usize) -> Option<String> {
    match value.len() {
        0 => Some(format!("its {what} is empty; leave it out, or say what it stands for")),
        length if length + more > KEY_BYTES_MAX => {
            Some(format!("its {what} has {} bytes, more than {KEY_BYTES_MAX}", length + more))
        }
        _ => None,
    }
}

/// The same options on whatever holds a [`Wish`] in its field `wish`.
macro_rules! wishes {
    () => {
        /// Not to run before so much time has passed.
        pub fn delay(mut self, delay: Duration) -> Self {
            self.wish.delay = Some(delay);
            self
        }

        /// Not to run before this time.
        pub fn not_before(mut self, time: Timestamp) -> Self {
            self.wish.not_before = Some(time);
            self
        }

        /// The lower, the sooner among the jobs of its queue.
        pub fn priority(mut self, priority: i16) -> Self {
            self.wish.priority = Some(priority);
            self
        }

        /// Jobs of one queue with the same kind and value of key run one after the other, in the order of their enqueueing.
        /// A kind is lower-case letters, digits and underscores (`order_id`); with it the value has at most 255 bytes.
        pub fn key(mut self, kind: &str, value: &str) -> Self {
            self.wish.key = Some((kind.to_owned(), value.to_owned()));
            self
        }

        /// Whose job it is, where several have jobs in one queue: a tenant, say. Of one queue and priority all who have jobs
        /// waiting take turns, over all processes, so that whoever has a hundred thousand of them delays another's by one of
        /// his own. All jobs without a share are together one share. A share has at most 255 bytes.
        pub fn share(mut self, share: &str) -> Self {
            self.wish.share = Some(share.to_owned());
            self
        }

        /// Makes it the only job of its name with this key until it has ended: enqueued again with the same payload it is
        /// the same job, and with another it is refused. The key has at most 255 bytes.
        pub fn unique(mut self, key: &str) -> Self {
            self.wish.unique = Some(key.to_owned());
            self
        }

        /// Like [`unique`](Self::unique), and also after it has ended: for so long at least, from now on.
        pub fn unique_for(mut self, key: &str, time: Duration) -> Self {
            self.wish.unique = Some(key.to_owned());
            self.wish.unique_for = Some(time);
            self
        }
    };
}
pub(super) use wishes;

/// A job to be enqueued with others, with options of its own; see [`Ctx::enqueue_many`](crate::Ctx::enqueue_many).
///
/// ```
/// # use tidings::{Ctx, Job, Result, ToEnqueue};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Job, Serialize, Deserialize)]
/// # #[job("inventory.reorder")]
/// # struct Reorder { sku: String }
/// async fn reorder_all(ctx: &mut Ctx, skus: Vec<String>) -> Result<()> {
///     let jobs = skus.into_iter().map(|sku| ToEnqueue::new(Reorder { sku: sku.clone() }).unique(&sku));
///     for row in ctx.enqueue_many(jobs).await? {
///         if let Err(taken) = row {
///             tracing::warn!(%taken, "ordered already, but otherwise");
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is there to be enqueued"]
pub struct ToEnqueue<J> {
    job: J,
    wish: Wish,
}

impl<J: Job> ToEnqueue<J> {
    /// A job without options.
    pub fn new(job: J) -> Self {
        Self { job, wish: Wish::default() }
    }

    wishes!();
}

/// What can be enqueued with others: a job, or a job with options ([`ToEnqueue`]).
pub trait IntoEnqueue {
    /// The job.
    type Job: Job;
    /// The job with its options.
    fn into_enqueue(self) -> ToEnqueue<Self::Job>;
}

impl<J: Job> IntoEnqueue for J {
    type Job = J;

    fn into_enqueue(self) -> ToEnqueue<J> {
        ToEnqueue::new(self)
    }
}

impl<J: Job> IntoEnqueue for ToEnqueue<J> {
    type Job = J;

    fn into_enqueue(self) -> Self {
        self
    }
}

/// A unique key is taken by a job with another payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "job `{job}` was not enqueued: its unique key is taken by job {taken_by}, which has another payload; wait until that \
     one has ended, or use another key"
)]
pub struct UniqueKeyTaken {
    /// The job's name.
    pub job: String,
    /// The job that has the key.
    pub taken_by: MessageId,
}

/// The job as the store keeps it, after all checks.
pub(crate) fn new_job<J: Job>(
    shared: &Shared,
    module: &ModuleFacts,
    origin: &Origin,
    job: &ToEnqueue<J>,
) -> Result<NewJob> {
    new_job_of(shared, module, origin, &job.job, &job.wish)
}

pub(super) fn new_job_of<J: Job>(
    shared: &Shared,
    module: &ModuleFacts,
    origin: &Origin,
    job: &J,
    wish: &Wish,
) -> Result<NewJob> {
    let facts = match shared.jobs.job(J::NAME) {
        Some(facts) if facts.module.name == module.name => facts,
        _ => return Err(Error::permanent(may_not(module, J::NAME))),
    };
    let data = serde_json::to_string(job).map_err(Error::permanent)?;
    let limit = shared.config.jobs.body_bytes_max;
    if data.len() > limit {
        return Err(Error::permanent(format!(
            "job `{}` has {} bytes, more than `jobs.body_bytes_max` = {limit}: enqueue a reference, not the thing itself",
            J::NAME,
            data.len()
        )));
    }
    if let Some(problem) = wish.problem() {
        return Err(Error::permanent(format!("job `{}` is not enqueued: {problem}", J::NAME)));
    }
    let (id, at) = (MessageId::new(), shared.clock.now());
    let delayed = after(at, wish.delay.unwrap_or_default());
    let unique = wish.unique.as_ref().map(|key| UniqueKey {
        key: key.clone(),
        hash: Sha256::digest(data.as_bytes()).into(),
        until: wish.unique_for.map(|time| after(at, time)),
    });
    Ok(NewJob {
        id,
        name: facts.name.clone(),
        queue: facts.queue.name.clone(),
        priority: wish.priority.unwrap_or(facts.priority),
        due: wish.not_before.map_or(delayed, |time| storable(time.max(delayed))),
        key: wish.key.as_ref().map(|(kind, value)| Key::new(kind, value)),
        share: wish.share.as_deref().map(Into::into),
        unique,
        source: module.name.clone(),
        // What nothing caused begins a flow of its own.
        correlation_id: if origin.is_nobody() { id } else { origin.correlation_id },
        causation_id: origin.cause(),
        trace: origin.trace.clone(),
        at,
        data,
    })
}

fn may_not(module: &ModuleFacts, job: &str) -> String {
    let owner = job.split('.').next().unwrap_or_default();
    if owner == &*module.name {
        format!("job `{job}` has no handler: register it with `.job(..)`")
    } else {
        format!(
            "module `{}` may not enqueue job `{job}`: a module enqueues its own jobs only; send a command to module \
             `{owner}`, or publish an event that it listens to",
            module.name
        )
    }
}

/// What the store says of one job, for whoever enqueued it.
pub(super) fn told(
    job: &NewJob,
    enqueued: tidings_core::store::Enqueued,
) -> Result<Enqueued, UniqueKeyTaken> {
    use tidings_core::store::Enqueued as Told;
    match enqueued {
        Told::New => Ok(Enqueued { id: job.id, is_new: true }),
        Told::Existing(id) => Ok(Enqueued { id, is_new: false }),
        Told::Conflict(taken_by) => Err(UniqueKeyTaken { job: job.name.to_string(), taken_by }),
    }
}
