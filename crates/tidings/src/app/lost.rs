//! What was running when the process before this one ended.

use tidings_core::store::{Member, StoreError};

use super::Shared;

/// Takes over what lost workers had claimed, before anything is placed or given up: a job of which the store still says that
/// it runs can be neither. And also where no queue is worked, so that nobody else would ever do it.
pub(super) async fn take_over(shared: &Shared) -> Result<(), StoreError> {
    let (store, now) = (&shared.store, shared.clock.now());
    let about = format!("the start of process {}", std::process::id());
    let worker = store.enlist(&Member::named(&about), shared.config.lease()).await?;
    let taken = store.take_over(worker, now).await;
    // Dismissed in any case; the first error is the one to tell.
    let dismissed = store.dismiss(worker, now).await;
    let jobs = taken?;
    dismissed?;
    if jobs > 0 {
        tracing::warn!(jobs, "jobs were running when their worker was lost; each is run alone");
    }
    Ok(())
}
