//! Business time as a parameter.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

/// The source of business time: what is due, what has expired, when something happened.
///
/// Lease time is not business time; a store takes it from its database or from a monotonic source.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time now. Within one process it never runs backwards, whatever the machine's clock does.
    fn now(&self) -> Timestamp;

    /// Returns once [`Clock::now`] has reached `due`.
    async fn sleep_until(&self, due: Timestamp);
}

/// A clock shared by everything in one application.
pub type SharedClock = Arc<dyn Clock>;
