//! What a call holds while it runs: its place among those that run, and its idempotency key.

use std::sync::{Arc, Mutex, PoisonError};

use tidings_core::error::Error;
use tidings_core::store::StoreError;
use tokio::sync::OwnedSemaphorePermit;

use super::idempotency::Flight;
use crate::unit::HandlerTimeout;

/// Given back when the call has certainly ended. A caller may be answered before that: when its deadline passes during the
/// commit, or while the handler blocks its thread. So whatever runs for the call shares this, the work that the store
/// holds included, and the last one gives it back.
#[derive(Clone)]
pub(crate) struct Admission(Arc<Mutex<Option<Held>>>);

struct Held {
    _place: OwnedSemaphorePermit,
    _flight: Option<Flight>,
}

impl Admission {
    pub(crate) fn new(place: OwnedSemaphorePermit, flight: Option<Flight>) -> Self {
        Self(Arc::new(Mutex::new(Some(Held { _place: place, _flight: flight }))))
    }

    /// Gives it back at once if the answer says that nothing runs any more: the caller may ask again right away.
    pub(crate) fn end<T>(&self, answer: &Result<T, Error>) {
        let may_run_on = |error: &Error| {
            let store = matches!(error.find(), Some(StoreError::Unknown { .. } | StoreError::Timeout { .. }));
            store || error.find::<HandlerTimeout>().is_some()
        };
        if !answer.as_ref().is_err_and(may_run_on) {
            drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}
