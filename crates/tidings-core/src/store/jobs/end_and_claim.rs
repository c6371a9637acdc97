//! Ends and a claim in a transaction of their own.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Claim, Claimed, JobEnd, JobLease, RateLimit, WorkerId};
use crate::store::{Limits, Store, StoreError, Tx, Work};

/// A claim that outlives its caller's borrows.
struct Owned {
    queue: Arc<str>,
    worker: WorkerId,
    names: Vec<Arc<str>>,
    limit: usize,
    now: Timestamp,
    rate: Option<RateLimit>,
}

struct EndAndClaim {
    ends: Vec<(JobLease, JobEnd)>,
    at: Timestamp,
    claim: Option<Owned>,
    answer: Mutex<(Vec<bool>, Claimed)>,
}

/// What [`Store::end_and_claim`] says, by an ordinary work.
pub(crate) async fn end_and_claim<S: Store + ?Sized>(
    store: &S,
    ends: &[(JobLease, JobEnd)],
    at: Timestamp,
    claim: Option<&Claim<'_>>,
) -> Result<(Vec<bool>, Claimed), StoreError> {
    let claim = claim.map(|claim| Owned {
        queue: claim.queue.into(),
        worker: claim.worker,
        names: claim.names.to_vec(),
        limit: claim.limit,
        now: claim.now,
        rate: claim.rate,
    });
    let work = Arc::new(EndAndClaim { ends: ends.to_vec(), at, claim, answer: Mutex::default() });
    store.transact(work.clone(), Limits::default()).await?;
    let mut answer = work.answer.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *answer))
}

impl EndAndClaim {
    async fn steps(&self, tx: &mut dyn Tx) -> Result<(Vec<bool>, Claimed), StoreError> {
        let good =
            if self.ends.is_empty() { Vec::new() } else { tx.end_attempts(&self.ends, self.at).await? };
        let Some(Owned { queue, worker, names, limit, now, rate }) = &self.claim else {
            return Ok((good, Claimed::default()));
        };
        let claim = Claim { queue, worker: *worker, names, limit: *limit, now: *now, rate: *rate };
        Ok((good, tx.claim_jobs(&claim).await?))
    }
}

#[async_trait]
impl Work for EndAndClaim {
    fn name(&self) -> String {
        self.claim
            .as_ref()
            .map_or_else(|| "the ends of attempts".to_owned(), |claim| format!("queue `{}`", claim.queue))
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let done = self.steps(tx.as_mut()).await;
        let done = done.map(|answer| *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer);
        (tx, done)
    }
}
