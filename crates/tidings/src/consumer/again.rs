//! Handling a message once more, and undoing it: what happens where a process ends just before its commit.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tidings_core::envelope::Recorded;
use tidings_core::error::{Error, Result};
use tidings_core::store::Lease;

use super::deliver::{Attempt, Delivery, Ending, Task, attempt};
use crate::app::{Consumer, Shared};

/// How an attempt ends that went well and is to leave nothing behind.
#[derive(Debug, thiserror::Error)]
#[error("it went well, and is undone")]
pub(super) struct Undone;

/// Runs a message through its handler and rolls everything back. An error is the handler's.
pub(crate) async fn again(shared: &Arc<Shared>, consumer: &Arc<Consumer>, message: Recorded) -> Result<()> {
    let run = Attempt {
        // It is asked for where a cursor or something parked is written, and this writes neither.
        lease: Lease { consumer: consumer.spec.name.clone(), partition: 0, fence: 0 },
        deliveries: vec![Delivery { message: Arc::new(message), task: Task::Fresh }],
        cursors: Arc::default(),
        first: 0,
        slice: Duration::MAX,
        at: AtomicUsize::new(0),
        ending: Ending::Undo,
    };
    match attempt(shared, consumer, Arc::new(run)).await {
        Err(error) if error.find::<Undone>().is_some() => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(Error::failed("what was to be undone was committed")),
    }
}
