//! Counts for benches and metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the writer has done since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits on the disk.
    pub commits: u64,
    /// Works whose effects those commits hold.
    pub works_committed: u64,
    /// Works undone because they failed, panicked, were cancelled or ran over their budget.
    pub works_undone: u64,
    /// Works run a second time, alone, because the transaction they shared was lost.
    pub works_rerun: u64,
    /// The most works that shared one commit.
    pub group_members_max: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    works_committed: AtomicU64,
    works_undone: AtomicU64,
    works_rerun: AtomicU64,
    group_members_max: AtomicU64,
}

impl Counters {
    pub(crate) fn committed(&self, members: u64) {
        self.commits.fetch_add(1, Relaxed);
        self.works_committed.fetch_add(members, Relaxed);
        self.group_members_max.fetch_max(members, Relaxed);
    }

    pub(crate) fn undone(&self) {
        self.works_undone.fetch_add(1, Relaxed);
    }

    pub(crate) fn rerun(&self) {
        self.works_rerun.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            commits: self.commits.load(Relaxed),
            works_committed: self.works_committed.load(Relaxed),
            works_undone: self.works_undone.load(Relaxed),
            works_rerun: self.works_rerun.load(Relaxed),
            group_members_max: self.group_members_max.load(Relaxed),
        }
    }
}
