//! Consumers of the log: one task for each partition, working through the messages after its cursor.
//!
//! A consumer runs what waits in batches, each in one transaction that also moves its cursor. Only failures get rows of
//! their own: the message is parked, its key's later messages wait behind it, and the cursor goes on.

#[cfg(feature = "testing")]
mod again;
mod ahead;
mod careful;
mod carry;
mod deliver;
mod desk;
mod due;
mod failure;
mod fresh;
mod narrow;
mod patience;
mod worker;

use tidings_core::envelope::Position;
use tidings_core::store::StoreError;
use tokio::sync::oneshot;

#[cfg(feature = "testing")]
pub(crate) use again::again;
pub(crate) use desk::{Desk, Order};
pub(crate) use failure::Failure;
pub(crate) use patience::pause_before_round;

/// What a person wants done with a dead letter.
pub(crate) struct Control {
    pub(crate) position: Position,
    pub(crate) verdict: Verdict,
    pub(crate) done: oneshot::Sender<Result<(), StoreError>>,
}

#[derive(Clone)]
pub(crate) enum Verdict {
    Retry,
    Discard(String),
}
