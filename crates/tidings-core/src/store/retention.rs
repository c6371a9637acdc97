//! How long things are kept.

use std::time::Duration;

/// Bounds of the log and its records, by age and by count. Retention never passes a registered consumer's cursor, a
/// parked message or a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Messages older than this may go.
    pub age_max: Duration,
    /// When there are more messages than this, the oldest may go.
    pub messages_max: u64,
    /// When the log cannot be shortened below this many messages, publishing is refused.
    pub messages_hard_max: u64,
    /// At most this many receipts per consumer; older ones are merged.
    pub receipts_max: u64,
    /// Jobs that ended longer ago than this may go; dead ones wait for a person, and what keeps a unique key
    /// stays until its time.
    pub jobs_age_max: Duration,
    /// When there are more jobs that have ended than this, not counting those that keep a unique key, the oldest may go.
    pub jobs_max: u64,
}

impl Default for Retention {
    /// 30 days, 10 million messages; refused at 20 million; 10,000 receipts per consumer; ended jobs 7 days, 100,000 of them.
    fn default() -> Self {
        Self {
            age_max: Duration::from_secs(30 * 24 * 3_600),
            messages_max: 10_000_000,
            messages_hard_max: 20_000_000,
            receipts_max: 10_000,
            jobs_age_max: Duration::from_secs(7 * 24 * 3_600),
            jobs_max: 100_000,
        }
    }
}

/// What one round of maintenance did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Messages deleted.
    pub messages_deleted: u64,
    /// Expired outcomes deleted.
    pub outcomes_deleted: u64,
    /// Receipts merged into their neighbours.
    pub receipts_merged: u64,
    /// Ended jobs deleted.
    pub jobs_deleted: u64,
    /// Messages left in the log.
    pub messages: u64,
    /// What keeps the log from being shorter, when it is over its bounds.
    pub held_by: Option<String>,
}
