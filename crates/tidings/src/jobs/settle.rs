//! The transaction between attempts: what has ended is written, and what comes next is claimed.

use std::sync::Arc;

use tidings_core::envelope::Envelope;
use tidings_core::error::{Error, Result};
use tidings_core::store::{Claim, Claimed, EndAndClaim, JobEnd, JobLease, StoreError, Tx, WorkerId};

use tokio::sync::OwnedSemaphorePermit;

use super::QueueFacts;
use super::ends::Ended;
use crate::app::Shared;
use crate::patience::{Patience, is_closed, is_unknown};
use crate::unit::{self, Access, Unit};

/// Ends of attempts, laid out as the store takes them.
#[derive(Default)]
pub(super) struct Ends {
    ends: Vec<(JobLease, JobEnd)>,
    progress: Vec<(JobLease, String)>,
    /// Events of deaths, with the place of the end that they tell of.
    died: Vec<(usize, Envelope)>,
    /// The ends that people are to hear of, by their place, with the names of their jobs.
    news: Vec<(usize, Arc<str>)>,
}

impl Ends {
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn extend(&mut self, ended: impl IntoIterator<Item = Ended>) {
        for Ended { job, lease, end, progress, died } in ended {
            if matches!(end, JobEnd::Retry { .. } | JobEnd::Dead { .. }) {
                self.news.push((self.ends.len(), job));
            }
            self.progress.extend(progress.map(|progress| (lease, progress)));
            self.died.extend(died.map(|died| (self.ends.len(), died)));
            self.ends.push((lease, end));
        }
    }

    /// Writes them, and returns which of them count.
    async fn write(&self, shared: &Shared, tx: &mut dyn Tx) -> Result<Vec<bool>> {
        for (lease, progress) in &self.progress {
            match tx.report_progress(lease, progress).await {
                // Then the end does not count either.
                Ok(()) | Err(StoreError::Fenced { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let good = tx.end_attempts(&self.ends, shared.clock.now()).await?;
        self.note_void(&good);
        let counts = |place: &usize| good.get(*place).copied().unwrap_or_default();
        let died: Vec<Envelope> =
            self.died.iter().filter(|(place, _)| counts(place)).map(|(_, died)| died.clone()).collect();
        if !died.is_empty() {
            tx.append(&died).await?;
        }
        Ok(good)
    }

    /// Whether nothing is to be written beside the ends.
    fn are_all(&self) -> bool {
        self.progress.is_empty() && self.died.is_empty()
    }

    /// Says of attempts that they had ended before.
    fn note_void(&self, good: &[bool]) {
        for ((lease, _), _) in self.ends.iter().zip(good).filter(|(_, good)| !**good) {
            tracing::debug!(id = %lease.id, attempt = lease.attempt, "the attempt had ended before");
        }
    }

    /// Tells what has become of jobs that failed, if it was this that became of them.
    fn tell(&self, good: &[bool]) {
        let counts = |place: &usize| good.get(*place).copied().unwrap_or_default();
        for (place, job) in self.news.iter().filter(|(place, _)| counts(place)) {
            match self.ends.get(*place) {
                Some((JobLease { id, attempt, .. }, JobEnd::Retry { due, error })) => {
                    tracing::warn!(%job, %id, attempt, error = %error, %due, "the attempt failed; the job is tried again");
                }
                Some((JobLease { id, attempt, .. }, JobEnd::Dead { reason, error, .. })) => {
                    let reason = reason.as_str();
                    tracing::error!(%job, %id, attempt, reason, error = %error, "the job is dead");
                }
                _ => {}
            }
        }
    }
}

/// What a transaction came to.
pub(super) struct Settled {
    pub(super) claimed: Claimed,
    /// One for each that could be claimed.
    pub(super) permits: Option<OwnedSemaphorePermit>,
}

/// Writes what has ended, and claims as many jobs as there are permits. Where the store fails it waits and tries again: the
/// ends stay as they are, and the leases are renewed meanwhile. `None` if the store is closed, or what it has claimed is not known.
pub(super) async fn settle(
    shared: Arc<Shared>,
    queue: Arc<QueueFacts>,
    worker: WorkerId,
    ends: Ends,
    permits: Option<OwnedSemaphorePermit>,
) -> Option<Settled> {
    let limit = permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let (ends, mut patience) = (Arc::new(ends), Patience::default());
    loop {
        match settle_once(&shared, &queue, worker, &ends, limit).await {
            Ok(claimed) => return Some(Settled { claimed, permits }),
            Err(error) if is_closed(&error) || limit > 0 && is_unknown(&error) => return None,
            Err(error) => tokio::time::sleep(patience.pause(&queue.label, &error)).await,
        }
    }
}

async fn settle_once(
    shared: &Arc<Shared>,
    queue: &Arc<QueueFacts>,
    worker: WorkerId,
    ends: &Arc<Ends>,
    limit: usize,
) -> Result<Claimed> {
    if ends.is_empty() && limit == 0 {
        return Ok(Claimed::default());
    }
    if ends.are_all()
        && let Some(store) = shared.store.at_once()
    {
        return settle_at_once(shared, store, queue, worker, ends, limit).await;
    }
    let (its, of, written) = (shared.clone(), queue.clone(), ends.clone());
    let unit = Unit {
        name: queue.label.clone(),
        driver: "native",
        start: Box::new(move |slot| {
            let (shared, queue, ends) = (its.clone(), of.clone(), written.clone());
            Box::pin(async move {
                let mut tx = slot.take().await;
                let settled = async {
                    let good =
                        if ends.is_empty() { Vec::new() } else { ends.write(&shared, tx.as_mut()).await? };
                    if limit == 0 {
                        return Ok((Claimed::default(), good));
                    }
                    let claim = claim_of(&shared, &queue, worker, limit);
                    tx.claim_jobs(&claim).await.map(|claimed| (claimed, good)).map_err(Error::from)
                }
                .await;
                (Some(tx), settled)
            })
        }),
    };
    // What it appends tells of deaths: refused at the limit of the log, they could not be written down at all.
    let (claimed, good) = unit::run(shared, unit, shared.config.limits(), Access::Own).await?;
    ends.tell(&good);
    Ok(claimed)
}

/// The same where that is all, by a store that does it in one statement.
async fn settle_at_once(
    shared: &Shared,
    store: &dyn EndAndClaim,
    queue: &QueueFacts,
    worker: WorkerId,
    ends: &Ends,
    limit: usize,
) -> Result<Claimed> {
    let claim = (limit > 0).then(|| claim_of(shared, queue, worker, limit));
    let (good, claimed) = store.end_and_claim(&ends.ends, shared.clock.now(), claim.as_ref()).await?;
    ends.note_void(&good);
    ends.tell(&good);
    Ok(claimed)
}

fn claim_of<'a>(shared: &Shared, queue: &'a QueueFacts, worker: WorkerId, limit: usize) -> Claim<'a> {
    Claim {
        queue: &queue.name,
        worker,
        names: &queue.jobs,
        limit,
        now: shared.clock.now(),
        rate: queue.rate,
        running_max: queue.concurrency_overall,
    }
}
