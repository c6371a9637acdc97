//! Consumers and jobs on record that nobody stands for any more.

use std::fmt;
use std::sync::Arc;

use tidings_core::store::{Cancelled, ConsumerStatus, Crew, JobFilter, JobRow, JobState, StoreError};

use super::build::BuildError;
use super::{Consumer, Shared};

/// A consumer or job on record that no handler stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{name}`: {pending}")]
pub struct Orphan {
    kind: &'static str,
    name: String,
    pending: Pending,
}

/// What waits for an orphan.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pending {
    Messages { lag: u64, parked: u64 },
    Jobs(u64),
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages { lag, parked } => write!(f, "{lag} messages not read, {parked} parked or dead"),
            Self::Jobs(1) => write!(f, "1 job that has not ended"),
            Self::Jobs(jobs) => write!(f, "{jobs} jobs that have not ended"),
        }
    }
}

impl Orphan {
    fn of(status: &ConsumerStatus) -> Self {
        let pending =
            Pending::Messages { lag: status.lag, parked: status.retrying + status.behind + status.dead };
        Self { kind: status.kind.as_str(), name: status.name.to_string(), pending }
    }

    fn of_jobs(name: &str, jobs: u64) -> Self {
        Self { kind: "job", name: name.to_owned(), pending: Pending::Jobs(jobs) }
    }

    fn has_work(&self) -> bool {
        match self.pending {
            Pending::Messages { lag, parked } => lag + parked > 0,
            Pending::Jobs(jobs) => jobs > 0,
        }
    }
}

/// What can be done about them. Jobs wait under the name of their type, which a handler of another type cannot read.
pub(super) fn advice(orphans: &[Orphan]) -> String {
    let is_of_jobs = |orphan: &Orphan| matches!(orphan.pending, Pending::Jobs(_));
    let mut ways = Vec::new();
    if !orphans.iter().all(is_of_jobs) {
        ways.push("keep a handler's progress with `.renamed(old, new)`");
    }
    if orphans.iter().any(is_of_jobs) {
        ways.push(
            "keep the old type of a job registered, with its handler, until its jobs are done (`.renamed` does nothing for \
             jobs)",
        );
    }
    format!(
        "{}; or give it up with `.retired(name, reason)`, or start all the same with `start.allow_orphans`",
        ways.join("; ")
    )
}

/// What this process knows of work that is not its own, to tell of what nobody does.
#[derive(Default)]
pub(crate) struct Orphans {
    /// Jobs that it has no handler for.
    jobs: Vec<Arc<str>>,
    /// There was work at the start that nobody knew.
    found: bool,
    /// Other workers were there: what they know, and this process does not, may be left behind by them.
    pub(crate) company: bool,
}

impl Orphans {
    /// Tells of work that no live worker knows. Nobody looks where this process has always been alone and has found nothing.
    pub(crate) async fn tell(&self, shared: &Shared, crew: &Crew) {
        if !self.found && !self.company {
            return;
        }
        match self.nobodys(shared, crew).await {
            Ok(orphans) => {
                for orphan in orphans {
                    tracing::warn!(name = orphan.name, "no process that is alive knows {orphan}");
                }
            }
            Err(error) => tracing::warn!(%error, "nobody looked for orphaned work; tried again"),
        }
    }

    async fn nobodys(&self, shared: &Shared, crew: &Crew) -> Result<Vec<Orphan>, StoreError> {
        let on_record = shared.store.consumers().await?;
        // Also one whose present version nobody alive knows: older ones wait for it.
        let unknown =
            |status: &&ConsumerStatus| status.retired.is_none() && crew.owners(&status.name).is_empty();
        let mut orphans: Vec<_> = on_record.iter().filter(unknown).map(Orphan::of).collect();
        for name in self.jobs.iter().filter(|name| !crew.knows_job(name)) {
            let mut jobs = 0;
            for state in JobState::ALL.into_iter().filter(|state| !state.is_final()) {
                let filter =
                    JobFilter { name: Some(name.clone()), state: Some(state), ..JobFilter::default() };
                jobs += shared.store.jobs(&filter, COUNTED_MAX).await?.len() as u64;
            }
            orphans.push(Orphan::of_jobs(name, jobs));
        }
        orphans.retain(Orphan::has_work);
        Ok(orphans)
    }
}

/// How many more there are is of no interest.
const COUNTED_MAX: usize = 100;

/// Refuses a start that would strand work, unless the configuration allows it, and tells of every orphan: even one
/// without work holds back retention from now on, and has work as soon as something arrives. Work that a live worker knows is
/// no orphan: another version of the application is running beside this one. Where others are alive, what none of them knows
/// is told and refuses nothing: they run with it as well, and one process less would help nobody. Returns the jobs that are to
/// be given up, by name and with the reason.
pub(super) async fn refuse_orphans(
    shared: &Shared,
    consumers: &[Consumer],
    retired: &[(String, String)],
) -> Result<(Vec<(Arc<str>, String)>, Orphans), BuildError> {
    let crew = shared.store.crew().await?;
    let has_company = !crew.members.is_empty();
    let on_record = shared.store.consumers().await?;
    let placed: Vec<_> = shared.jobs.jobs().map(|job| (job.name.clone(), job.queue.name.clone())).collect();
    let jobs = shared.store.place_jobs(&placed).await?;
    let orphans: Vec<Orphan> = on_record
        .iter()
        .filter(|status| is_orphan(status, consumers, retired, &on_record))
        .filter(|status| !crew.knows_consumer(&status.name))
        .map(Orphan::of)
        .collect();
    // On an empty store there is nothing to retire, which is as it should be.
    let is_consumer = |name: &String| on_record.iter().any(|status| *status.name == **name);
    let is_job = |name: &String| jobs.iter().any(|(job, _)| **job == **name);
    for (name, _) in
        retired.iter().filter(|(name, _)| !on_record.is_empty() && !is_consumer(name) && !is_job(name))
    {
        tracing::warn!(consumer = %name, "`{name}` is declared retired, but nothing of that name is on record: is it spelt right?");
    }
    let (mut with_work, idle): (Vec<_>, Vec<_>) = orphans.into_iter().partition(Orphan::has_work);
    for orphan in &idle {
        tracing::warn!(
            consumer = orphan.name,
            "{} `{}` has no handler any more; it holds back retention, and what arrives for it will stop the next start: \
             keep its progress with `.renamed(old, new)`, or give it up with `.retired(name, reason)`",
            orphan.kind,
            orphan.name
        );
    }
    let (mut given_up, mut not_ours) = (Vec::new(), Vec::new());
    for (job, count) in jobs {
        match retired.iter().find(|(name, _)| **name == *job) {
            Some((_, reason)) => given_up.push((job, reason.clone())),
            None => {
                let orphan = Orphan::of_jobs(&job, count);
                with_work.extend(Some(orphan).filter(|orphan| orphan.has_work() && !crew.knows_job(&job)));
                not_ours.push(job);
            }
        }
    }
    if !with_work.is_empty() && !shared.config.start.allow_orphans && !has_company {
        return Err(BuildError::Orphans(with_work));
    }
    for orphan in &with_work {
        tracing::warn!(name = orphan.name, "orphaned work is kept: {orphan}");
    }
    let orphans = Orphans { jobs: not_ours, found: !with_work.is_empty(), company: has_company };
    Ok((given_up, orphans))
}

/// At most so many jobs are looked at at once.
const GIVEN_UP_AT_ONCE: usize = 1_000;

/// Gives up all jobs of a name that have not ended, for a reason that is kept.
pub(super) async fn give_up_jobs(shared: &Shared, name: &Arc<str>, reason: &str) -> Result<(), StoreError> {
    // One that is given up may let another go on that waited behind it, in a state that was looked at before.
    while give_up_each(shared, name, reason).await? > 0 {}
    Ok(())
}

/// Looks at each state once; answers with how many were given up.
async fn give_up_each(shared: &Shared, name: &Arc<str>, reason: &str) -> Result<u64, StoreError> {
    let (store, mut given_up) = (&shared.store, 0);
    for state in JobState::ALL.into_iter().filter(|state| !state.is_final()) {
        let filter = JobFilter { name: Some(name.clone()), state: Some(state), ..JobFilter::default() };
        loop {
            let jobs = store.jobs(&filter, GIVEN_UP_AT_ONCE).await?;
            for job in &jobs {
                given_up += u64::from(give_up(shared, job, reason).await?);
            }
            // One that another process runs ends only when that one hears of it.
            if jobs.len() < GIVEN_UP_AT_ONCE || state == JobState::Running {
                break;
            }
        }
    }
    Ok(given_up)
}

/// Gives a job up; false if it ends otherwise, or only later.
async fn give_up(shared: &Shared, job: &JobRow, reason: &str) -> Result<bool, StoreError> {
    let (store, now) = (&shared.store, shared.clock.now());
    let done = match job.state {
        JobState::Dead => store.discard_job(job.id, reason, now).await.map(|()| true),
        _ => store.cancel_job(job.id, reason, now).await.map(|cancelled| cancelled == Cancelled::AtOnce),
    };
    match done {
        // Somebody else was faster.
        Err(StoreError::NotFound { .. }) => Ok(false),
        done => done,
    }
}

/// Queues with jobs that this process leaves to others.
pub(super) async fn tell_of_queues_nobody_works(shared: &Shared) -> Result<(), StoreError> {
    if shared.config.jobs.only.is_empty() {
        return Ok(());
    }
    for queue in shared.store.queues().await? {
        let waiting: u64 = (queue.jobs.iter())
            .filter(|(state, _)| !state.is_final() && *state != JobState::Dead)
            .map(|(_, jobs)| jobs)
            .sum();
        if waiting > 0 && shared.jobs.worked().all(|worked| worked.name != queue.name) {
            let name = &queue.name;
            tracing::warn!(queue = %name, waiting, "jobs wait in queue `{name}`, which is not worked in this process (`jobs.only`): see that another one does");
        }
    }
    Ok(())
}

fn is_orphan(
    status: &ConsumerStatus,
    consumers: &[Consumer],
    retired: &[(String, String)],
    on_record: &[ConsumerStatus],
) -> bool {
    let name = &status.name;
    let has_handler = || consumers.iter().any(|consumer| consumer.spec.name == *name);
    let is_given_up = || status.retired.is_some() || retired.iter().any(|(retired, _)| **retired == **name);
    // A former name hands its progress over only while the new name has none of its own.
    let lives = |name: &str| on_record.iter().any(|status| *status.name == *name && status.retired.is_none());
    let is_taken_over = || {
        let mut heirs = consumers.iter().filter(|consumer| !lives(&consumer.spec.name));
        heirs.any(|heir| heir.spec.aliases.iter().find(|alias| lives(alias)) == Some(name))
    };
    !has_handler() && !is_given_up() && !is_taken_over()
}
