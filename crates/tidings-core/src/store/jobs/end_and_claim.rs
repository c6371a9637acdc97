//! Ends and a claim in one round trip.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Claim, Claimed, JobEnd, JobLease};
use crate::store::StoreError;

/// What a store offers whose statements are expensive one by one.
#[async_trait]
pub trait EndAndClaim: Send + Sync {
    /// Ends attempts and then claims jobs, in a transaction of their own: what [`Tx::end_attempts`](crate::store::Tx::end_attempts)
    /// and [`Tx::claim_jobs`](crate::store::Tx::claim_jobs) do, for where there is nothing else to write. Done in one statement,
    /// whoever stands still holds nothing that others wait for.
    ///
    /// Times are as the caller read them, and may be older than the transaction by what it had to wait for its turn.
    ///
    /// Like [`Store::transact`](crate::store::Store::transact) it returns only when the commit is durable, or has failed and
    /// left nothing behind; [`StoreError::Unknown`] says that it may have happened, and then nobody knows what was claimed.
    async fn end_and_claim(
        &self,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
        claim: Option<&Claim<'_>>,
    ) -> Result<(Vec<bool>, Claimed), StoreError>;
}
